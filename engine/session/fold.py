"""state = fold(journal): what each event does to the state. Nothing is decided here, and nothing is read or written."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from engine.session import events as ev
from engine.session import growthfold
from engine.session.growthfold import FoldError as FoldError
from engine.session.packed import Packed
from engine.session.settings import Run
from engine.session.state import (
    Command,
    Decision,
    EngineRun,
    Experiment,
    Job,
    Override,
    Pause,
    Segment,
    State,
    Trial,
)


def fold(events: Iterable[ev.AnyEvent], state: State | None = None) -> State:
    """Apply `events` in order to `state` (a fresh one by default; it is changed in place and returned)."""
    state = State() if state is None else state
    for event in events:
        apply(state, event)
    return state


def apply(state: State, event: ev.AnyEvent) -> None:
    """Change `state` by one event. Errors: FoldError."""
    state.last_at = event.at
    state.events += 1
    if state.delayed and isinstance(event, _STARTS):
        state.delayed = ""
    if type(event) not in _APPLY:
        raise FoldError(f"unknown event {event!r}")
    _APPLY[type(event)](event, state)
    if _of_engine(event):
        state.engine_at = event.at


_STARTS = (ev.EngineStarted, ev.EngineStopped, ev.SegmentOpened, ev.TrialBegan, ev.ChecksBegan, ev.JobBegan, ev.Decided)
"""What ends a delay."""
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


_E = TypeVar("_E", bound=ev.Event)
_APPLY: dict[type[ev.Event], Callable[[Any, State], None]] = {}
"""What each kind of event does. A plain table: every start of the console waits until it is made."""


def _on(kind: type[_E]) -> Callable[[Callable[[_E, State], None]], Callable[[_E, State], None]]:
    def register(apply: Callable[[_E, State], None]) -> Callable[[_E, State], None]:
        _APPLY[kind] = apply
        return apply

    return register


def _experiment(state: State, run: int) -> Experiment:
    """To be changed."""
    found = state.experiments
    if not 0 < run <= len(found):
        raise FoldError(f"the journal speaks of run {run} before it began")
    return found.own(run - 1) if isinstance(found, Packed) else found[run - 1]


@_on(ev.EngineStarted)
def _(event: ev.EngineStarted, state: State) -> None:
    if state.engine is not None:
        state.away.append((state.engine.stopped_at or state.engine_at, event.at))
    state.engine = EngineRun(
        pid=event.pid,
        host=event.host,
        start_id=event.start_id,
        started_at=event.at,
        experiments=event.experiments,
        hours=event.hours,
        cost_usd=event.cost_usd,
        tokens=event.tokens,
        device=event.device,
        device_name=event.device_name,
        jobs_only=event.jobs_only,
    )
    _count_anew(state, event.at)
    state.stop = ""


def _pauses(state: State, event: ev.PauseSet) -> None:
    resting = bool(state.pauses) and not state.pauses[-1].until
    if event.paused and not resting:
        state.pauses.append(Pause(event.at, event.by, event.reason))
    elif resting and not event.paused:
        state.pauses[-1].until = event.at


def _count_anew(state: State, at: float) -> None:
    if state.engine is not None:
        state.engine.ended_experiments, state.engine.counted_from = state.ended, at
        state.engine.cost, state.engine.used_tokens = state.cost, state.tokens


def _use(state: State, usage: dict[str, float]) -> None:
    state.cost += usage.get("cost_usd", 0.0)
    state.tokens += usage.get("input_tokens", 0.0) + usage.get("output_tokens", 0.0)


@_on(ev.EngineStopped)
def _(event: ev.EngineStopped, state: State) -> None:
    if state.engine is not None:
        state.engine.stopped_at = event.at
        state.engine.stop_reason = event.reason
        state.engine.failed = event.failed
    state.stop = ""


@_on(ev.SegmentOpened)
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


@_on(ev.ExperimentBegan)
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
            candidate=event.candidate,
            seeds=event.seeds,
            description="baseline" if event.champion is None else "",
        )
    )
    state.segments[-1].runs.append(event.run)


@_on(ev.ProposalRefused)
def _(event: ev.ProposalRefused, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.refusals.append(event.reason)
    experiment.refused = event.description
    experiment.usage = _sum(experiment.usage, event.usage)
    _use(state, event.usage)


@_on(ev.ProposalFailed)
def _(event: ev.ProposalFailed, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.failed = event.reason
    refused = f"refused: {experiment.refused}" if experiment.refused else "no change was proposed"
    experiment.description = experiment.description or refused


@_on(ev.AttemptFailed)
def _(event: ev.AttemptFailed, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.attempts.append(f"{event.researcher}: {event.kind}: {event.reason}")
    experiment.usage = _sum(experiment.usage, event.usage)
    _use(state, event.usage)
    state.retry_at = event.at + event.wait_s
    if not event.fallback:
        state.failing, state.failed_at = state.failing + event.counts, event.at


@_on(ev.MendFailed)
def _(event: ev.MendFailed, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.mend_failed = event.reason
    experiment.usage = _sum(experiment.usage, event.usage)
    _use(state, event.usage)


def _sum(a: dict[str, float], b: dict[str, float]) -> dict[str, float]:
    return {name: a.get(name, 0.0) + b.get(name, 0.0) for name in {**a, **b}}


@_on(ev.ChangeAccepted)
def _(event: ev.ChangeAccepted, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.mends = event.mend
    experiment.claim, experiment.token = event.claim, event.token
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


@_on(ev.ChangeCommitted)
def _(event: ev.ChangeCommitted, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.phase = "committed"
    experiment.commit = event.commit
    state.head = event.commit


@_on(ev.TrialBegan)
def _(event: ev.TrialBegan, state: State) -> None:
    _experiment(state, event.run).trials.append(
        Trial(event.trial, event.commit, event.seed, event.of, event.budget, event.at)
    )


@_on(ev.TrialEnded)
def _(event: ev.TrialEnded, state: State) -> None:
    trials = _experiment(state, event.run).trials
    if not trials or trials[-1].number != event.trial:
        raise FoldError(f"trial {event.trial} of run {event.run} ended without having begun")
    trial = trials[-1]
    trial.outcome, trial.metric, trial.metrics = event.outcome, event.metric, event.metrics
    trial.duration_s, trial.cause, trial.detail = event.duration_s, event.cause, event.detail
    trial.flags, trial.killed = event.flags, event.killed


@_on(ev.ChecksBegan)
def _(event: ev.ChecksBegan, state: State) -> None:
    _experiment(state, event.run).checks = "running"


@_on(ev.ChecksEnded)
def _(event: ev.ChecksEnded, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.checks = "passed" if event.passed else "failed"
    experiment.checks_detail = event.detail


@_on(ev.Decided)
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


@_on(ev.TreeSettled)
def _(event: ev.TreeSettled, state: State) -> None:
    state.head, state.tree = event.commit, event.champion
    if event.run is not None:
        _experiment(state, event.run).phase = "settled"


@_on(ev.Learnt)
def _(event: ev.Learnt, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.asi = {**experiment.asi, **event.asi}
    experiment.phase = "learnt"


@_on(ev.ExperimentEnded)
def _(event: ev.ExperimentEnded, state: State) -> None:
    experiment = _experiment(state, event.run)
    experiment.phase = "ended"
    experiment.logged = experiment.status
    state.public.append(("result", event.run))
    experiment.confidence = event.confidence
    experiment.ended_at = event.at
    if not experiment.is_baseline:
        state.ended += 1
        engine = state.engine
        if engine is not None and "interrupted" in experiment.flags and experiment.began_at < engine.started_at:
            engine.ended_experiments += 1  # an engine before this one left it unfinished: no limit of this one's


@_on(ev.CommandQueued)
def _(event: ev.CommandQueued, state: State) -> None:
    state.commands[event.id] = Command(event.id, event.kind, event.args, event.by, event.at)
    if event.kind == "say":
        state.messages.append(event.id)


def _command(state: State, id: str) -> Command:
    if id not in state.commands:
        raise FoldError(f"the journal speaks of command {id} before it was queued")
    return state.commands[id]


@_on(ev.CommandDelivered)
def _(event: ev.CommandDelivered, state: State) -> None:
    command = _command(state, event.id)
    command.status, command.delivered_in = "delivered", event.run


@_on(ev.CommandDone)
def _(event: ev.CommandDone, state: State) -> None:
    command = _command(state, event.id)
    command.status, command.answer = "done", event.answer


@_on(ev.CommandRefused)
def _(event: ev.CommandRefused, state: State) -> None:
    command = _command(state, event.id)
    command.status, command.answer = "refused", event.reason


@_on(ev.Overridden)
def _(event: ev.Overridden, state: State) -> None:
    segment = state.segments[-1]
    before = {run: _experiment(state, run).status for run in event.statuses}
    if segment.line and state.tree != segment.line[-1]:
        state.tree = None  # a restoration may have been begun: the tree is looked at, whoever is the champion now
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
    growthfold.overridden(event, state)


_APPLY |= {
    ev.RoundPlanned: growthfold.planned,
    ev.RoundDecided: growthfold.decided,
    ev.GrowthBegun: growthfold.begun,
}


@_on(ev.PauseSet)
def _(event: ev.PauseSet, state: State) -> None:
    if not event.paused and state.pause_limit:
        _count_anew(state, event.at)
    _pauses(state, event)
    state.paused, state.pause_by, state.pause_reason = event.paused, event.by, event.reason
    state.pause_limit = event.paused and event.limit


@_on(ev.StopAsked)
def _(event: ev.StopAsked, state: State) -> None:
    state.stop = event.reason or f"asked by {event.by}"


@_on(ev.AbortAsked)
def _(event: ev.AbortAsked, state: State) -> None:
    _experiment(state, event.run).abort = event.by


@_on(ev.JobBegan)
def _(event: ev.JobBegan, state: State) -> None:
    if state.job is not None:
        raise FoldError(f"job {event.command} began while {state.job.command} was on")
    _command(state, event.command).status = "delivered"
    state.jobs.append(Job(event.command, event.kind, event.run, event.at, event.seed))


def _job(state: State, command: str) -> Job:
    job = state.job
    if job is None or job.command != command:
        raise FoldError(f"the journal speaks of job {command}, which is not on")
    return job


@_on(ev.JobEnded)
def _(event: ev.JobEnded, state: State) -> None:
    job = _job(state, event.command)
    job.outcome, job.detail, job.ended_at = event.outcome, event.detail, event.at
    job.metric, job.metrics, job.files, job.duration_s = event.metric, event.metrics, event.files, event.duration_s


@_on(ev.JobAbortAsked)
def _(event: ev.JobAbortAsked, state: State) -> None:
    _job(state, event.command).abort = event.by


@_on(ev.Noted)
def _(event: ev.Noted, state: State) -> None:
    if event.run is None:
        state.notes.append((event.at, event.by, event.text))
    else:
        _experiment(state, event.run).notes.append(f"{event.by}: {event.text}")


@_on(ev.ResearcherSaid)
def _(event: ev.ResearcherSaid, state: State) -> None:
    state.said.append((event.at, event.run, event.text))


@_on(ev.SettingEdited)
def _(event: ev.SettingEdited, state: State) -> None:
    """The file holds the setting; HEAD is compared by its texts, so nothing of it is kept here but a length."""
    growthfold.edited(event, state)


@_on(ev.Rescued)
def _(event: ev.Rescued, state: State) -> None:
    state.troubles.append((event.at, f"{event.reason}; saved as {event.ref}"))


@_on(ev.DirtTaken)
def _(event: ev.DirtTaken, state: State) -> None:
    state.troubles.append((event.at, f"your edit was taken as a new start, commit {event.commit[:7]}"))


@_on(ev.Delayed)
def _(event: ev.Delayed, state: State) -> None:
    state.delayed = event.text
    if event.trouble:
        state.troubles.append((event.at, event.text))


@_on(ev.Fitted)
def _(event: ev.Fitted, state: State) -> None:
    state.fitted, state.delayed = True, ""
    state.head = event.commit or state.head
    state.notes.append((event.at, "engine", event.text))


@_on(ev.Trouble)
def _(event: ev.Trouble, state: State) -> None:
    state.troubles.append((event.at, event.text))
