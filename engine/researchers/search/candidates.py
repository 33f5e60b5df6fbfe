"""Which changes to consider, the most promising first: a stream that ends when nothing is left to try.

In order: on after a gain, in its direction, or back where that went too far; the values that the space names to be
tried first, and of these such as lie on the other side of a worse one; the other side elsewhere; between values that
were worse; what the study expects most from; every value left. After each three failures in a row another family of
constants comes before all that: its values to be tried first, then wider steps.
"""

import random
from collections.abc import Callable, Iterator, Mapping

import msgspec

from engine.researchers.search.history import History
from engine.researchers.search.sides import Sides, best_between, other_side, sides
from engine.researchers.search.space import Constant
from engine.researchers.search.steps import NEAR, WIDE, apart, at, further, neighbours, position
from engine.researchers.search.study import Study
from engine.researchers.search.values import Value

Known = list[tuple[str, Constant, Sides]]

_DRAWS = 20
_PAIR_DRAWS = 200
_PAIR_SHARE = 0.2


class Candidate(msgspec.Struct):
    """New values on top of the champion, and why they are worth a run. `remark` is for the operator."""

    changes: dict[str, Value]
    why: str
    remark: str = ""


class Ground(msgspec.Struct):
    """What a proposal starts from: the constants that may be changed, the champion's values and run, the results."""

    constants: dict[str, Constant]
    champion: Mapping[str, Value]
    champion_run: int
    history: History
    failures: int
    rng: random.Random
    study: Callable[[], Study]


def candidates(ground: Ground) -> Iterator[Candidate]:
    """Every change worth considering, the most promising first. It may repeat itself and include what was tried."""
    if ground.failures >= 3 and ground.failures % 3 == 0:
        yield from _another_ground(ground)
        said = _said(ground)
        for candidate in _near(ground):
            yield Candidate(
                candidate.changes, f"{said}, and no other ground is left. {candidate.why}", f"{said}: going on"
            )
    else:
        yield from _near(ground)


def _near(ground: Ground) -> Iterator[Candidate]:
    yield from _further(ground)
    known = list(_sides(ground))
    yield from _between(ground, known, gained=True)
    yield from _other_side(ground, known, listed=True)
    yield from _first(ground, ground.constants)
    yield from _other_side(ground, known, listed=False)
    yield from _between(ground, known, gained=False)
    if ground.constants:
        yield from _expected(ground)
        yield from _rest(ground)


def _further(ground: Ground) -> Iterator[Candidate]:
    for item in reversed(ground.history.evidence):
        if item.run != ground.champion_run:
            continue
        name = item.only
        if name in ground.constants and item.gain is not None and item.gain > 0:
            old, new = item.changes[name]
            value = further(ground.constants[name], old, new)
            why = f"{name} {old}→{new} gained {item.gain:.4g} in run {item.run}; more of the same may gain again"
            yield Candidate({name: value}, why)
        return


def _first(ground: Ground, constants: Mapping[str, Constant]) -> Iterator[Candidate]:
    values = {name: constant.first for name, constant in constants.items()}
    for turn in range(max((len(first) for first in values.values()), default=0)):
        for name, constant in constants.items():
            value = values[name][turn] if turn < len(values[name]) else ground.champion[name]
            if value == ground.champion[name] or _seen(ground, name, value) or _worse_before(ground, constant, value):
                continue
            tries = len(ground.history.of(name))
            known = f"tried in {tries} of the runs" if tries else "not tried yet"
            why = f"{name} ({constant.family}) is {known}; {value} is one of the values known to be worth a look"
            yield Candidate({name: value}, why)


def _seen(ground: Ground, name: str, value: Value) -> bool:
    return any(value in item.changes[name] for item in ground.history.of(name))


def _worse_before(ground: Ground, constant: Constant, value: Value) -> int:
    """The run in which a nearer value in the same direction was worse already; 0 where there is none."""
    here, there = position(constant, ground.champion[constant.name]), position(constant, value)
    if here is None or there is None:
        return 0
    for point in ground.history.around(constant.name, ground.champion[constant.name]):
        place = position(constant, point.value)
        if place is not None and (place - here) * (there - place) >= 0 and place != here and point.worse:
            return point.run
    return 0


def _other_side(ground: Ground, known_sides: Known, listed: bool) -> Iterator[Candidate]:
    """Where one side of a constant was worse, the other; what lost the most first, for it matters the most.

    `listed`: only such values as the space names to be tried first.
    """
    found: list[tuple[float, Candidate]] = []
    for name, constant, known in known_sides:
        nearest = (known.below or known.above)[0]
        value = other_side(constant, ground.champion[name], known)
        if value is None or known.better or nearest.gain is None:
            continue
        here, up = position(constant, ground.champion[name]) or 0.0, bool(known.below)
        if listed:
            places = [(position(constant, first), first) for first in constant.first]
            beyond = [first for place, first in places if place is not None and place != here and (place > here) is up]
            if not beyond:
                continue
            value = beyond[0]
        why = f"{nearest.value} was worse than {ground.champion[name]} for {name} in run {nearest.run} by "
        why += f"{-nearest.gain:.4g}; {'above' if up else 'below'} it nothing is tried yet"
        found.append((nearest.gain, Candidate({name: value}, why)))
    for _, candidate in sorted(found, key=lambda pair: pair[0]):
        yield candidate


