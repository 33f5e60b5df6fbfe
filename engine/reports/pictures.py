"""The journal's pictures, as SVG: the session at a glance, and the loss of a run beside that of the one before.

Needs matplotlib (extra `report`), which is imported when the first picture is drawn. The same figures give the same
bytes, so that a journal made again differs only where something happened.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.session.night import idea_of, won
from engine.session.state import Segment, State

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MISSING = 'no pictures: matplotlib is not installed; pip install "overnight[report]"'
_KEPT, _BEFORE, _REST, _LINE = "#1a7f5a", "#9aa4ae", "#c3c9cf", "#e5e8eb"
_INK, _FAILED = "#2d333a", "#b3443b"
_LABELS = 8
"""Kept runs that are named in the picture, those with the largest gains."""


class NoPictures(Exception):
    """matplotlib is not there. The message says how to get it."""


def available() -> bool:
    """Whether pictures can be drawn; nothing is imported."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def _figure(width: float, height: float, shares: Sequence[float] = (1.0,)) -> tuple[Any, list[Axes]]:
    """A figure with panels above each other that share their x axis; `shares` of the height."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NoPictures(MISSING) from error
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    panels = figure.subplots(len(shares), 1, sharex=True, squeeze=False, height_ratios=list(shares))
    found = [row[0] for row in panels]
    for axes in found:
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(_BEFORE)
        axes.tick_params(labelcolor=_INK, labelsize=9, color=_BEFORE)
        axes.grid(axis="y", color=_LINE, linewidth=0.8)
        axes.set_axisbelow(True)
    return figure, found


def _svg(figure: Any) -> bytes:
    import matplotlib

    out = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "overnight", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def loss(title: str, curves: Sequence[tuple[str, Sequence[tuple[int, float]]]]) -> bytes:
    """Loss over steps: `curves` are (label, points), the run's own last; of two the difference is drawn below.

    Errors: NoPictures.
    """
    drawn = [(label, points) for label, points in curves if len(points) > 1]
    apart = _difference(drawn[0][1], drawn[1][1]) if len(drawn) == 2 else []
    figure, panels = _figure(7.0, 3.6 if apart else 2.6, (2.0, 1.0) if apart else (1.0,))
    axes = panels[0]
    for at, (label, points) in enumerate(drawn):
        own = at == len(drawn) - 1
        steps, losses = zip(*points, strict=True)
        axes.plot(steps, losses, color=_KEPT if own else _BEFORE, linewidth=1.6 if own else 1.2, label=label)
    low = min(min(loss for _, loss in points) for _, points in drawn)
    # The first steps fall from so high that the rest would be a flat line; the shoulder stays in the picture.
    top = max(points[len(points) // 20][1] for _, points in drawn)
    if top > low:
        axes.set_ylim(low - 0.04 * (top - low), low + 1.04 * (top - low))
    axes.set_ylabel("training loss", color=_INK, fontsize=9)
    axes.set_title(title, color=_INK, fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=9, labelcolor=_INK, loc="upper right")
    if apart:
        steps, gaps = zip(*apart, strict=True)
        panels[1].axhline(0, color=_BEFORE, linewidth=0.8)
        panels[1].plot(steps, gaps, color=_KEPT, linewidth=1.2)
        most = 1.1 * max(abs(gap) for gap in gaps[len(gaps) // 20 :]) or 1.0
        panels[1].set_ylim(-most, most)
        panels[1].set_ylabel("difference", color=_INK, fontsize=9)
    panels[-1].set_xlabel("step", color=_INK, fontsize=9)
    return _svg(figure)


def _difference(old: Sequence[tuple[int, float]], new: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """How far `new` lies above `old`, at the steps that both have; [] where they share fewer than two."""
    before = dict(old)
    found = [(step, loss - before[step]) for step, loss in new if step in before]
    return found if len(found) > 1 else []


def progress(state: State, segment: Segment, names: Mapping[int, str]) -> bytes:
    """Each result of a segment, and the champion's metric as a staircase. `names`: the versions by run.

    Errors: NoPictures.
    """
    figure, (axes,) = _figure(9.0, 3.8)
    its = [e for e in state.of_segment(segment) if e.metric is not None and e.valid]
    kept = [(e.run, e.metric) for e in its if e.status == "keep" and e.metric is not None]
    rest = [(e.run, e.metric) for e in its if e.status != "keep" and e.metric is not None]
    crashed = [e.run for e in state.of_segment(segment) if e.status in ("crash", "checks_failed")]
    lower = segment.metric.direction == "lower"
    low, high = _range([metric for _, metric in kept], lower)
    inside = [(run, min(high, max(low, metric))) for run, metric in rest]
    axes.scatter(*_columns(inside), s=14, color=_REST, label=f"not kept ({len(rest)})", zorder=2)
    if crashed:
        edge = high - 0.03 * (high - low) if lower else low + 0.03 * (high - low)
        worst = [edge] * len(crashed)
        axes.scatter(crashed, worst, s=18, marker="x", color=_FAILED, label=f"no result ({len(crashed)})", zorder=2)
    steps = [(run, e.metric) for run in segment.line if (e := state.experiment(run)) and e.metric is not None]
    if steps:
        steps.append((max(segment.runs), steps[-1][1]))
        axes.step(*_columns(steps), where="post", color=_KEPT, linewidth=1.4, zorder=3)
    axes.scatter(*_columns(kept), s=30, color=_KEPT, label=f"kept ({len(kept)})", zorder=4)
    span = max(segment.runs) - min(segment.runs) + 1
    axes.set_xlim(min(segment.runs) - 0.03 * span, max(segment.runs) + 0.16 * span)  # room for the last one's name
    axes.set_ylim(low, high)
    _name(axes, state, segment, names)
    axes.set_xlabel("run", color=_INK, fontsize=9)
    axes.set_ylabel(segment.metric.name, color=_INK, fontsize=9)
    axes.legend(frameon=False, fontsize=9, labelcolor=_INK, loc="lower right", bbox_to_anchor=(1, 1), ncols=3)
    return _svg(figure)


def _columns(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _range(metrics: Sequence[float], lower: bool) -> tuple[float, float]:
    """The y axis: the kept metrics, room for their names on the better side, and what was worse, within reason."""
    best, worst = (min(metrics), max(metrics)) if metrics else (0.0, 1.0)
    room = (worst - best) or abs(worst) * 0.01 or 1.0
    return (best - 0.55 * room, worst + 0.35 * room) if lower else (best - 0.35 * room, worst + 0.55 * room)


def _name(axes: Axes, state: State, segment: Segment, names: Mapping[int, str]) -> None:
    """Write beside the largest steps what they were, as far as there is room."""
    lower = segment.metric.direction == "lower"
    steps = []
    for run in segment.line:
        experiment = state.experiments[run - 1]
        gained = won(state, experiment)
        if gained is not None and gained > 0 and experiment.metric is not None:
            steps.append((gained, experiment.metric, experiment))
    apart = (max(segment.runs) - min(segment.runs) + 2) / 11
    taken: list[int] = []
    for _, metric, experiment in sorted(steps, key=lambda step: -step[0]):
        if len(taken) == _LABELS or any(abs(experiment.run - other) < apart for other in taken):
            continue
        taken.append(experiment.run)
        text = f"{names.get(experiment.run, '')} {idea_of(experiment)}".strip()
        axes.annotate(
            (text if len(text) <= 32 else text[:31] + "…").replace("$", r"\$"),
            (experiment.run, metric),
            xytext=(2, -9 if lower else 9),
            textcoords="offset points",
            fontsize=8,
            color=_INK,
            rotation=-28 if lower else 28,
            rotation_mode="anchor",
            ha="left",
            va="top" if lower else "bottom",
        )
