"""The versions of a session: each experiment that was ever kept, numbered in the order of being kept. Pure.

v0.S.N is the N-th keep of segment S, v0.S.0 the segment's baseline. A version keeps its number for ever, also where a
person withdraws it or keeps an older run later.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from engine.session.state import Experiment, State


class Version(msgspec.Struct, frozen=True):
    """`base` is the version it was tried on, "" for a baseline or where that run was never kept.

    `kept_by` and `withdrawn_by` name an operator who decided against the gate, "" where none did. `missed` are the
    runs that ended since the version before and were never kept.
    """

    name: str
    run: int
    segment: int
    at: float
    base: str
    kept_by: str
    withdrawn_by: str
    missed: tuple[int, ...]

    @property
    def mark(self) -> str:
        """Its name as a word."""
        return self.name.replace(".", "_")


def versions(state: State) -> list[Version]:
    """All, in the order in which they were kept."""
    kept = sorted((at, e.run) for e in state.experiments if (at := _kept_at(state, e)) is not None)
    at_of = {run: at for at, run in kept}
    names: dict[int, str] = {}
    counts: Counter[int] = Counter()
    ends = [(e.decided_at or e.ended_at, e.run) for e in state.experiments if e.status and e.run not in at_of]
    found = []
    before = 0.0
    for at, run in kept:
        experiment = state.experiments[run - 1]
        if not experiment.is_baseline:
            counts[experiment.segment] += 1
        number = 0 if experiment.is_baseline else counts[experiment.segment]
        names[run] = f"v0.{experiment.segment}.{number}"
        found.append(
            Version(
                name=names[run],
                run=run,
                segment=experiment.segment,
                at=at,
                base=names.get(experiment.champion or 0, ""),
                kept_by="" if experiment.verdict == "keep" else _decider(state, run, "keep"),
                withdrawn_by=_decider(state, run, experiment.status) if experiment.status != "keep" else "",
                missed=tuple(sorted(other for end, other in ends if before < end <= at)),
            )
        )
        before = at
    return found


def missed_since(state: State, found: Sequence[Version]) -> tuple[int, ...]:
    """Runs that ended after the last version and were never kept."""
    last = found[-1].at if found else 0.0
    ever = {version.run for version in found}
    its = (e for e in state.experiments if e.status and e.run not in ever)
    return tuple(e.run for e in its if (e.decided_at or e.ended_at) > last)


def _kept_at(state: State, experiment: Experiment) -> float | None:
    if experiment.verdict == "keep":
        return experiment.decided_at
    return next((o.at for o in state.overrides if o.run == experiment.run and o.status == "keep"), None)


def _decider(state: State, run: int, status: str) -> str:
    """The person who decided so last; "" where it was the growth search, which sends no command."""
    found = (o for o in reversed(state.overrides) if o.run == run and o.status == status)
    return next((o.by for o in found if o.command in state.commands), "")
