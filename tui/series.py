"""Numbers for plots: thinning, running bests, ranges and ticks. Pure, without any drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Point(NamedTuple):
    """A place in data coordinates."""

    x: float
    y: float


MOST = 1e300
"""Larger values have no place on a scale: their differences overflow."""


class Span(NamedTuple):
    """A closed range of values, never empty: `high > low`."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Where `value` lies: 0 at `low`, 1 at `high`, clamped."""
        share = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))


def decimate(points: Sequence[Point], limit: int) -> list[Point]:
    """At most `limit` of the points, in their order, with the first, the last and each stretch's least and greatest.

    A spike therefore survives any thinning. `limit` under 4 counts as 4. Points must be ordered by x.
    """
    limit = max(limit, 4)
    if len(points) <= limit:
        return list(points)
    inner = points[1:-1]
    buckets = (limit - 2) // 2
    kept = [points[0]]
    for bucket in range(buckets):
        part = inner[bucket * len(inner) // buckets : (bucket + 1) * len(inner) // buckets]
        if not part:
            continue
        least = min(range(len(part)), key=lambda i: part[i].y)
        greatest = max(range(len(part)), key=lambda i: part[i].y)
        kept.extend(part[i] for i in sorted({least, greatest}))
    kept.append(points[-1])
    return kept


def staircase(kept: Iterable[Point], end: float, *, lower: bool = True) -> list[Point]:
    """The corners of the running best: flat until a better value, then straight to it; carried on to x = `end`."""
    corners: list[Point] = []
    for x, y in kept:
        if not math.isfinite(y):
            continue
        if not corners:
            corners.append(Point(x, y))
        elif (y < corners[-1].y) if lower else (y > corners[-1].y):
            corners.append(Point(x, corners[-1].y))
            corners.append(Point(x, y))
    if corners and end > corners[-1].x:
        corners.append(Point(end, corners[-1].y))
    return corners


def span_of(values: Iterable[float], *, pad: float = 0.0) -> Span:
    """The range of the finite values, widened by the share `pad` on both sides; a single value gets room around it."""
    finite = [value for value in values if abs(value) <= MOST]
    if not finite:
        return Span(0.0, 1.0)
    low, high = min(finite), max(finite)
    room = (high - low) * pad
    if high - low <= abs(high) * 1e-12:
        room = abs(high) * 0.01 or 1.0
    return Span(low - room, high + room)


def robust_span(values: Sequence[float], must: Iterable[float] = (), *, reach: float = 8.0) -> Span:
    """A range that one wild value does not flatten: values within `reach` MADs of the median, and all of `must`."""
    finite = sorted(value for value in values if abs(value) <= MOST)
    if not finite:
        return span_of(must, pad=0.05)
    middle = finite[len(finite) // 2]
    spread = sorted(abs(value - middle) for value in finite)[len(finite) // 2]
    near = [value for value in finite if abs(value - middle) <= reach * spread] if spread else finite
    return span_of([*near, *must], pad=0.05)


def ticks(span: Span, count: int) -> list[float]:
    """About `count` round values (1, 2 or 5 times a power of ten apart) within the span, rising; at least none."""
    if count < 1:
        return []
    step = _round_up((span.high - span.low) / count)
    first = math.ceil(span.low / step - 1e-9)
    last = math.floor(span.high / step + 1e-9)
    if last - first > 1000:
        return []
    return [index * step for index in range(first, last + 1)]


def _round_up(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    for factor in (1.0, 2.0, 5.0):
        if rough <= factor * power * (1 + 1e-9):
            return factor * power
    return 10.0 * power


def label(value: float, step: float) -> str:
    """A tick's text with just the digits that tell neighbours `step` apart."""
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or (step > 0 and step < 1e-6):
        return f"{value:.3g}"
    digits = 0 if step >= 1 or step <= 0 else min(6, math.ceil(-math.log10(step) - 1e-9))
    return f"{value:.{digits}f}"


def smooth(values: Sequence[float], weight: float = 0.9) -> list[float]:
    """Exponential moving average with bias correction (as Adam's moments: divided by 1 - weight^n)."""
    out: list[float] = []
    mean = 0.0
    for count, value in enumerate(values, 1):
        mean = weight * mean + (1 - weight) * value
        out.append(mean / (1 - weight**count))
    return out
