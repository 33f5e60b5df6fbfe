"""The line of champions and what an operator's revert, keep and undo make of it. Pure."""

import msgspec

from engine.session.state import Experiment, State


class Refused(Exception):
    """The decision cannot be made; the message says why."""


class Override(msgspec.Struct, frozen=True):
    """A decision's outcome: the new line, the runs whose status changes, the later keeps that fall with it."""

    kind: str
    run: int
    line: tuple[int, ...]
    statuses: dict[int, str]
    withdrawn: tuple[int, ...]

    @property
    def champion(self) -> int:
        """The run that is the champion afterwards."""
        return self.line[-1]


def _settled(state: State, run: int) -> Experiment:
    experiment = state.experiment(run)
    segment = state.segment
    if experiment is None or segment is None:
        raise Refused(f"there is no run {run}")
    if experiment.segment != segment.number:
        raise Refused(f"run {run} belongs to segment {experiment.segment}, and segment {segment.number} is open")
    if not experiment.status:
        raise Refused(f"run {run} is not decided yet; abort it instead")
    return experiment


def revert(state: State, run: int) -> Override:
    """The champion that stood before `run` comes back. Errors: Refused."""
    experiment = _settled(state, run)
    line = state.segments[-1].line
    if experiment.is_baseline:
        raise Refused(f"run {run} is the baseline: there is no champion before it")
    if run not in line:
        raise Refused(f"run {run} is not part of the champion ({experiment.status}); there is nothing to take back")
    at = line.index(run)
    fallen = tuple(line[at + 1 :])
    return Override("revert", run, tuple(line[:at]), dict.fromkeys(line[at:], "discard"), fallen)


def keep(state: State, run: int) -> Override:
    """`run`'s tree becomes the champion. Errors: Refused."""
    experiment = _settled(state, run)
    line = state.segments[-1].line
    if run in line:
        raise Refused(f"run {run} is already part of the champion")
    if experiment.metric is None or experiment.metric != experiment.metric:
        raise Refused(f"run {run} has no metric ({experiment.status}): there is nothing to compare later runs with")
    if not experiment.commit:
        raise Refused(f"run {run} has no commit")
    base = experiment.champion
    while base is not None and base not in line:
        parent = state.experiment(base)
        base = parent.champion if parent else None
    at = line.index(base) + 1 if base is not None else 1
    fallen = tuple(line[at:])
    statuses = dict.fromkeys(fallen, "discard") | {run: "keep"}
    return Override("keep", run, (*line[:at], run), statuses, fallen)


def undo(state: State) -> Override:
    """The last decision that still holds is taken back. Errors: Refused."""
    for decision in reversed(state.decisions):
        if not decision.undone:
            break
    else:
        raise Refused("there is no revert or keep to undo")
    segment = state.segments[-1]
    if decision.segment != segment.number:
        raise Refused(f"the last decision was made in segment {decision.segment}, and segment {segment.number} is open")
    if not decision.before:
        raise Refused(f"run {decision.run} was the segment's first champion: without it there is none to go back to")
    fallen = tuple(run for run in segment.line if run not in decision.before and run not in decision.statuses)
    statuses = dict(decision.statuses_before) | dict.fromkeys(fallen, "discard")
    return Override("undo", decision.run, tuple(decision.before), statuses, fallen)
