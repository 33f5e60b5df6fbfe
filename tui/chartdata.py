"""What the charts draw, from the folded state and from loss curves: marks, steps, legends, sentences. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from engine.session import standing
from engine.session.standing import counts
from engine.session.state import Experiment, Segment, State
from tui import model
from tui.braille import GLYPHS, Mark
from tui.fitting import signed
from tui.runs import Line
from tui.series import Point

_NAMES = (("keep", "kept"), ("discard", "discarded"), ("crash", "crashed"), ("checks_failed", "checks failed"))


_LONG = 40  # points of a curve from which its start can be left out


class Loss(NamedTuple):
    """The loss over the steps of one run."""

    run: int
    points: Sequence[tuple[int, float]] = ()


def metrics_of(state: State, segment: Segment | None = None) -> list[str]:
    """What can be drawn of a segment (default: the open one): its metric first, then the others by name.

    One that no two runs differ in is left out: it would be a line of nothing.
    """
    chosen = segment or state.segment
    if chosen is None:
        return []
    seen: dict[str, set[float]] = {}
    for experiment in state.of_segment(chosen):
        for name, value in experiment.metrics.items():
            if math.isfinite(value):
                seen.setdefault(name, set()).add(value)
    own = chosen.metric.name
    return [own, *sorted(name for name, values in seen.items() if name != own and len(values) > 1)]


def value_of(experiment: Experiment, metric: str, own: str) -> float | None:
    """The experiment's value of a metric; `own` is the segment's. None where it has none, or a crash."""
    value = experiment.metric if metric == own else experiment.metrics.get(metric)
    return value if value is not None and math.isfinite(value) else None


def marks(state: State, metric: str = "", segment: Segment | None = None) -> list[Mark]:
    """One mark for each decided experiment of the segment, x being its run; `metric` "" is the segment's own."""
    chosen = segment or state.segment
    if chosen is None:
        return []
    own = chosen.metric.name
    if metric in ("", own):
        found = standing.marks(state, chosen)
        columns = zip(found.metrics, found.statuses, strict=True)
        return [
            Mark(float(run), value if value is not None and math.isfinite(value) else None, status)
            for run, (value, status) in enumerate(columns, found.first)
            if status
        ]
    return [
        Mark(float(experiment.run), value_of(experiment, metric, own), experiment.status)
        for experiment in state.of_segment(chosen)
        if experiment.status
    ]


def champion_steps(state: State, metric: str, segment: Segment | None = None) -> list[Point]:
    """A metric's value at each champion, run by run: the corners of its staircase, up to the segment's last run.

    For the segment's own metric it is the running best; a secondary one may go either way.
    """
    chosen = segment or state.segment
    if chosen is None or not chosen.runs:
        return []
    corners: list[Point] = []
    own = chosen.metric.name
    found = standing.marks(state, chosen).metrics if metric == own else None
    for run in chosen.line:
        value = found[run - chosen.runs[0]] if found else value_of(state.experiments[run - 1], metric, own)
        if value is None or not math.isfinite(value):
            continue
        if corners:
            corners.append(Point(float(run), corners[-1].y))
        corners.append(Point(float(run), value))
    if corners and chosen.runs[-1] > corners[-1].x:
        corners.append(Point(float(chosen.runs[-1]), corners[-1].y))
    return corners


def lower_is_better(state: State, segment: Segment | None = None) -> bool:
    """Which way the segment's metric is to go."""
    chosen = segment or state.segment
    return chosen is None or chosen.metric.direction == "lower"


def legend(state: State, segment: Segment | None = None) -> Line:
    """What the glyphs mean, and how many changes of the segment (default: the open one) have each."""
    found = counts(state, segment)
    line: Line = []
    for status, name in _NAMES:
        if found.get(status) or status in ("keep", "discard"):
            more = " + baseline" if status == "keep" else ""  # it is drawn as one
            line += [("  " if line else "", ""), (f"{GLYPHS[status]} {found.get(status, 0)} {name}{more}", status)]
    return line


def best_words(state: State) -> Line:
    """The champion against the baseline."""
    top = model.best(state)
    if top is None:
        return [("no result yet", "dim")]
    line: Line = [(f"best {top.metric:.6f}", "best"), (f" run {top.run}", "dim")]
    if top.gain:
        line.append((f" gain {signed(top.gain)} over the baseline", "dim"))
    return line


def at_step(points: Sequence[tuple[int, float]], step: int) -> float | None:
    """The loss at the last point not after `step`; None before the first, and beyond the last."""
    if not points or step > points[-1][0]:
        return None
    index = bisect_right(points, step, key=lambda point: point[0]) - 1
    return points[index][1] if index >= 0 else None


def comparison(current: Loss, champion: Loss) -> Line:
    """The run under way against the champion at the same step."""
    if not current.points:
        return [(f"run {current.run}: no steps yet", "dim")] if current.run else [("no run is under way", "dim")]
    step, loss = current.points[-1]
    line: Line = [(f"step {step:,}  ", ""), (f"run {current.run} {loss:.4f}", "curve")]
    against = at_step(champion.points, step)
    if against is None:
        return line
    line += [(f"  champion {champion.run} {against:.4f}", "reference")]
    difference = loss - against
    names = "good" if difference < 0 else "bad" if difference > 0 else "dim"
    word = "lower" if difference < 0 else "higher" if difference > 0 else "the same"
    return [*line, (f"  {signed(difference, 4)} {word}", names)]


def first_step(*curves: Loss) -> int:
    """Where a plot of these curves had better begin: the first steps' fall would flatten all that follows.

    A twentieth of the longest curve's steps, 0 while no curve is long enough to do without its start.
    """
    longest = max((loss.points[-1][0] for loss in curves if len(loss.points) >= _LONG), default=0)
    begin = longest // 20
    return begin if all(not loss.points or loss.points[-1][0] >= 4 * begin for loss in curves) else 0


def curve_points(loss: Loss, begin: int = 0) -> list[Point]:
    """The points of a loss curve for a plot, from step `begin` on."""
    return [Point(float(step), value) for step, value in loss.points if step >= begin]