def _between(ground: Ground, known_sides: Known, gained: bool) -> Iterator[Candidate]:
    """Between two sides that were worse; `gained`: only constants of which a change was kept before, or only others."""
    for name, constant, known in known_sides:
        if not (known.below and known.above) or gained is not any(item.kept for item in ground.history.of(name)):
            continue
        value = best_between(constant, ground.champion[name], known.below[0], known.above[0])
        if value is not None:
            low, high = known.below[0].value, known.above[0].value
            yield Candidate({name: value}, f"{low} and {high} were worse; the best {name} may lie between, at {value}")


def _sides(ground: Ground) -> Iterator[tuple[str, Constant, Sides]]:
    for name, constant in ground.constants.items():
        value = ground.champion[name]
        known = sides(constant, value, ground.history.around(name, value))
        if known is not None and (known.below or known.above):
            yield name, constant, known


def _weights(ground: Ground, names: list[str]) -> list[float]:
    weights = []
    for name in names:
        items = ground.history.of(name)
        weights.append((1 + 2 * sum(item.kept for item in items)) / (2 + len(items)))
    return weights


def _expected(ground: Ground) -> Iterator[Candidate]:
    study, names = ground.study(), list(ground.constants)
    weights = dict(zip(names, _weights(ground, names), strict=True))
    for _ in range(_DRAWS):
        chosen = ground.rng.choices(names, list(weights.values()))
        if len(names) > 1 and study.told >= 6 and ground.rng.random() < _PAIR_SHARE:
            others = [name for name in names if name not in chosen]
            chosen += ground.rng.choices(others, [weights[name] for name in others])
        asked = study.ask(chosen)
        if any(_same(ground, name, value) for name, value in asked.items()):
            continue
        tried = " and ".join(f"{len(ground.history.of(name))} of {name}" for name in asked)
        wanted = " with ".join(f"{name} = {value}" for name, value in asked.items())
        why = f"of {study.told} results ({tried}) the study expects the most from {wanted}"
        yield Candidate(asked, why)


def _same(ground: Ground, name: str, value: Value) -> bool:
    constant = ground.constants[name]
    least = NEAR if constant.kind == "float" else 1e-9
    return apart(constant, ground.champion[name], value) < least


def _rest(ground: Ground) -> Iterator[Candidate]:
    """Every single value left, then pairs of them at random."""
    names = list(ground.constants)
    ground.rng.shuffle(names)
    left = {name: neighbours(ground.constants[name], ground.champion[name]) for name in names}
    for turn in range(max(len(values) for values in left.values())):
        for name in names:
            if turn < len(left[name]):
                value = left[name][turn]
                yield Candidate({name: value}, f"little else is left near the champion: {name} = {value} is untried")
    pairs = [name for name in names if left[name]]
    for _ in range(_PAIR_DRAWS if len(pairs) > 1 else 0):
        one, two = ground.rng.sample(pairs, 2)
        chosen = {one: ground.rng.choice(left[one]), two: ground.rng.choice(left[two])}
        yield Candidate(chosen, f"every value of a single constant is tried; {one} and {two} together are not")


def _said(ground: Ground) -> str:
    runs = ", ".join(str(item.run) for item in ground.history.evidence[-3:])
    return f"{ground.failures} failures in a row" + (f" (the last in runs {runs})" if runs else "")


def _another_ground(ground: Ground) -> Iterator[Candidate]:
    """Constants of families that the last three failures did not touch; where nothing is left in them, wide steps."""
    said = _said(ground)
    last = [name for item in ground.history.evidence[-3:] for name in item.changes if name in ground.constants]
    touched = list(dict.fromkeys(ground.constants[name].family for name in last))
    others = {name: constant for name, constant in ground.constants.items() if constant.family not in touched}
    families = ", ".join(dict.fromkeys(constant.family for constant in others.values()))
    where = f"{said}, in {', '.join(touched)}" if touched else said
    for candidate in _first(ground, others):
        remark = f"{where}: trying another family of constants ({families})"
        yield Candidate(candidate.changes, f"{said}: other ground. {candidate.why}", remark)
    for name, value in _wide(ground, others):
        why = f"{said}: other ground, a wide step of {name} ({others[name].family}) to {value}"
        yield Candidate(
            {name: value}, why, f"{where}: trying another family of constants ({families}), by a wider step"
        )
    for name, value in _wide(ground, ground.constants):
        yield Candidate({name: value}, f"{said}: a wide step of {name} to {value}", f"{where}: trying a wider step")


def _wide(ground: Ground, constants: Mapping[str, Constant]) -> Iterator[tuple[str, Value]]:
    names = list(constants)
    weights = _weights(ground, names)
    for _ in range(_DRAWS if names else 0):
        (name,) = ground.rng.choices(names, weights)
        constant, value = constants[name], ground.champion[name]
        here = position(constant, value)
        if here is None:
            wide = [other for other in neighbours(constant, value) if apart(constant, other, value) >= WIDE]
            if wide:
                yield name, ground.rng.choice(wide)
            continue
        stretch = ground.rng.uniform(WIDE, 2 * WIDE) * ground.rng.choice((-1, 1))
        if not 0 <= here + stretch <= 1:
            stretch = -stretch
        step = at(constant, here + stretch)
        if apart(constant, step, value) >= WIDE / 2:
            yield name, step
