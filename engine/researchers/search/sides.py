"""What is known on both sides of the champion's value of one constant, and where between them the best may lie."""

from collections.abc import Sequence

import msgspec

from engine.researchers.search.history import Point
from engine.researchers.search.space import Constant
from engine.researchers.search.steps import NEAR, apart, at, between, further, position
from engine.researchers.search.values import Value


class Sides(msgspec.Struct, frozen=True):
    """Values that were worse than the champion's, below and above it, the nearest first; `better`: any that was not."""

    below: tuple[Point, ...]
    above: tuple[Point, ...]
    better: bool


def sides(constant: Constant, value: Value, points: Sequence[Point]) -> Sides | None:
    """The points around `value` in order; of several at one place the last. None where the constant has no order."""
    here = position(constant, value)
    if here is None:
        return None
    placed = {place: point for point in points if (place := position(constant, point.value)) is not None}
    worse = sorted((abs(place - here), place, point) for place, point in placed.items() if point.worse)
    return Sides(
        below=tuple(point for _, place, point in worse if place < here),
        above=tuple(point for _, place, point in worse if place > here),
        better=any(not point.worse and place != here for place, point in placed.items()),
    )


def other_side(constant: Constant, value: Value, known: Sides) -> Value | None:
    """As far on the side where nothing is known as the nearest worse value is on the other; None: none is left."""
    if bool(known.below) == bool(known.above):
        return None
    nearest = (known.below or known.above)[0].value
    mirrored = further(constant, nearest, value)
    return None if mirrored == value else mirrored


def best_between(constant: Constant, value: Value, low: Point, high: Point) -> Value | None:
    """Where a parabola through the champion and its worse neighbours has its best; halfway to `low` or `high` where one
    of them could not run. None where that is the champion itself, as far as values can be told apart.
    """
    here, left, right = (position(constant, item) for item in (value, low.value, high.value))
    if here is None or left is None or right is None:
        return None
    if low.gain is None or high.gain is None:
        found = between(constant, value, low.value if low.gain is not None else high.value)
    else:
        a, b = left - here, right - here
        curve = (high.gain / b - low.gain / a) / (b - a)
        slope = low.gain / a - curve * a
        found = None if curve >= 0 else at(constant, here - slope / (2 * curve))
    least = NEAR if constant.kind == "float" else 1e-9
    return found if found is not None and apart(constant, found, value) >= least else None
