"""The machine: each device's memory, load, power, temperature, clocks, processes; CPU and memory without one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from textual.widget import Widget

from engine.gpu.samples import GpuProcess, GpuSample, HostSample, Snapshot
from engine.session.inert import inert
from tui import model
from tui.braille import bar, sparkline
from tui.fitting import count_text, shorten
from tui.model import View
from tui.panes.lines import LinesView, paragraph
from tui.panes.pane import Pane
from tui.runs import Line

NA = "N/A"
KEPT = 240  # samples in the history line


def lines(view: View, history: Mapping[str, Sequence[float]], width: int) -> list[Line]:
    """Devices, or the machine where there is none; then what run.log says of speed."""
    shot = view.snapshot
    if shot is None:
        waiting = "this run's machine was not recorded" if view.recorded else "waiting for the first sample"
        return [[(waiting, "dim")], *_speed(view)]
    out: list[Line] = []
    if shot.trouble:
        out += paragraph(inert(shot.trouble), width, "warn")
    for gpu in shot.gpus:
        out += _device(view, gpu, history.get(gpu.uuid, ()), width)
    if not shot.gpus:
        if not shot.trouble:
            out.append([("no NVIDIA GPU " + ("there" if view.recorded else "here") + "; this is the machine", "dim")])
        out += _host(shot.host, history.get("cpu", ()), width)
    out += _speed(view)
    return out


def _device(view: View, gpu: GpuSample, past: Sequence[float], width: int) -> list[Line]:
    own = _own(view, gpu)
    head: Line = [(f"{gpu.label} ", "strong"), (shorten(inert(gpu.name or NA), width - 3 - 10 * own), "strong")]
    out: list[Line] = [[*head, (" this loop", "running")] if own else head]
    if not gpu.uuid:
        return out
    out.append(_memory("VRAM", gpu.used_mb, gpu.total_mb, width, _peak(view) if own or not _device_of(view) else ""))
    util = NA if gpu.util_percent is None else f"{gpu.util_percent}%"
    line: Line = [("load ", "dim"), (util.rjust(4), "")]
    room = width - 10
    if room > 8 and past:
        line.append((" " + sparkline(past, min(room, 60), 0.0, 100.0).lstrip(), "curve"))
    out.append(line)
    limit = f"/{gpu.power_limit_w:.0f}" if gpu.power_limit_w is not None else ""
    power = NA if gpu.power_w is None else f"{gpu.power_w:.0f}{limit} W"
    temp = NA if gpu.temp_c is None else f"{gpu.temp_c} °C"
    clocks = f"{_or_na(gpu.sm_mhz)}/{_or_na(gpu.mem_mhz)} MHz"
    out += paragraph(f"{power} · {temp} · {clocks}", width)
    if gpu.ecc_errors:
        out += paragraph(f"{gpu.ecc_errors} memory errors could not be corrected", width, "bad")
    return out + _processes(gpu.processes, width, own or not _device_of(view))


def _device_of(view: View) -> str:
    """The UUID of the GPU that this session's engine holds, or held while it was recorded; "" without an engine, on
    the CPU, and where it is old."""
    engine = view.state.engine
    return engine.device if engine is not None and (view.running or view.recorded) else ""


def _own(view: View, gpu: GpuSample) -> bool:
    return bool(gpu.uuid) and gpu.uuid == _device_of(view)


def _peak(view: View) -> str:
    """The peak that the run, or else the champion, printed, and beside it the driver's where it was seen."""
    current, champion = view.state.current, view.state.champion
    if view.recorded:
        current = view.selection
    metrics = current.metrics if current and current.metrics else champion.metrics if champion else {}
    printed, seen = model.vram_mb(metrics), metrics.get("nvml_peak_mb")
    said = f" peak {printed / 1024:.1f}" if printed else ""
    return said + (f" (driver {seen / 1024:.1f})" if said and seen else "")


def _or_na(value: int | None) -> str:
    return NA if value is None else str(value)


