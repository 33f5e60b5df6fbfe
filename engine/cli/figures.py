"""Numbers as an operator reads them."""

from datetime import datetime

from engine.session.state import Experiment, State


def metric(value: float | None) -> str:
    """A metric, six decimals; "–" when there is none."""
    return "–" if value is None else f"{value:.6f}"


def difference(value: float | None, base: float | None) -> float | None:
    """`value` − `base`; None when either is missing."""
    return None if value is None or base is None else value - base


def seconds(value: float) -> str:
    """A span: 8 s, 4 min 05 s, 2 h 07 min, 3 d 04 h."""
    whole = max(0, round(value))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole // 60 % 60:02} min"
    return f"{whole // 86400} d {whole // 3600 % 24:02} h"


def moment(at: float) -> str:
    """A time of the clock here; the day as well when it was not today."""
    then = datetime.fromtimestamp(at)
    return then.strftime("%H:%M:%S" if then.date() == datetime.now().date() else "%Y-%m-%d %H:%M")


def base_of(experiment: Experiment, state: State) -> float | None:
    """The metric of the champion that the experiment was tried on."""
    champion = state.experiment(experiment.champion) if experiment.champion is not None else None
    return champion.metric if champion else None


def first(metrics: dict[str, float], *names: str) -> float | None:
    """The first of `names` that was measured: other loops call the same thing otherwise."""
    return next((metrics[name] for name in names if name in metrics), None)


def vram(metrics: dict[str, float]) -> float | None:
    """Peak VRAM in MB."""
    gigabytes = first(metrics, "memory_gb", "peak_vram_gb")
    found = first(metrics, "peak_vram_mb", "peak_memory_mb")
    return found if found is not None else gigabytes * 1024 if gigabytes is not None else None


def mfu(metrics: dict[str, float]) -> float | None:
    """Model FLOPs utilisation in percent."""
    return first(metrics, "mfu_percent", "mfu")


def day(at: float) -> str:
    """A time with its date, here: 2026-03-05 23:14."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")
