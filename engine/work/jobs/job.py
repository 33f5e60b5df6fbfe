"""What a kind of queued work is: checked when it is asked for, done in a folder that has a run's files of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.session.settings import Settings
from engine.session.state import Experiment, Segment, State
from engine.work import leash, sweep
from engine.work.benchmark import Confine

LOG = "run.log"
"""What a job's process says, in the job's folder."""


class Refused(Exception):
    """The work is not begun; the message says why."""


class Order(msgspec.Struct, frozen=True):
    """What is to be done: the command's id and arguments, and the run it is about, as the journal had it then."""

    id: str
    args: dict[str, str]
    experiment: Experiment
    segment: Segment
    settings: Settings


class Place(msgspec.Struct, frozen=True):
    """Where it is done. `tree` holds the run's files, `folder` (jobs/ID) keeps what is written.

    `environment(seed, budget)` is the whole environment of a process, `confine(writable, readable)` its sandbox, and
    `hold` takes what runs on the leash, so that the operator can end it (None: it has ended). `weights` may be missing.
    """

    folder: Path
    tree: Path
    weights: Path
    environment: Callable[[int, str], Mapping[str, str]]
    confine: Callable[[Sequence[Path], Sequence[Path]], Confine]
    hold: Callable[[leash.Leashed | None], None]


class Done(msgspec.Struct, frozen=True):
    """What came of it. `outcome` as a trial's; `detail` says why it is not ok. `answer` is the sentence for who asked,
    "" where nothing was found out. `files` are names inside the job's folder."""

    outcome: str = "ok"
    answer: str = ""
    detail: str = ""
    metric: float | None = None
    metrics: dict[str, float] = {}
    files: tuple[str, ...] = ()
    duration_s: float = 0.0


class Kind(NamedTuple):
    """`check` gives the run that it is about, or raises Refused; `run` does the work in the worker's thread.

    `clean`: it measures what git holds, so that uncommitted edits refuse it (but for the argument `dirty`). `seed` is
    what it trains with, None where that is nothing to tell. `ready` raises Refused for what only the disk can tell.
    """

    check: Callable[[State, Mapping[str, str]], Experiment]
    run: Callable[[Order, Place], Done]
    clean: bool = False
    seed: Callable[[Experiment, Segment, Mapping[str, str]], int | None] = lambda experiment, segment, args: None
    ready: Callable[[Order, Place], None] = lambda order, place: None


def run_of(state: State, args: Mapping[str, str]) -> Experiment:
    """The experiment that `run` names (a number; the champion without one), with a commit. Errors: Refused."""
    text = args.get("run", "")
    if not text:
        if state.champion is None:
            raise Refused("there is no champion yet: name a run")
        return state.champion
    found = state.experiment(int(text)) if text.isdecimal() and len(text) < 10 else None
    if found is None:
        raise Refused(f"there is no run {text!r}; the last is {len(state.experiments)}")
    if not found.commit:
        raise Refused(f"run {found.run} has no commit: no change of it was ever put together")
    return found


def number(args: Mapping[str, str], name: str, least: float, most: float, usual: float) -> float:
    """The number `name` of the arguments. Errors: Refused, with what is allowed."""
    text = args.get(name, "")
    if not text:
        return usual
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise Refused(f"{name} is {text!r}; expected a number from {least:g} to {most:g}")
    return value


def whole(args: Mapping[str, str], name: str, least: int, most: int, usual: int) -> int:
    """The whole number `name` of the arguments. Errors: Refused."""
    value = number(args, name, least, most, usual)
    if value != int(value):
        raise Refused(f"{name} is {args.get(name)!r}; expected a whole number")
    return int(value)


def first_trial_seed(experiment: Experiment, segment: Segment) -> int:
    """The seed that its logged metric was measured with."""
    own = (trial.seed for trial in experiment.trials if trial.of == "candidate")
    return next(own, segment.run.seed)


def leashed(
    argv: list[str], place: Place, environment: Mapping[str, str], limit_s: float, confine: Confine
) -> tuple[leash.Ending, str]:
    """Run a program in the tree to its end: how it ended, and the end of what it said. Errors: LeashError."""
    log = place.folder / LOG
    running = leash.start(
        confine(argv),
        cwd=place.tree,
        env=environment,
        limit_s=limit_s,
        stdout=log,
        cookie=environment.get("OVERNIGHT_COOKIE", ""),
    )
    place.hold(running)
    try:
        ending = running.ended()
    finally:
        place.hold(None)
    sweep.sweep(running.cookie)
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 65536))
        return ending, file.read().decode("utf-8", "replace")
