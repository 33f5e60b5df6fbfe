"""An engine on a GPU, end to end on a toy session: real git and processes; a stand-in plays the driver's binding."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.gpu import locks, nvml
from engine.gpu.samples import GpuSample
from engine.loop import vacancy
from engine.loop.main import LaunchRefused, run
from engine.session import events as ev
from engine.session import inbox
from engine.session.settings import Limits
from engine.session.state import State
from tests.gpu.standin import Binding, Card
from tests.loop.lab import BENCHMARK, Lab

FIT = '''"""A toy of 8 layers, of which 4 fit; ALPHA and BETA are what the toy's benchmark measures."""

import os
import sys
import time

from prepare import MAX_SEQ_LEN

ALPHA = 0.9  # first
BETA = 0.1  # second
DEPTH = 8
TOTAL_BATCH_SIZE = 2**14
DEVICE_BATCH_SIZE = 16

if os.environ.get("OVERNIGHT_FIT") == "1":
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-1" and os.environ["OVERNIGHT_DEVICE"] == "cuda"
    if HANGS:
        time.sleep(600)
    if DEPTH**2 * DEVICE_BATCH_SIZE * MAX_SEQ_LEN > 4**2 * 16 * 1024:
        print("out of memory: a smaller DEPTH fits")
        sys.exit(3)
    print("fit: ok peak_vram_mb: 2048.0")
