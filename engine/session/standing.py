"""How a session stands, in figures that every part shows alike: the loop's pace and the session's confidence."""

import msgspec

from engine.session.state import State, better
from engine.session.stats import confidence

RECENT = 20
"""Experiments that the pace is taken over."""


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
    baseline, segment = state.baseline, state.segment
    if baseline is None or baseline.metric is None or segment is None:
        return None
    valid = [e.metric for e in state.of_segment() if e.status and e.valid and e.metric is not None]
    best = baseline.metric
    for run in segment.line:
        kept = state.experiment(run)
        if kept is not None and kept.metric is not None and better(kept.metric, best, segment.metric.direction):
            best = kept.metric
    return confidence(valid, baseline.metric, best)
