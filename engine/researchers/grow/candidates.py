"""What a round tries: each parameter raised by its increment, once to `iterations` times. Pure."""

import msgspec

from engine.researchers.grow.space import PARAMETERS, Space
from engine.researchers.search.values import Value, is_number, read, write
from engine.session.events import Planned
from engine.session.settings import Grow

LAYERS = frozenset({"DEPTH", "n_layer"})
LISTS = "_layerlist"
"""How the name of a list with an entry a layer ends, in capitals or not."""


class Plan(msgspec.Struct):
    """The candidates in the order that they are tried, and why a parameter brought none."""

    candidates: list[Planned] = []
    notes: list[str] = []


def plan(known: Space, grow: Grow) -> Plan:
    """The candidates on the settings of `known`; each once."""
    wanted = grow.parameters or {n: i for n, i in PARAMETERS[grow.how].items() if n in known.texts}
    found, seen = Plan(), set[str]()
    for asked, increment in wanted.items():
        name = known.name_of(asked)
        if not name:
            found.notes.append(f"{asked} is no setting of {', '.join(known.files)}; it is left out")
            continue
        value = read(known.pinned[name]) if name in known.pinned else known.values[name]
        lists = {n: v for n, v in known.values.items() if n.lower().endswith(LISTS) and isinstance(v, tuple) and v}
        if name in LAYERS and lists and isinstance(value, int) and not isinstance(increment, list):
            made = _layers(known, name, value, lists, increment, grow)
        elif is_number(value) and not isinstance(increment, list):
            made = [
                _planned(known, name, new, {name: write(new, "")}) for new in _raised(value, increment, grow.iterations)
            ]
        elif isinstance(value, tuple) and any(is_number(item) for item in value):
            if isinstance(increment, list) and len(increment) != len(value):
                found.notes.append(
                    f"{name} has {len(value)} entries and grow.parameters gives {len(increment)} increments;"
                    " it is left out"
                )
                continue
            made = _entries(known, name, value, increment, grow)
        else:
            found.notes.append(f"{name} is {known.texts[name]}: no number and no list of numbers; it is left out")
            continue
        if not made:
            found.notes.append(f"{name} is {known.texts[name]}, which an increment of {increment:g} does not change")
        found.candidates += [one for one in made if one.key not in seen]
        seen.update(one.key for one in made)
    return found


def _raised(value: Value, increment: float, times: int) -> list[int | float]:
    """`value` plus 1 to `times` increments; whole numbers stay whole, and none comes twice."""
    assert isinstance(value, int | float)
    found: list[int | float] = []
    for multiple in range(1, times + 1):
        new = value + multiple * increment
        exact = round(new) if isinstance(value, int) else float(f"{new:.12g}")
        if exact != value and exact not in found:
            found.append(exact)
    return found


def _planned(known: Space, name: str, value: int | float, change: dict[str, str], key: str = "") -> Planned:
    return Planned(key or f"{name}={value}", name, value, {**known.pinned, **change})


def _entries(
    known: Space, name: str, value: tuple[Value, ...], increment: float | list[float], grow: Grow
) -> list[Planned]:
    made = []
    for at, item in enumerate(value):
        if not is_number(item):
            continue
        step = increment[at] if isinstance(increment, list) else increment
        for new in _raised(item, step, grow.iterations):
            changed = (*value[:at], new, *value[at + 1 :])
            made.append(_planned(known, f"{name}[{at}]", new, {name: write(changed, "")}))
    return made


def _layers(
    known: Space, name: str, depth: int, lists: dict[str, tuple[Value, ...]], increment: float, grow: Grow
) -> list[Planned]:
    """One more layer is a copy of an old one: its entry in every list is doubled."""
    origins = range(depth) if grow.layers == "each" else [(depth - 1) // 2]
    made = []
    for new in _raised(depth, increment, grow.iterations):
        for origin in origins if new > depth else []:
            change = {name: write(int(new), "")}
            for other, entries in lists.items():
                at = min(origin, len(entries) - 1)
                more = (*entries[: at + 1], *[entries[at]] * (int(new) - depth), *entries[at + 1 :])
                change[other] = write(more, "")
            value = {"dup": origin, "new_layers": int(new)}
            made.append(Planned(f"{name}={new}, layer {origin} copied", name, value, {**known.pinned, **change}))
    return made
