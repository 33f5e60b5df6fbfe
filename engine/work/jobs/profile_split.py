"""Where a training step's time goes, from the events of a chrome trace that torch.profiler wrote.

On the CPU the main thread's time is split: what lies in the ranges `overnight::data`, `overnight::backward` and
`Optimizer.step#…`, forward from the end of one of them to a backward's start, and the rest. On a GPU its own time is
split: each kernel counts for the phase in which the host launched it, copies from the host count as data, and what no
kernel covers is a gap.

It stands alone, importing nothing of overnight: `profile_driver.py` loads it by its path.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

PHASES = ("data", "forward", "backward", "optimizer")
DATA, BACKWARD = "overnight::data", "overnight::backward"
_LAUNCHES = ("cuda_runtime", "cuda_driver")
_ON_GPU = ("kernel", "gpu_memcpy", "gpu_memset")

Event = Mapping[str, Any]


class Span(NamedTuple):
    """Microseconds of the trace's clock, and the phase."""

    start: float
    end: float
    phase: str


class Split(NamedTuple):
    """Milliseconds a step by phase, `gaps` among them; they add up to `step_ms`. `wait_ms`: the host's in its data."""

    steps: int
    step_ms: float
    phases: dict[str, float]
    wait_ms: float
    on_gpu: bool


def split(events: Iterable[Event]) -> Split | None:
    """The split of the recorded steps; None where the trace holds no whole step."""
    events = [event for event in events if event.get("ph") == "X" and "ts" in event and "dur" in event]
    steps = [event for event in events if _annotation(event) and str(event["name"]).startswith("ProfilerStep#")]
    if not steps:
        return None
    start = min(float(step["ts"]) for step in steps)
    end = max(float(step["ts"]) + float(step["dur"]) for step in steps)
    spans = spans_of(events, steps[0].get("tid"), start, end)
    host = dict.fromkeys((*PHASES, "gaps"), 0.0)
    for span in spans:
        host[span.phase] += span.end - span.start
    host["gaps"] = max(0.0, end - start - sum(host[phase] for phase in PHASES))
    kernels = [event for event in events if event.get("cat") in _ON_GPU]
    found = on_gpu(events, kernels, spans, start, end) if kernels else host
    scale = 1000 * len(steps)
    return Split(
        len(steps),
        (end - start) / scale,
        {phase: time / scale for phase, time in found.items()},
        host["data"] / scale,
        bool(kernels),
    )


def _annotation(event: Event) -> bool:
    return event.get("cat") == "user_annotation"


def spans_of(events: Iterable[Event], thread: Any, start: float, end: float) -> list[Span]:
    """The main thread's phases in order, without overlap, inside the window."""
    marked: list[Span] = []
    for event in events:
        if not _annotation(event) or event.get("tid") != thread:
            continue
        name = str(event["name"])
        stepping = "optimizer" if name.startswith("Optimizer.step#") else ""
        phase = {DATA: "data", BACKWARD: "backward"}.get(name, stepping)
        if phase:
            marked.append(Span(float(event["ts"]), float(event["ts"]) + float(event["dur"]), phase))
    marked.sort()
    stepped = any(span.phase == "optimizer" for span in marked)
    found: list[Span] = []
    at, before = start, ""
    for span in marked:
        first, last = max(span.start, at), min(span.end, end)
        if last <= first:
            continue
        if first > at and span.phase == "backward":
            found.append(Span(at, first, "forward"))
        elif first > at and before == "backward" and not stepped:  # a compiled optimizer leaves no range of its own
            found.append(Span(at, first, "optimizer"))
        found.append(Span(first, last, span.phase))
        at, before = last, span.phase
    if before == "backward" and not stepped and end > at:
        found.append(Span(at, end, "optimizer"))
    return found


def on_gpu(
    events: Iterable[Event], kernels: Iterable[Event], spans: list[Span], start: float, end: float
) -> dict[str, float]:
    """Microseconds of the GPU by phase; two kernels at once count once, for the one that began first."""
    launched = {
        event["args"]["correlation"]: float(event["ts"])
        for event in events
        if event.get("cat") in _LAUNCHES and "correlation" in event.get("args", {})
    }
    found = dict.fromkeys((*PHASES, "rest", "gaps"), 0.0)
    begins = [span.start for span in spans]
    covered = start
    for kernel in sorted(kernels, key=lambda event: float(event["ts"])):
        first = max(float(kernel["ts"]), covered)
        last = min(float(kernel["ts"]) + float(kernel["dur"]), end)
        if last <= first:
            continue
        at = launched.get(kernel.get("args", {}).get("correlation"), float(kernel["ts"]))
        index = bisect_right(begins, at) - 1
        inside = index >= 0 and at <= spans[index].end
        phase = "data" if "HtoD" in str(kernel["name"]) else spans[index].phase if inside else "rest"
        found[phase] += last - first
        covered = last
    found["gaps"] = max(0.0, end - start - sum(found.values()))
    return found
