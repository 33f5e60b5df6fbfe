"""Plots in terminal cells: braille dots for lines, glyphs for single results. Pure; the result is lines of runs.

A plot of w×h cells has 2w×4h dots, see `engine.session.braille`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from engine.session.braille import Canvas
from tui.fitting import fit, shorten, width_of
from tui.runs import Line
from tui.series import Point, Span, decimate, label, robust_span, span_of, staircase, ticks

_BARS = "▁▂▃▄▅▆▇█"

GLYPHS = {"keep": "●", "discard": "·", "crash": "×", "checks_failed": "!", "beside": "+", "running": "◆"}
"""What a result looks like by its status, or by its part in a path; one not listed is shown as `?`."""
_LAYERS = ("discard", "checks_failed", "crash", "keep")


class Mark(NamedTuple):
    """One result: `y` is None where there is no value (a crash)."""

    x: float
    y: float | None
    status: str


class Curve(NamedTuple):
    """One line of a plot: points ordered by x, a style's name, and a name for the legend ("" for none)."""

    points: Sequence[Point]
    style: str = "curve"
    name: str = ""


def results_plot(
    marks: Sequence[Mark],
    width: int,
    height: int,
    *,
    lower: bool = True,
    x_title: str = "",
    y_title: str = "",
    steps: Sequence[Point] | None = None,
) -> list[Line]:
    """All results with the running best as a staircase, exactly `height` lines of `width` cells.

    Kept ●, discarded ·, crashed × (on the bottom line, having no value). A value far from the others does not
    flatten the plot: it is pinned to the edge as ▲ or ▼. `steps` are the corners of another staircase than that of
    the best kept value: the champions', when an operator decided otherwise.
    """
    kept = [Point(mark.x, mark.y) for mark in marks if mark.status == "keep" and mark.y is not None]
    values = [mark.y for mark in marks if mark.y is not None and math.isfinite(mark.y)]
    xs = span_of([mark.x for mark in marks])
    if len({mark.x for mark in marks}) == 1:
        xs = Span(marks[0].x, marks[0].x + 1)  # the only run, and room for the next one
    steps = staircase(kept, xs.high, lower=lower) if steps is None else steps
    ys = robust_span(values, [corner.y for corner in steps[-1:]])
    frame = _Frame(width, height, xs, ys, x_title, y_title)
    visible = [corner for corner in steps if ys.low <= corner.y <= ys.high]
    hidden = [corner for corner in steps if not ys.low <= corner.y <= ys.high]
    if hidden and visible:
        # A baseline off the plot still starts the staircase at the edge.
        visible.insert(0, Point(visible[0].x, hidden[-1].y))
    frame.curve(visible, "best")
    for layer in _LAYERS:
        for mark in marks:
            if mark.status == layer or (layer == "discard" and mark.status not in _LAYERS):
                frame.mark(mark)
    return frame.lines([])


def curves_plot(
    curves: Sequence[Curve], width: int, height: int, *, x_title: str = "", y_title: str = ""
) -> list[Line]:
    """Lines in one frame (the last curve lies on top), with a legend where curves have names."""
    points = [point for curve in curves for point in curve.points if math.isfinite(point.y)]
    xs = span_of([point.x for point in points])
    ys = span_of([point.y for point in points], pad=0.02)
    frame = _Frame(width, height, xs, ys, x_title, y_title)
    for curve in curves:
        clean = [point for point in curve.points if math.isfinite(point.y)]
        frame.curve(decimate(clean, 4 * max(1, width)), curve.style)
    return frame.lines([(curve.name, curve.style) for curve in curves if curve.name])


def path_plot(
    path: Sequence[Point],
    others: Sequence[Point],
    width: int,
    height: int,
    *,
    here: Point | None = None,
    x_title: str = "",
    y_title: str = "",
) -> list[Line]:
    """A path of places that need not be ordered by x, each ●, among `others` +; `here` is marked ◆. All finite.

    The path is always whole on the plot; another place far above or below is pinned to the edge.
    """
    xs = span_of([point.x for point in (*path, *others)], pad=0.03)
    ys = robust_span([point.y for point in others], [point.y for point in path])
    frame = _Frame(width, height, xs, ys, x_title, y_title)
    frame.curve(path, "best")
    for status, points in (("beside", others), ("keep", path)):
        for point in points:
            frame.mark(Mark(point.x, point.y, status))
    if here is not None:
        frame.mark(Mark(here.x, here.y, "running"))
    return frame.lines([])


