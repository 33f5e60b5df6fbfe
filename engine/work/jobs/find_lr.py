"""`find-lr`: the champion's train.py with a rate raised step by step until training diverges; a curve, suggestions."""

from __future__ import annotations

import ast
import itertools
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from engine.session.lrcurve import Sweep, against, rates
from engine.session.lrtest import FILE, LARGEST, LrTest
from engine.session.state import Experiment, State
from engine.work.constants import read_constants
from engine.work.jobs.job import Done, Kind, Order, Place, Refused, first_trial_seed, leashed, number, run_of, whole
from engine.work.jobs.profiling import ENDLESS
from engine.work.logtrouble import last_lines

PROGRAM = Path(__file__).with_name("find_lr_driver.py")
CURVE = Path(__file__).parents[2] / "session" / "lrcurve.py"
STEPS, FEWEST_STEPS, MOST_STEPS = 100, 20, 5000
SEEDS, MOST_SEEDS = 2, 16
LOW, HIGH = 0.01, 100.0
"""Multiples of the present rate between which it is raised."""
SMALLEST, LARGEST_RATE = 1e-12, 1e6
OWN = "find-lr: "
"""What the driver's own words begin with."""
BEYOND = 1e30
"""No loss is as large."""
CONSTANTS = {"head": "UNEMBEDDING_LR"}
"""Of a group, where it is not GROUP_LR."""


class Asked(msgspec.Struct, frozen=True):
    """`low` and `high` as they were asked for: in the constant's own unit, 0 = not said."""

    group: str
    low: float
    high: float
    steps: int
    seeds: int


class Told(msgspec.Struct, frozen=True):
    """What the driver leaves; a loss that is no number is None."""

    groups: tuple[str, ...]
    losses: Annotated[tuple[float | None, ...], msgspec.Meta(min_length=1)]
    ended: str


def asked_of(args: Mapping[str, str]) -> Asked:
    """Errors: Refused."""
    group = args.get("group", "") or "all"
    if not re.fullmatch(r"[A-Za-z_][\w-]{0,40}", group):
        raise Refused(f"group is {group!r}; expected a name such as matrix, embedding, head, scalar, or all")
    low = number(args, "min", SMALLEST, LARGEST_RATE, 0.0)
    high = number(args, "max", SMALLEST, LARGEST_RATE, 0.0)
    if low and high and low * 2 > high:
        raise Refused(f"min is {low:g} and max {high:g}; max must be at least twice min")
    steps = whole(args, "steps", FEWEST_STEPS, MOST_STEPS, STEPS)
    return Asked(group, low, high, steps, whole(args, "seeds", 1, MOST_SEEDS, SEEDS))


def check(state: State, args: Mapping[str, str]) -> Experiment:
    """Errors: Refused."""
    asked_of(args)
    if state.champion is None and not args.get("run"):
        raise Refused("there is no champion yet, whose rates could be tested: measure the baseline first")
    return run_of(state, args)


def ready(order: Order, place: Place) -> None:
    """Errors: Refused, where the rates between which it would be raised make no range."""
    asked = asked_of(order.args)
    multiples(asked, constants_of(place.tree, [asked.group]))


def multiples(asked: Asked, constants: Mapping[str, float]) -> tuple[float, float]:
    """The multiples of the present rate to begin and to end with. Errors: Refused."""
    unit = next(iter(constants.values())) if len(constants) == 1 else 1.0
    low, high = asked.low / unit or LOW, asked.high / unit or HIGH
    if low * 2 > high:
        raise Refused(
            f"the rates go from {low * unit:g} to {high * unit:g} (now {unit:g}): name both --min and --max, the one at"
            " most half of the other"
        )
    return low, high


