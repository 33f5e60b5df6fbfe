"""Moves within a constant's range: how far two values lie apart, the next step in a direction, the values between."""

import math

from engine.researchers.search.space import Constant
from engine.researchers.search.values import Value, is_number

NEAR = 0.02
"""Two values closer than this share of the range are the same experiment."""
WIDE = 0.2
"""A wider step covers at least this share of the range."""


def position(constant: Constant, value: Value) -> float | None:
    """Where `value` lies in the range, 0 to 1 (beyond it: outside); None where it has no place in an order."""
    if constant.kind == "choice":
        if value not in constant.values or not all(is_number(known) for known in constant.values):
            return None
        return sorted(constant.values, key=_as_float).index(value) / max(1, len(constant.values) - 1)
    if not is_number(value):
        return None
    number = _as_float(value)
    if constant.log:
        if number <= 0:
            return None
        return math.log(number / constant.low) / math.log(constant.high / constant.low)
    return (number - constant.low) / (constant.high - constant.low)


def at(constant: Constant, place: float) -> Value:
    """The value at a position, rounded to what is worth telling apart, inside the range."""
    place = min(1.0, max(0.0, place))
    if constant.kind == "choice":
        ordered = sorted(constant.values, key=_as_float) if _ordered(constant) else list(constant.values)
        return ordered[round(place * (len(ordered) - 1))]
    if constant.log:
        number = constant.low * (constant.high / constant.low) ** place
    else:
        number = constant.low + (constant.high - constant.low) * place
    return rounded(constant, number)


def rounded(constant: Constant, number: float) -> Value:
    """`number` with two significant digits on a logarithmic range, in hundredths of a linear one; inside the range."""
    if constant.kind == "int":
        return int(min(math.floor(constant.high), max(math.ceil(constant.low), round(number))))
    if constant.log:
        number = float(f"{number:.2g}")
    else:
        number = round(number, max(0, math.ceil(-math.log10((constant.high - constant.low) / 100))))
    return min(float(constant.high), max(float(constant.low), number))


def apart(constant: Constant, a: Value, b: Value) -> float:
    """How far two values lie apart, as a share of the range; values without an order are far apart or equal."""
    place_a, place_b = position(constant, a), position(constant, b)
    if place_a is None or place_b is None:
        return 0.0 if a == b and (a is None) == (b is None) else 1.0
    return abs(place_a - place_b)


def further(constant: Constant, old: Value, new: Value) -> Value:
    """As far again in the direction old → new; the range's end where that lies outside. `new` where there is none."""
    start, end = position(constant, old), position(constant, new)
    if start is None or end is None or constant.kind == "choice":
        return _next_choice(constant, start, end, new)
    value = at(constant, end + (end - start))
    if apart(constant, value, new) < NEAR and constant.kind == "float":
        return new
    inside = position(constant, value)
    return value if inside is not None and (inside - end) * (end - start) > 0 else new


def between(constant: Constant, a: Value, b: Value) -> Value | None:
    """A value halfway between two, where one is left that differs from both."""
    place_a, place_b = position(constant, a), position(constant, b)
    if place_a is None or place_b is None:
        return None
    value = at(constant, (place_a + place_b) / 2)
    least = NEAR if constant.kind == "float" else 1e-9
    return value if min(apart(constant, value, a), apart(constant, value, b)) > least else None


def _next_choice(constant: Constant, start: float | None, end: float | None, new: Value) -> Value:
    if start is None or end is None or start == end:
        return new
    step = 1 / max(1, len(constant.values) - 1)
    return at(constant, end + math.copysign(step, end - start))


def neighbours(constant: Constant, value: Value) -> list[Value]:
    """Every value of the constant worth telling apart from `value` and from each other, the nearest first."""
    if constant.kind == "choice":
        found = list(constant.values)
    elif constant.kind == "int" and constant.high - constant.low <= 200:
        found = list(range(math.ceil(constant.low), math.floor(constant.high) + 1))
    else:
        found = list(dict.fromkeys(at(constant, step / 50) for step in range(51)))
    least = NEAR if constant.kind == "float" else 0.0
    distant = [(apart(constant, other, value), other) for other in found]
    return [other for distance, other in sorted(distant, key=lambda pair: pair[0]) if distance > least]


def _ordered(constant: Constant) -> bool:
    return all(is_number(value) for value in constant.values)


def _as_float(value: Value) -> float:
    assert isinstance(value, int | float)
    return float(value)
