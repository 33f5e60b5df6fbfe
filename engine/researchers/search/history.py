"""What the segment's results say about each constant, and which configurations have been measured. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from engine.researchers.search.arithmetic import ArithmeticRefused
from engine.researchers.search.values import Value, read
from engine.session import flags
from engine.session.state import Experiment, gain

Configuration = tuple[int, frozenset[tuple[str, Value]]]
"""A code (the run that last changed more than constants) and how its constants differ from the baseline's."""


class Evidence(msgspec.Struct, frozen=True):
    """One experiment that changed constants: `changes` maps each to (old, new).

    `gain` is how much better it was than the champion it stood against, in the metric's unit; None where it could
    not be measured. `failed` says that the change itself is to blame for that.
    """

    run: int
    changes: dict[str, tuple[Value, Value]]
    gain: float | None
    kept: bool
    failed: bool

    @property
    def only(self) -> str:
        """The constant, where it changed a single one; else ""."""
        return next(iter(self.changes)) if len(self.changes) == 1 else ""


class Point(msgspec.Struct, frozen=True):
    """A value of one constant, seen from another: how much better (`gain`) it was, None where it could not run."""

    value: Value
    gain: float | None
    run: int

    @property
    def worse(self) -> bool:
        """Whether it was worse, or could not run."""
        return self.gain is None or self.gain < 0


class History:
    """The results of one segment, oldest first, each read once."""

    def __init__(self, results: Sequence[Experiment], direction: str) -> None:
        self.metrics: dict[int, float] = {}
        self.evidence: list[Evidence] = []
        self.measured: set[Configuration] = set()
        self._direction = direction
        self._read: list[tuple[object, ...]] = []
        self._of: dict[str, list[Evidence]] = {}
        self._around: dict[tuple[str, Value], list[Point]] = {}
        self._differences: dict[int, dict[str, Value]] = {}
        self._codes: dict[int, int] = {}
        self._baseline: dict[str, Value] = {}
        self._extend(results)

    def up_to(self, results: Sequence[Experiment], direction: str) -> "History":
        """The history of `results`: this one, read on, where it is of the first of them; else a new one."""
        read = [_mark(experiment) for experiment in results[: len(self._read)]]
        if direction != self._direction or read != self._read:
            return History(results, direction)
        self._extend(results[len(self._read) :])
        return self

    def _extend(self, results: Sequence[Experiment]) -> None:
        self._around.clear()
        for experiment in results:
            self._add(experiment, self._direction)
            self._read.append(_mark(experiment))

    def _add(self, experiment: Experiment, direction: str) -> None:
        run, changes = experiment.run, changes_of(experiment)
        if experiment.valid and experiment.metric is not None:
            self.metrics[run] = experiment.metric
        if experiment.champion is None:
            self._differences[run], self._codes[run] = {}, 0
        elif not experiment.commit and not experiment.fingerprint:
            return
        else:
            self._place(run, experiment.champion, changes)
        if not interrupted(experiment):
            self.measured.add((self._codes[run], frozenset(self._differences[run].items())))
        if changes and experiment.champion is not None:
            before = self.metrics.get(experiment.champion)
            after = self.metrics.get(run)
            won = gain(after, before, direction) if after is not None and before is not None else None
            failed = experiment.status in ("crash", "checks_failed") and not interrupted(experiment)
            item = Evidence(run, changes, won, experiment.status == "keep", failed)
            self.evidence.append(item)
            for name in changes:
                self._of.setdefault(name, []).append(item)

    def _place(self, run: int, champion: int, changes: Mapping[str, tuple[Value, Value]]) -> None:
        base = self._differences.get(champion, {})
        for name, (old, _) in changes.items():
            if name not in base:
                self._baseline.setdefault(name, old)
        self._differences[run] = self._merged(base, {name: new for name, (_, new) in changes.items()})
        self._codes[run] = self._codes.get(champion, champion) if changes else run

    def _merged(self, base: Mapping[str, Value], new: Mapping[str, Value]) -> dict[str, Value]:
        merged = {**base, **new}
        return {
            name: value for name, value in merged.items() if name not in self._baseline or self._baseline[name] != value
        }

    def configuration(self, champion: int, new: Mapping[str, Value]) -> Configuration:
        """What `new` values on top of the champion's run amount to."""
        merged = self._merged(self._differences.get(champion, {}), new)
        return self._codes.get(champion, champion), frozenset(merged.items())

    def of(self, name: str) -> list[Evidence]:
        """Every experiment that changed `name`."""
        return self._of.get(name, [])

    def around(self, name: str, value: Value) -> list[Point]:
        """What other values of `name` brought against `value`, the other constants being the same each time.

        A kept change is read backwards too: what it left behind is worse by as much as it gained.
        """
        if (name, value) in self._around:
            return self._around[name, value]
        points = self._around[name, value] = []
        for item in self.of(name):
            if len(item.changes) > 1 or not (item.failed or item.gain is not None):
                continue
            old, new = item.changes[name]
            if old == value:
                points.append(Point(new, item.gain, item.run))
            elif new == value and item.gain is not None:
                points.append(Point(old, -item.gain, item.run))
        return points


def _mark(experiment: Experiment) -> tuple[object, ...]:
    """What a later decision may change of a result."""
    return experiment.run, experiment.segment, experiment.status, experiment.metric, experiment.flags


def changes_of(experiment: Experiment) -> dict[str, tuple[Value, Value]]:
    """The experiment's constants, (old, new) as values; those that are no plain values are left out."""
    found = {}
    for name, (old, new) in experiment.params.items():
        try:
            found[name] = (read(old), read(new))
        except ArithmeticRefused:
            continue
    return found


def interrupted(experiment: Experiment) -> bool:
    """Whether its end says nothing about its change: the engine died, the operator ended it, or the machine failed."""
    outcome = experiment.trials[-1].outcome if experiment.trials else ""
    return bool(experiment.abort or flags.CUT_SHORT & set(experiment.flags)) or outcome in ("interrupted", "aborted")