def constants_of(tree: Path, groups: Sequence[str]) -> dict[str, float]:
    """The constants of train.py by which the groups' rates are set, where they are plain positive numbers."""
    try:
        sources = read_constants((tree / "train.py").read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[str, float] = {}
    for group in groups:
        name = CONSTANTS.get(group, f"{group.upper()}_LR")
        try:
            value = ast.literal_eval(sources[name])
        except (KeyError, ValueError, SyntaxError):
            continue
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            found[name] = float(value)
    return found


def run(order: Order, place: Place) -> Done:
    """One test a seed, with a control where one group alone is raised; the first that fails ends it.

    Errors: LeashError, OSError.
    """
    asked, first = asked_of(order.args), first_trial_seed(order.experiment, order.segment)
    low, high = multiples(asked, constants_of(place.tree, [asked.group]))
    tried = rates(low, high, asked.steps)
    request: dict[str, object] = {"group": asked.group, "low": low, "high": high, "steps": asked.steps}
    sweeps: list[Sweep] = []
    groups: tuple[str, ...] = ()
    for seed in range(first, first + asked.seeds):
        told = _test(order, place, seed, request)
        if isinstance(told, Done):
            return told
        sweep, groups = _sweep(seed, told, tried), told.groups
        if asked.group != "all":
            control = _test(order, place, seed, {**request, "control": True, "steps": len(told.losses)})
            if isinstance(control, Done):
                return control
            sweep = against(sweep, _sweep(seed, control, tried))
        sweeps.append(sweep)
    raised = groups if asked.group == "all" else [asked.group]
    constants = constants_of(place.tree, raised)
    test = LrTest(order.experiment.run, order.experiment.commit, asked.group, constants, tuple(sweeps))
    (place.folder / FILE).write_bytes(msgspec.json.encode(test))
    found = {one.name: one.at * test.unit() for one in test.reading().suggestions}
    return Done(answer=answer(test), metrics=found, files=(FILE, "run.log"))


def _test(order: Order, place: Place, seed: int, request: Mapping[str, object]) -> Told | Done:
    """One process; Done where it came to nothing."""
    made = place.folder / "made"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    environment = place.environment(seed, ENDLESS)
    argv = [environment["OVERNIGHT_PYTHON"], "-P", str(PROGRAM), str(place.tree / "train.py")]
    confine = place.confine([made], [PROGRAM.parent, CURVE.parent])
    words = [*argv, msgspec.json.encode(request).decode(), str(made / FILE)]
    ending, said = leashed(words, place, environment, order.segment.run.timeout_s, confine)
    told = _told(made / FILE) if ending.clean else None
    shutil.rmtree(made, ignore_errors=True)
    if ending.cause != "exited":
        outcome = {"timeout": "timeout", "terminated": "aborted"}.get(ending.cause, "interrupted")
        return Done(outcome, detail=ending.why or outcome)
    if told is None:
        lines = last_lines(said)
        if lines and lines[-1].startswith(OWN):
            lines = [lines[-1].removeprefix(OWN)]
        why = " | ".join(lines) or ending.why or f"exit code {ending.exit_code}"
        return Done("crash", detail=f"no rate of run {order.experiment.run} could be tested: {why}", files=("run.log",))
    return told


def _sweep(seed: int, told: Told, tried: Sequence[float]) -> Sweep:
    """A loss that is no number, or no loss, ends a sweep."""
    points = itertools.takewhile(
        lambda point: abs(point[1]) < BEYOND, zip(tried, map(_number, told.losses), strict=False)
    )
    return Sweep(seed, tuple(points), told.ended)


def _number(loss: float | None) -> float:
    return BEYOND if loss is None else loss


def _told(path: Path) -> Told | None:
    """What the driver left, as far as it can be believed: a file that a training process wrote."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
        return None
    return msgspec.json.decode(path.read_bytes(), type=Told)


def answer(test: LrTest) -> str:
    """What came of it, in a sentence."""
    reading = test.reading()
    said = ", ".join(f"{one.title} {one.at * test.unit():.3g}" for one in reading.suggestions) or "nothing"
    end = "; ".join(reading.warnings)
    over = f"{len(test.sweeps)} seeds" if len(test.sweeps) > 1 else "one seed"
    return f"{test.of()}, over {over}, suggested: {said}" + (f". {end}" if end else "")


KIND = Kind(check, run, seed=lambda experiment, segment, args: first_trial_seed(experiment, segment), ready=ready)
