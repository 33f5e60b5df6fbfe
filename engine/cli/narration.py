"""What a loop in the foreground tells: one line for each event that matters. Pure."""

from functools import singledispatch

from engine.cli import figures
from engine.session import events as ev
from engine.session.inbox import JOBS
from engine.session.state import State


def line(event: ev.AnyEvent, state: State) -> str:
    """The line for `event`, which `state` holds already; "" for an event that says nothing new."""
    return _line(event, state)


@singledispatch
def _line(event: object, state: State) -> str:
    return ""


def _name(state: State) -> str:
    return state.segments[-1].metric.name if state.segments else "metric"


def _head(run: int, word: str) -> str:
    return f"run {run:<3} {word:<9}"


@_line.register
def _(event: ev.EngineStarted, state: State) -> str:
    limits = []
    if event.experiments:
        limits.append(f"{event.experiments} experiments")
    if event.hours:
        limits.append(f"{event.hours:g} hours")
    if event.cost_usd:
        limits.append(f"{event.cost_usd:g} USD")
    if event.tokens:
        limits.append(f"{event.tokens} tokens")
    until = f", until {' or '.join(limits)}" if limits else ""
    device = f", on {event.device_name or event.device}" if event.device else ""
    return f"engine started, process {event.pid}{device}{until}"


@_line.register
def _(event: ev.EngineStopped, state: State) -> str:
    return f"engine {'failed' if event.failed else 'stopped'}: {event.reason}"


@_line.register
def _(event: ev.SegmentOpened, state: State) -> str:
    why = f" ({event.reason})" if event.reason else ""
    return f"segment {event.segment}: {event.metric.name}, {event.metric.direction} is better{why}"


@_line.register
def _(event: ev.ProposalRefused, state: State) -> str:
    return f"{_head(event.run, 'sent back')} {event.reason}"


@_line.register
def _(event: ev.AttemptFailed, state: State) -> str:
    again = f"; asked again in {figures.seconds(event.wait_s)}" if event.wait_s else ""
    return f"{_head(event.run, 'no answer')} {event.researcher}: {event.reason}{again}"


@_line.register
def _(event: ev.ChangeAccepted, state: State) -> str:
    return f"{_head(event.run, 'trying')} {event.description}"


@_line.register
def _(event: ev.TrialEnded, state: State) -> str:
    lines = []
    experiment = state.experiment(event.run)
    trial = experiment.trials[-1] if experiment else None
    # One trial speaks by its verdict; of several, as in the confirm gate, each is told.
    if trial is not None and event.trial > 1 and event.metric is not None:
        figure = figures.metric(event.metric)
        lines.append(f"{_head(event.run, 'trial')} {event.trial}, {trial.of}, seed {trial.seed}: {figure}")
    if event.killed:
        lines.append(f"{_head(event.run, 'killed')} left over: {', '.join(event.killed)}")
    return "\n".join(lines)


@_line.register
def _(event: ev.Decided, state: State) -> str:
    experiment = state.experiment(event.run)
    if experiment is None:
        return ""
    parts = []
    if event.metric is not None:
        change = figures.difference(event.metric, figures.base_of(experiment, state))
        against = "" if change is None else f" ({change:+.6f})"
        parts.append(f"{_name(state)} {figures.metric(event.metric)}{against}")
    parts.append(experiment.description)
    # A keep and a plain discard speak for themselves by their figures.
    if event.status != "keep" and (event.metric is None or event.flags):
        parts.append(f"[{event.reason}]")
    return f"{_head(event.run, event.status)} {'  '.join(parts)}"


@_line.register
def _(event: ev.Overridden, state: State) -> str:
    fallen = f"; withdrawn with it: {', '.join(f'run {run}' for run in event.withdrawn)}" if event.withdrawn else ""
    return f"{_head(event.run, event.kind)} by {event.by}; run {event.line[-1]} is the champion{fallen}"


@_line.register
def _(event: ev.RoundPlanned, state: State) -> str:
    seeds = f", {event.seeds} seeds each" if event.seeds > 1 else ""
    count = len(event.candidates)
    tried = f"{count} candidate{'' if count == 1 else 's'}"
    return f"round {event.round}: {tried} on run {event.base}, for {event.cost}{seeds}"


@_line.register
def _(event: ev.RoundDecided, state: State) -> str:
    return event.reason if event.reason.startswith("round ") else f"round {event.round}: {event.reason}"


@_line.register
def _(event: ev.PauseSet, state: State) -> str:
    why = f": {event.reason}" if event.reason else ""
    if not event.paused:
        return f"goes on (by {event.by})"
    return f"paused by {event.by}{why}; overnight resume goes on"


@_line.register
def _(event: ev.StopAsked, state: State) -> str:
    return f"stop asked by {event.by}: after the experiment under way"


@_line.register
def _(event: ev.AbortAsked, state: State) -> str:
    return f"{_head(event.run, 'abort')} by {event.by}"


@_line.register
def _(event: ev.JobBegan, state: State) -> str:
    return f"{_head(event.run, event.kind)} begins; it works in jobs/{event.command}"


@_line.register
def _(event: ev.JobEnded, state: State) -> str:
    return f"{_head(event.run, event.kind)} {event.outcome}{f': {event.detail}' if event.detail else ''}"


@_line.register
def _(event: ev.CommandDone, state: State) -> str:
    command = state.commands.get(event.id)
    return f"{command.kind}: {event.answer}" if command and command.kind in JOBS else ""


@_line.register
def _(event: ev.CommandQueued, state: State) -> str:
    return f"{event.by} says: {event.args.get('text', '')}" if event.kind == "say" else ""


@_line.register
def _(event: ev.CommandRefused, state: State) -> str:
    command = state.commands.get(event.id)
    return f"refused {command.kind if command else 'a command'}: {event.reason}"


@_line.register
def _(event: ev.SettingEdited, state: State) -> str:
    return f"{event.key} = {event.value} (by {event.by})"


@_line.register
def _(event: ev.ResearcherSaid, state: State) -> str:
    return f"researcher: {event.text}"


@_line.register
def _(event: ev.Rescued, state: State) -> str:
    return f"{event.reason}; saved as {event.ref}"


@_line.register
def _(event: ev.DirtTaken, state: State) -> str:
    return f"your edit was taken as a new start, commit {event.commit[:7]}"


@_line.register
def _(event: ev.Delayed, state: State) -> str:
    return f"trouble: {event.text}" if event.trouble else event.text


@_line.register
def _(event: ev.Fitted, state: State) -> str:
    return event.text


@_line.register
def _(event: ev.Trouble, state: State) -> str:
    return f"trouble: {event.text}"