def _processes(processes: Sequence[GpuProcess] | None, width: int, own: bool) -> list[Line]:
    if processes is None:
        return [[("processes N/A", "dim")]]
    out: list[Line] = []
    for one in processes[:8]:
        used = NA if one.used_mb is None else f"{one.used_mb / 1024:.1f} GiB"
        whose = ("this run" if own else "a run", "running") if one.cookie else ("other", "warn")
        name = shorten(inert(one.name or "not visible here"), max(6, width - 30))
        out.append([(f"{one.pid:>7} ", "dim"), whose, (f" {used} ", ""), (name, "dim")])
    if len(processes) > 8:
        out.append([(f"        and {len(processes) - 8} more", "dim")])
    return out


def _memory(name: str, used: int | None, total: int | None, width: int, more: str = "") -> Line:
    if used is None or total is None or total <= 0:
        return [(f"{name} ", "dim"), (NA, "")]
    figures = f" {used / 1024:.1f}/{total / 1024:.1f} GiB{more}"
    room = max(4, min(40, width - len(figures) - len(name) - 2))
    share = used / total
    return [(f"{name} ", "dim"), (bar(share, room), "bad" if share > 0.95 else "curve"), (figures, "")]


def _host(host: HostSample, past: Sequence[float], width: int) -> list[Line]:
    cpu = NA if host.cpu_percent is None else f"{host.cpu_percent:.0f}%"
    cores = f" of {host.cores} cores" if host.cores else ""
    load = NA if host.load1 is None else f"{host.load1:.1f}"
    out: list[Line] = [[("CPU ", "dim"), (f"{cpu}{cores}", ""), (" · load ", "dim"), (load, "")]]
    if past and width > 10:
        out.append([(sparkline(past, min(width - 1, 60), 0.0, 100.0).lstrip(), "curve")])
    out.append(_memory("memory", host.mem_used_mb, host.mem_total_mb, width))
    return out


def _speed(view: View) -> list[Line]:
    progress = view.progress
    if progress is None or not view.running:
        return []
    parts: Line = []
    if progress.tok_per_sec is not None:
        parts += [("speed ", "dim"), (f"{count_text(progress.tok_per_sec)} tok/s", "strong")]
    if progress.dt_ms is not None:
        parts += [("  step ", "dim"), (f"{progress.dt_ms:.0f} ms", "")]
    # Where the peak is not known, as on the CPU, some templates print 0: nothing that runs has that.
    parts += [("  MFU ", "dim"), (f"{progress.mfu:.1f}%" if progress.mfu else NA, "")]
    return [parts]


class GpuPane(Pane):
    """Keeps the history and shows the newest sample."""

    ident = "gpu"
    title = "GPU"

    def __init__(self) -> None:
        super().__init__()
        self.view = LinesView(id="gpu-lines")
        self._history: dict[str, deque[float]] = {}
        self._replayed: int | None = None

    def body(self) -> Iterator[Widget]:
        """The lines."""
        yield self.view

    @property
    def focus_target(self) -> Widget:
        """The lines."""
        return self.view

    def sampled(self, shot: Snapshot) -> None:
        """Put a sample into the history."""
        values = {gpu.uuid: float("nan") if gpu.util_percent is None else float(gpu.util_percent) for gpu in shot.gpus}
        if shot.host.cpu_percent is not None:
            values["cpu"] = shot.host.cpu_percent
        for name, value in values.items():
            self._history.setdefault(name, deque(maxlen=KEPT)).append(value)

    def replay(self, run: int, shots: Sequence[Snapshot]) -> Snapshot | None:
        """Take a recorded run's samples for the history; the one to show, when the devices were busiest."""
        self._replayed = run
        self._history.clear()
        for shot in shots:
            self.sampled(shot)
        return max(shots, key=lambda shot: max((gpu.util_percent or 0 for gpu in shot.gpus), default=0), default=None)

    def show(self, view: View) -> None:
        """Paint the newest sample."""
        self.view.show(lines(view, self._history, self.view.room))
        shot = view.snapshot
        if view.recorded:
            self.heading.say((f"recorded in run {self._replayed}" if shot is not None else "", ""))
        elif shot is not None:
            self.heading.say(
                (f"{len(shot.gpus)} device{'s' if len(shot.gpus) != 1 else ''}" if shot.gpus else "CPU", "")
            )
