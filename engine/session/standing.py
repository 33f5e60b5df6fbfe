"""How a session stands, in figures that every part shows alike: gain, counts, the loop's pace, the confidence."""

from collections import Counter
from collections.abc import Callable
from typing import TypeVar, cast

import msgspec

from engine.session.packed import Marks, Packed, marks_of
from engine.session.state import Segment, State, better, gain
from engine.session.stats import confidence

RECENT = 20
"""Experiments that the pace is taken over."""


def total_gain(state: State) -> float | None:
    """How much better the champion is than the baseline, in the metric's unit: positive is better, whichever way the
    metric goes. None until both are measured."""
    champion, baseline, segment = state.champion, state.baseline, state.segment
    if champion is None or baseline is None or segment is None or champion.metric is None or baseline.metric is None:
        return None
    return gain(champion.metric, baseline.metric, segment.metric.direction)


def counts(state: State, segment: Segment | None = None) -> dict[str, int]:
    """How many changes of a segment (default: the open one) have each status; its baseline is no change."""
    return _kept(state, "counts", segment, _counts)


def _counts(state: State, segment: Segment | None) -> dict[str, int]:
    found = marks(state, segment)
    counted = zip(found.statuses, found.baseline, strict=True)
    return dict(Counter(status for status, baseline in counted if status and not baseline))


def marks(state: State, segment: Segment | None = None) -> Marks:
    """Status and metric of each experiment of a segment (default: the open one): its runs follow each other."""
    chosen = segment or state.segment
    runs = chosen.runs if chosen else []
    return marks_of(state.experiments, runs[0] - 1, runs[-1]) if runs else Marks.none()


def ended(state: State) -> int:
    """How many experiments are over, baselines and those of earlier segments included."""
    return len(state.experiments) - (state.current is not None)


class Pace(msgspec.Struct, frozen=True):
    """`per_hour` over the last `of` experiments of the engine's present run."""

    per_hour: float
    of: int


def pace(state: State) -> Pace | None:
    """Experiments an hour while the loop works: pauses between them, and what was aborted, do not count.

    None before one has ended in this engine's run.
    """
    began = state.engine.started_at if state.engine else 0.0
    spans: list[float] = []
    for experiment in reversed(state.experiments):
        if experiment.began_at < began or len(spans) >= RECENT:
            break
        if experiment.phase == "ended" and not {"aborted", "interrupted", "no_change"} & set(experiment.flags):
            spans.append(experiment.ended_at - experiment.began_at)
    total = sum(spans)
    return Pace(3600 * len(spans) / total, len(spans)) if total > 0 else None


def session_confidence(state: State) -> float | None:
    """|best − baseline| / MAD: the best of the champions that stand, over the open segment's valid metrics.

    None with fewer than three or a MAD of 0 (design, section 4.8). An operator's decision changes it at once.
    """
    return _kept(state, "confidence", None, _confidence)


_T = TypeVar("_T")


def _kept(state: State, name: str, segment: Segment | None, make: Callable[[State, Segment | None], _T]) -> _T:
    """The figure, of packed experiments made only once between two events: who shows them asks every second."""
    kept = state.experiments.figures if isinstance(state.experiments, Packed) else {}
    mark = (state.events, segment.number if segment else None)
    if name not in kept or kept[name][0] != mark:
        kept[name] = (mark, make(state, segment))
    return cast(_T, kept[name][1])


def _confidence(state: State, segment: Segment | None) -> float | None:
    baseline, segment = state.baseline, state.segment
    if baseline is None or baseline.metric is None or segment is None:
        return None
    found = marks(state)
    valid = [metric for metric, counts in zip(found.metrics, found.valid, strict=True) if counts and metric is not None]
    best = baseline.metric
    for run in segment.line:
        kept = found.metrics[run - found.first]
        if kept is not None and better(kept, best, segment.metric.direction):
            best = kept
    return confidence(valid, baseline.metric, best)
