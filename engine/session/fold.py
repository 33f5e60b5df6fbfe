"""state = fold(journal): what each event does to the state. Nothing is decided here, and nothing is read or written."""

from collections.abc import Iterable
from functools import singledispatch

from engine.session import events as ev
from engine.session.settings import Run
from engine.session.state import Command, Decision, EngineRun, Experiment, Override, Segment, State, Trial


class FoldError(Exception):
    """An event that cannot follow what came before it: the journal was not written by one engine at a time."""


def fold(events: Iterable[ev.AnyEvent], state: State | None = None) -> State:
    """Apply `events` in order to `state` (a fresh one by default; it is changed in place and returned)."""
    state = State() if state is None else state
    for event in events:
        apply(state, event)
    return state


def apply(state: State, event: ev.AnyEvent) -> None:
    """Change `state` by one event. Errors: FoldError."""
    state.last_at = event.at
    if _of_engine(event):
        state.engine_at = event.at
    state.events += 1
    _apply(event, state)


_ASKED = frozenset(
    {ev.CommandQueued, ev.CommandDone, ev.CommandRefused, ev.Overridden, ev.StopAsked, ev.Noted, ev.SettingEdited}
)


def _of_engine(event: ev.AnyEvent) -> bool:
    """Whether only an engine writes it; a command's events are also written by hand, when none is there."""
    if isinstance(event, ev.PauseSet):
        return event.by == "engine"
    if isinstance(event, ev.TreeSettled):
        return event.run is not None
    return type(event) not in _ASKED


@singledispatch
def _apply(event: object, state: State) -> None:
    raise FoldError(f"unknown event {event!r}")


def _experiment(state: State, run: int) -> Experiment:
    found = state.experiment(run)
    if found is None:
        raise FoldError(f"the journal speaks of run {run} before it began")
    return found


@_apply.register
def _(event: ev.EngineStarted, state: State) -> None:
    state.engine = EngineRun(
        pid=event.pid,
        host=event.host,
        start_id=event.start_id,
        started_at=event.at,
        experiments=event.experiments,
        hours=event.hours,
        cost_usd=event.cost_usd,
        tokens=event.tokens,
    )
    _count_anew(state, event.at)
    state.stop = ""


def _count_anew(state: State, at: float) -> None:
    if state.engine is not None:
        state.engine.ended_experiments, state.engine.counted_from = state.ended, at
        state.engine.cost, state.engine.used_tokens = state.cost, state.tokens


def _use(state: State, usage: dict[str, float]) -> None:
    state.cost += usage.get("cost_usd", 0.0)
    state.tokens += usage.get("input_tokens", 0.0) + usage.get("output_tokens", 0.0)


@_apply.register
def _(event: ev.EngineStopped, state: State) -> None:
    if state.engine is not None:
        state.engine.stopped_at = event.at
        state.engine.stop_reason = event.reason
        state.engine.failed = event.failed
    state.stop = ""


@_apply.register
def _(event: ev.SegmentOpened, state: State) -> None:
    state.segments.append(
        Segment(
            number=event.segment,
            name=event.name,
            metric=event.metric,
            run=Run(event.command, event.timeout_s, event.checks_timeout_s, event.seed),
            editable=event.editable,
            pinned=event.pinned,
            commit=event.commit,
            budget=event.budget,
            opened_at=event.at,
            reason=event.reason,
            branch=event.branch,
        )
    )
    state.public.append(("config", event.segment))
    state.head = event.commit
    state.tree = None


@_apply.register
def _(event: ev.ExperimentBegan, state: State) -> None:
    if event.run != len(state.experiments) + 1 or not state.segments:
        raise FoldError(f"run {event.run} cannot follow run {len(state.experiments)}")
    state.experiments.append(
        Experiment(
            run=event.run,
            segment=event.segment,
            champion=event.champion,
            began_at=event.at,
            gate=event.gate,
            researcher=event.researcher,
            group=event.group,
            description="baseline" if event.champion is None else "",
        )
    )
    state.segments[-1].runs.append(event.run)


@_apply.register
def _(event: ev.ProposalRefused, state: State) -> None:
    _experiment(state, event.run).refusals.append(event.reason)