'''


class OnFile(Card):
    """Its memory in use is what a file says, so that a benchmark's process can change it."""

    def __init__(self, path: Path) -> None:
        super().__init__("GPU-1", processes=None)
        self._path = path

    @property
    def used(self) -> int:
        return int(self._path.read_text().strip() or 0)

    @used.setter
    def used(self, value: int) -> None: ...


@pytest.fixture
def used(tmp_path: Path) -> Path:
    path = tmp_path / "used"
    path.write_text("400")
    return path


@pytest.fixture(autouse=True)
def gpu(used: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Binding]:
    binding = Binding(OnFile(used))
    (tmp_path / "locks").mkdir()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(nvml, "_pynvml", lambda: binding)
    monkeypatch.setattr(locks, "ROOT", tmp_path / "locks")
    monkeypatch.setattr(vacancy, "QUIET_S", 0.0)
    yield binding


def experiments(lab: Lab, count: int, **more: Any) -> str:
    return run(lab.paths, limits=Limits(experiments=count), **more)


def when(lab: Lab, true: Callable[[State], object], then: Callable[[State], None]) -> threading.Thread:
    """Do `then` in a thread once the journal says so; the engine needs this one for its signals."""

    def watch() -> None:
        then(lab.wait(true))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def failing(line: str) -> str:
    """A benchmark that gives the baseline its result, and ends every change with `line` in its log."""
    baseline = "grep -q 'ALPHA = 0.9 ' train.py && grep -q 'BETA = 0.1 ' train.py"
    return f"if ! ({baseline}); then echo '{line}' > run.log; exit 1; fi\n{BENCHMARK}"


def with_fit(lab: Lab, hangs: bool = False) -> Lab:
    (lab.root / "train.py").write_text(FIT.replace("HANGS", str(hangs)))
    (lab.root / "prepare.py").write_text("BUDGET = 1\nMAX_SEQ_LEN = 1024\n")
    lab.git("commit", "-qam", "session: a template")
    return lab


def test_the_engine_holds_the_gpu_and_what_the_driver_saw_stands_beside_what_was_printed(
    tmp_path: Path, used: Path
) -> None:
    benchmark = f"echo 45000 > {used}\necho METRIC peak_vram_mb=20000\n{BENCHMARK}"
    lab = Lab(tmp_path / "toy", benchmark)
    held: list[object] = []
    seen = when(lab, lambda state: state.experiments, lambda _: held.append(locks.device_holder("GPU-1")))
    freed = when(lab, lambda state: state.delayed, lambda _: used.write_text("400") and None)
    experiments(lab, 1)
    seen.join(60)
    freed.join(60)
    state = lab.state()
    assert state.engine and (state.engine.device, state.engine.device_name) == ("GPU-1", "NVIDIA H100")
    first = state.experiments[0]
    assert first.metrics["nvml_peak_mb"] == 44_600 and first.metrics["peak_vram_mb"] == 20_000
    assert first.flags == ("vram_disagrees",) and first.status == "keep", "shown, and the metric counts"
    assert held and getattr(held[0], "kind", "") == "toy"
    assert locks.device_holder("GPU-1") is None


def test_memory_that_a_run_does_not_give_back_is_told_and_waited_for(tmp_path: Path, used: Path) -> None:
    lab = Lab(tmp_path / "toy", f"echo 45000 > {used}\n{BENCHMARK}")
    at: list[int] = []

    def free(state: State) -> None:
        at.append(len(state.experiments[-1].trials))
        used.write_text("400")

    freed = when(lab, lambda state: state.delayed, free)
    experiments(lab, 1)
    freed.join(60)
    state = lab.state()
    told = [text for _, text in state.troubles if "GiB in use" in text]
    assert told and "GPU 0 has 43.9 GiB in use (0.4 before the last run)" in told[0]
    assert "cannot be seen from here" in told[0] and "waits until it is free" in told[0]
    assert at == [0], "the second run had not started"
    assert len(state.experiments) == 2 and state.delayed == ""


def test_a_stop_ends_the_wait_for_a_device_and_the_next_engine_goes_on_with_the_run(tmp_path: Path, used: Path) -> None:
    lab = Lab(tmp_path / "toy", f"echo 45000 > {used}\n{BENCHMARK}")
    stopped = when(
        lab, lambda state: state.delayed, lambda _: inbox.send(lab.paths.inbox, inbox.request("stop", {}, "ann"))
    )
    assert experiments(lab, 1) == "asked by ann"
    stopped.join(60)
    waiting = lab.state()
    assert waiting.current is not None and waiting.current.run == 2 and not waiting.current.trials
    used.write_text("400")
    experiments(lab, 1)
    state = lab.state()
    assert [e.run for e in state.experiments] == [1, 2] and state.experiments[1].trials[0].outcome == "ok"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("RuntimeError: CUDA error: uncorrectable ECC error encountered", "gpu_ecc"),
        ("GPU 0000:3B:00.0: GPU is lost. Reboot the system", "gpu_lost"),
        ("RuntimeError: CUDA driver version is insufficient for CUDA runtime version", "gpu_driver"),
    ],
)
def test_a_broken_device_pauses_the_loop_with_its_reason(tmp_path: Path, line: str, cause: str) -> None:
    lab = Lab(tmp_path / "toy", failing(line))
    with pytest.raises(LaunchRefused, match="What helps"):
        experiments(lab, 5)
    state = lab.state()
    assert len(state.experiments) == 2 and state.paused and state.pause_by == "engine"
    assert "then resume" in state.pause_reason.lower()
    second = state.experiments[1]
    assert (second.status, second.flags, second.trials[0].cause) == ("crash", ("gpu_trouble",), cause)


def test_an_out_of_memory_is_a_crash_like_others(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", failing("torch.OutOfMemoryError: CUDA out of memory."))
    experiments(lab, 2)
    state = lab.state()
    assert [e.status for e in state.experiments] == ["keep", "crash", "crash"] and not state.paused
    assert state.experiments[1].trials[0].cause == "oom"


def test_the_largest_configuration_that_fits_is_found_once_committed_and_told(tmp_path: Path) -> None:
    lab = with_fit(Lab(tmp_path / "toy"))
    told: list[ev.AnyEvent] = []
    experiments(lab, 1, listeners=(lambda event, _: told.append(event),))
    state = lab.state()
    (fitted,) = (event for event in told if isinstance(event, ev.Fitted))
    assert fitted.changed == {"DEPTH": ("8", "4")} and fitted.peak_vram_mb == 2048
    assert "depth 4, batch 16, sequence 1024 does, peak 2.0 of 79.6 GiB" in fitted.text
    assert "DEPTH 8 → 4" in fitted.text
    assert any(isinstance(event, ev.Delayed) and "try 1: depth 8" in event.text for event in told)
    assert fitted.text in [text for _, _, text in state.notes]
    assert state.baseline is not None
    assert "DEPTH = 4\n" in lab.git("show", f"{state.baseline.commit}:train.py")
    assert "session: fit the GPU: depth 4" in lab.git("log", "--format=%s")
    assert not (lab.paths.private / "fit").exists()
    told.clear()
    experiments(lab, 1, listeners=(lambda event, _: told.append(event),))
    assert not any(isinstance(event, ev.Fitted | ev.Delayed) for event in told), "once, at the first start"


def test_without_the_search_and_on_the_cpu_the_tier_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = with_fit(Lab(tmp_path / "asked"))
    experiments(asked, 1, fit=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    cpu = with_fit(Lab(tmp_path / "cpu"))
    experiments(cpu, 1)
    for lab in (asked, cpu):
        assert not lab.state().fitted and "DEPTH = 8\n" in (lab.root / "train.py").read_text()
    engine = cpu.state().engine
    assert engine is not None and engine.device == "" and not cpu.state().troubles
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    experiments(cpu, 1)
    assert any("is 7 and leaves no GPU of those there are, 0 (NVIDIA H100)" in text for _, text in cpu.state().troubles)


def test_a_stop_ends_the_search_and_leaves_the_session_untouched(tmp_path: Path) -> None:
    lab = with_fit(Lab(tmp_path / "toy"), hangs=True)
    stopped = when(
        lab, lambda state: state.delayed, lambda _: inbox.send(lab.paths.inbox, inbox.request("stop", {}, "ann"))
    )
    began = time.monotonic()
    assert experiments(lab, 3) == "asked by ann"
    stopped.join(60)
    assert time.monotonic() - began < 300
    state = lab.state()
    assert not state.fitted and not state.segments and lab.git("status", "--porcelain", "train.py") == ""


def test_a_session_of_a_gpu_does_not_go_on_on_the_cpu_by_itself(
    tmp_path: Path, gpu: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path / "toy")
    experiments(lab, 1)
    gpu.cards.clear()
    with pytest.raises(
        LaunchRefused, match=r"trained on a GPU \(NVIDIA H100\) so far, and there is none now"
    ) as refused:
        experiments(lab, 1)
    assert refused.value.code == 4
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    experiments(lab, 1)
    assert len(lab.state().experiments) == 3


def test_a_first_start_beside_a_broken_gpu_says_that_it_trains_on_the_cpu(tmp_path: Path, gpu: Binding) -> None:
    gpu.cards[:] = [Card("GPU-1", lost=True)]
    lab = Lab(tmp_path / "toy")
    experiments(lab, 1)
    (told,) = (text for _, text in lab.state().troubles if "trains on the CPU" in text)
    assert told.startswith("GPU 0 cannot be used (not available: GPU is lost): it") and "doctor --only gpu" in told


def test_auto_on_the_command_line_keeps_to_the_devices_that_the_shell_allows(
    tmp_path: Path, gpu: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu.cards.append(Card("GPU-2", used=9000))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    lab = Lab(tmp_path / "toy")
    experiments(lab, 1, gpu="auto")
    engine = lab.state().engine
    assert engine is not None and engine.device == "GPU-2"


def test_a_named_gpu_is_taken_by_uuid_or_refused_with_who_holds_it(tmp_path: Path, gpu: Binding) -> None:
    gpu.cards.append(Card("GPU-2", "NVIDIA A100"))
    lab = Lab(tmp_path / "toy")
    experiments(lab, 1, gpu="1")
    engine = lab.state().engine
    assert engine is not None and engine.device == "GPU-2"
    lock = locks.take(GpuSample(index=1, uuid="GPU-2", name="NVIDIA A100"), "apr1", "s1")
    with pytest.raises(
        LaunchRefused, match=f"GPU 1 .NVIDIA A100. is taken by session apr1 .process {os.getpid()}"
    ) as held:
        experiments(lab, 1, gpu="GPU-2")
    assert held.value.code == 4
    lock.release()
    with pytest.raises(LaunchRefused, match="--gpu is 7"):
        experiments(lab, 1, gpu="7")
    experiments(lab, 1, gpu="0")
    told = [text for _, text in lab.state().troubles]
    assert any("trains on NVIDIA H100, the one before it on NVIDIA A100" in text for text in told)


def test_others_on_the_device_are_told_before_the_first_run(tmp_path: Path, used: Path) -> None:
    used.write_text("20000")
    lab = Lab(tmp_path / "toy")
    experiments(lab, 1)
    assert any("19.5 of 79.6 GiB are in use already" in text for _, text in lab.state().troubles)
