"""A learning-rate test drawn in the terminal: dots for losses, a line for the smoothed one, letters for suggestions."""

from __future__ import annotations

import itertools
import math

from engine.session.braille import Canvas
from engine.session.lrcurve import Reading
from engine.session.lrtest import LrTest

LETTERS = {"steepest": "S", "minimum": "M", "valley": "V", "bold": "B"}
MARGIN = 9
LEAST_WIDTH, MOST_WIDTH, HEIGHT = 24, 100, 14


def plot(test: LrTest, reading: Reading, width: int) -> list[str]:
    """Lines of text at most `width` cells wide; [] where there is no curve."""
    if len(reading.curve) < 2:
        return []
    columns = max(LEAST_WIDTH, min(width, MOST_WIDTH) - MARGIN)
    canvas = Canvas(columns, HEIGHT)
    xs = [math.log10(x) for x, _, _ in reading.curve]
    smooth = [value for _, _, value in reading.curve]
    low, high = min(smooth), max(smooth)
    room = (high - low) * 0.05 or abs(high) * 0.01 or 1.0
    low, high = low - room, high + room

    def across(x: float) -> int:
        return round((x - xs[0]) / (xs[-1] - xs[0]) * (2 * columns - 1))

    def down(y: float) -> int:
        return round((high - y) / (high - low) * (4 * HEIGHT - 1))

    for x, (_, loss, _) in zip(xs, reading.curve, strict=True):
        canvas.dot(across(x), down(loss), "loss")
    dots = [(across(x), down(y)) for x, y in zip(xs, smooth, strict=True)]
    for start, end in itertools.pairwise(dots):
        canvas.line(start, end, "smooth")
    for name, at in ((one.name, math.log10(one.at)) for one in reading.suggestions):
        if xs[0] <= at <= xs[-1]:
            near = min(range(len(xs)), key=lambda i: abs(xs[i] - at))
            row = max(0, down(smooth[near]) // 4 - 1)
            canvas.glyph(across(at) // 2, row, LETTERS[name], name)
    rows = ["".join(text for text, _ in line).rstrip() for line in canvas.lines()]
    labels = {0: f"{high:.3f}", HEIGHT - 1: f"{low:.3f}", HEIGHT // 2: f"{(low + high) / 2:.3f}"}
    lines = [f"{labels.get(at, ''):>{MARGIN - 1}}│{row}" for at, row in enumerate(rows)]
    first, last = (f"{10**x * test.unit():.2g}" for x in (xs[0], xs[-1]))
    return [*lines, f"{'loss':>{MARGIN - 1}} {first}{test.of():^{max(1, columns - len(first) - len(last))}}{last}"]


def told(test: LrTest, reading: Reading) -> list[str]:
    """The suggestions with what each means, then the warnings."""
    lines = []
    for one in reading.suggestions:
        spread = ""
        if len(test.sweeps) > 1:
            spread = f" (single seeds {one.low * test.unit():.3g} to {one.high * test.unit():.3g})"
        lines.append(f"{LETTERS[one.name]} {one.title:<11}{one.at * test.unit():<9.3g} {one.meaning}{spread}")
    if lines and test.constants:
        lines.append(f"now: {', '.join(f'{name} {value:g}' for name, value in test.constants.items())}")
    if reading.edge is not None:
        lines.append(f"training diverged at {reading.edge * test.unit():.3g}")
    return [*lines, *(f"warning: {text}" for text in reading.warnings)]