@_apply.register
def _(event: ev.ProposalFailed, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.failed = event.reason
    experiment.description = experiment.description or "no change was proposed"


@_apply.register
def _(event: ev.AttemptFailed, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.attempts.append(f"{event.researcher}: {event.kind}: {event.reason}")
    experiment.usage = _sum(experiment.usage, event.usage)
    _use(state, event.usage)
    state.retry_at = event.at + event.wait_s
    if not event.fallback:
        state.failing, state.failed_at = state.failing + 1, event.at


@_apply.register
def _(event: ev.MendFailed, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.mend_failed = event.reason
    experiment.usage = _sum(experiment.usage, event.usage)
    _use(state, event.usage)


def _sum(a: dict[str, float], b: dict[str, float]) -> dict[str, float]:
    return {name: a.get(name, 0.0) + b.get(name, 0.0) for name in {**a, **b}}


@_apply.register
def _(event: ev.ChangeAccepted, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.mends = event.mend
    experiment.phase = "accepted"
    experiment.description = event.description
    experiment.asi = dict(event.asi)
    experiment.fingerprint = event.fingerprint
    experiment.params = dict(event.params)
    experiment.net_lines = event.net_lines
    experiment.usage = _sum(experiment.usage, event.usage)
    if not event.fallback:
        state.failing = 0
    experiment.researcher = event.researcher or experiment.researcher
    _use(state, event.usage)


@_apply.register
def _(event: ev.ChangeCommitted, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.phase = "committed"
    experiment.commit = event.commit
    state.head = event.commit


@_apply.register
def _(event: ev.TrialBegan, state: State) -> None:
    _experiment(state, event.run).trials.append(
        Trial(event.trial, event.commit, event.seed, event.of, event.budget, event.at)
    )


@_apply.register
def _(event: ev.TrialEnded, state: State) -> None:
    trials = _experiment(state, event.run).trials
    if not trials or trials[-1].number != event.trial:
        raise FoldError(f"trial {event.trial} of run {event.run} ended without having begun")
    trial = trials[-1]
    trial.outcome, trial.metric, trial.metrics = event.outcome, event.metric, event.metrics
    trial.duration_s, trial.cause, trial.detail = event.duration_s, event.cause, event.detail
    trial.flags, trial.killed = event.flags, event.killed


@_apply.register
def _(event: ev.ChecksBegan, state: State) -> None:
    _experiment(state, event.run).checks = "running"


@_apply.register
def _(event: ev.ChecksEnded, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.checks = "passed" if event.passed else "failed"
    experiment.checks_detail = event.detail


@_apply.register
def _(event: ev.Decided, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.phase = "decided"
    experiment.verdict = experiment.status = event.status
    experiment.reason, experiment.flags = event.reason, event.flags
    experiment.metric, experiment.metrics = event.metric, event.metrics
    experiment.decided_at = event.at
    if event.status == "keep":
        segment = state.segments[-1]
        segment.line.append(event.run)
        state.tree = event.run


@_apply.register
def _(event: ev.TreeSettled, state: State) -> None:
    state.head, state.tree = event.commit, event.champion
    if event.run is not None:
        _experiment(state, event.run).phase = "settled"


@_apply.register
def _(event: ev.Learnt, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.asi = {**experiment.asi, **event.asi}
    experiment.phase = "learnt"


@_apply.register
def _(event: ev.ExperimentEnded, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.phase = "ended"
    experiment.logged = experiment.status
    state.public.append(("result", event.run))
    experiment.confidence = event.confidence
    experiment.ended_at = event.at
    if not experiment.is_baseline:
        state.ended += 1


@_apply.register
def _(event: ev.CommandQueued, state: State) -> None:
    state.commands[event.id] = Command(event.id, event.kind, event.args, event.by, event.at)
    if event.kind == "say":
        state.messages.append(event.id)


def _command(state: State, id: str) -> Command:
    if id not in state.commands:
        raise FoldError(f"the journal speaks of command {id} before it was queued")
    return state.commands[id]


@_apply.register
def _(event: ev.CommandDelivered, state: State) -> None:
    command = _command(state, event.id)
    command.status, command.delivered_in = "delivered", event.run


@_apply.register
def _(event: ev.CommandDone, state: State) -> None:
    command = _command(state, event.id)
    command.status, command.answer = "done", event.answer


@_apply.register
def _(event: ev.CommandRefused, state: State) -> None:
    command = _command(state, event.id)
    command.status, command.answer = "refused", event.reason


@_apply.register
def _(event: ev.Overridden, state: State) -> None:
    segment = state.segments[-1]
    before = {run: _experiment(state, run).status for run in event.statuses}
    if event.kind == "undo":
        for decision in reversed(state.decisions):
            if not decision.undone:
                decision.undone = True
                break
    else:
        state.decisions.append(
            Decision(
                command=event.command,
                kind=event.kind,
                run=event.run,
                segment=segment.number,
                before=list(segment.line),
                statuses_before=before,
                statuses=dict(event.statuses),
                withdrawn=event.withdrawn,
                by=event.by,
                reason=event.reason,
                at=event.at,
            )
        )
    segment.line = list(event.line)
    for run, status in event.statuses.items():
        experiment = _experiment(state, run)
        experiment.status = status
        if experiment.phase == "ended":  # before that, its own line is still to come and tells the new status
            state.public.append(("override", len(state.overrides)))
        state.overrides.append(
            Override(run, status, event.by, event.reason or event.kind, experiment.commit, event.at, event.command)
        )
        experiment.overridden_by = event.by if status != experiment.verdict else ""


@_apply.register
def _(event: ev.PauseSet, state: State) -> None:
    if not event.paused and state.pause_limit:
        _count_anew(state, event.at)
    state.paused, state.pause_by, state.pause_reason = event.paused, event.by, event.reason
    state.pause_limit = event.paused and event.limit


@_apply.register
def _(event: ev.StopAsked, state: State) -> None:
    state.stop = event.reason or f"asked by {event.by}"


@_apply.register
def _(event: ev.AbortAsked, state: State) -> None:
    _experiment(state, event.run).abort = event.by


@_apply.register
def _(event: ev.Noted, state: State) -> None:
    if event.run is None:
        state.notes.append((event.at, event.by, event.text))
    else:
        _experiment(state, event.run).notes.append(f"{event.by}: {event.text}")


@_apply.register
def _(event: ev.ResearcherSaid, state: State) -> None:
    state.said.append((event.at, event.run, event.text))


@_apply.register
def _(event: ev.SettingEdited, state: State) -> None:
    """The file holds the setting; HEAD is compared by its texts, so nothing of it is kept here."""


@_apply.register
def _(event: ev.Rescued, state: State) -> None:
    state.troubles.append((event.at, f"{event.reason}; saved as {event.ref}"))


@_apply.register
def _(event: ev.DirtTaken, state: State) -> None:
    state.troubles.append((event.at, f"your edit was taken as a new start, commit {event.commit[:7]}"))


@_apply.register
def _(event: ev.Trouble, state: State) -> None:
    state.troubles.append((event.at, event.text))