class _Frame:
    """A canvas with its axes: labels on the left, one line of labels below, titles where there is room."""

    def __init__(self, width: int, height: int, xs: Span, ys: Span, x_title: str, y_title: str) -> None:
        self.width, self.height, self.xs, self.ys = max(0, width), max(0, height), xs, ys
        self.x_title, self.y_title = x_title, y_title
        self.y_ticks = ticks(ys, max(2, height // 3))
        self._step = self.y_ticks[1] - self.y_ticks[0] if len(self.y_ticks) > 1 else (ys.high - ys.low)
        margin = max((width_of(label(value, self._step)) for value in self.y_ticks), default=0) + 1
        self.margin = margin if self.width >= margin + 8 and self.height >= 3 else 0
        self.foot = 1 if self.margin and self.height >= 4 else 0
        self.canvas = Canvas(self.width - self.margin, self.height - self.foot)

    def _dot_of(self, point: Point) -> tuple[int, int]:
        return (
            round(self.xs.place(point.x) * (2 * self.canvas.width - 1)),
            round((1 - self.ys.place(point.y)) * (4 * self.canvas.height - 1)),
        )

    def curve(self, points: Sequence[Point], style: str) -> None:
        dots = [self._dot_of(point) for point in points]
        if len(dots) == 1:
            self.canvas.dot(*dots[0], style)
        for start, end in pairwise(dots):
            self.canvas.line(start, end, style)

    def mark(self, mark: Mark) -> None:
        if not self.canvas.width or not self.canvas.height:
            return
        glyph = GLYPHS.get(mark.status, "?")
        if mark.y is None or not math.isfinite(mark.y):
            column, _ = self._dot_of(Point(mark.x, self.ys.low))
            self.canvas.glyph(column // 2, self.canvas.height - 1, glyph, mark.status)
            return
        if mark.y > self.ys.high:
            glyph = "▲"
        elif mark.y < self.ys.low:
            glyph = "▼"
        column, row = self._dot_of(Point(mark.x, mark.y))
        self.canvas.glyph(column // 2, row // 4, glyph, mark.status)

    def lines(self, legend: Iterable[tuple[str, str]]) -> list[Line]:
        labels = [""] * self.canvas.height
        for value in self.y_ticks:
            row = self._dot_of(Point(self.xs.low, value))[1] // 4
            if 0 <= row < len(labels):
                labels[row] = label(value, self._step)
        out: list[Line] = []
        for text, line in zip(labels, self.canvas.lines(), strict=True):
            edge: Line = (
                [(fit(text, self.margin - 1, right=True) + ("┤" if text else "│"), "axis")] if self.margin else []
            )
            out.append(edge + line)
        if self.foot:
            out.append(self._footer(list(legend)))
        return out

    def _footer(self, legend: list[tuple[str, str]]) -> Line:
        step = max(1e-9, (self.xs.high - self.xs.low) / 4)
        left, right = label(self.xs.low, min(step, 1)), label(self.xs.high, min(step, 1))
        if float(self.xs.low).is_integer() and float(self.xs.high).is_integer():
            left, right = f"{self.xs.low:.0f}", f"{self.xs.high:.0f}"
        room = self.canvas.width - width_of(left) - width_of(right)
        middle: Line = []
        title = " · ".join(part for part in (self.y_title, self.x_title) if part)
        for name, style in legend:
            middle.append(("━ " + name + "  ", style))
        if title:
            middle.append((title, "axis"))
        used = sum(width_of(text) for text, _ in middle)
        if used + 2 > room:
            middle = [(shorten(title, max(0, room - 2)), "axis")]
            used = width_of(middle[0][0])
        before = max(0, (room - used) // 2)
        blank = max(0, room - used - before)
        line: Line = [(" " * self.margin + shorten(left, self.canvas.width) + " " * before, "axis"), *middle]
        line.append((" " * blank + right, "axis"))
        return _exactly(line, self.width)


def _exactly(line: Line, width: int) -> Line:
    total = 0
    out: Line = []
    for text, names in line:
        piece = shorten(text, width - total)
        total += width_of(piece)
        if piece:
            out.append((piece, names))
    if total < width:
        out.append((" " * (width - total), ""))
    return out


def sparkline(values: Sequence[float], width: int, low: float | None = None, high: float | None = None) -> str:
    """The latest `width` values as one line of bars, newest on the right; a value that is no number leaves a gap.

    `low` and `high` fix the scale (0 and 100 for a percentage); otherwise it is the range of what is shown.
    """
    shown = list(values)[-width:] if width > 0 else []
    span = span_of(shown)
    floor = span.low if low is None else low
    ceiling = span.high if high is None else high
    scale = Span(floor, ceiling if ceiling > floor else floor + 1.0)
    bars = "".join(_BARS[round(scale.place(v) * (len(_BARS) - 1))] if math.isfinite(v) else " " for v in shown)
    return bars.rjust(max(0, width))


def bar(share: float, width: int) -> str:
    """A bar filled to `share` (0…1) in eighths of a cell, padded with a light track to `width` cells."""
    parts = " ▏▎▍▌▋▊▉"
    share = min(1.0, max(0.0, share)) if math.isfinite(share) else 0.0
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    text = "█" * full + (parts[rest] if rest else "")
    return text + "░" * (width - len(text))
