"""What a command of the operator's does to the session, or why it is refused. Pure."""

from collections.abc import Callable

from engine.loop import jobs, trying
from engine.session import events as ev
from engine.session import lineage
from engine.session.inbox import JOBS, KINDS, NEED_ENGINE, Request
from engine.session.state import State

Events = list[ev.AnyEvent]


class Refusal(Exception):
    """The command changes nothing; the message says why."""


def react(state: State, request: Request, now: float, engine: bool = True) -> Events:
    """The events that `request` brings: queued, then done or refused, or queued alone when its answer comes later.

    `engine`: whether a running engine handles it (False: a verb by hand, under the engine's lock). `state` is only
    read. A request whose id is known already brings nothing: it was claimed before a crash.
    """
    if request.id in state.commands:
        return []
    queued = ev.CommandQueued(
        at=now, id=request.id, kind=request.kind, args=request.args, by=request.by, sent=request.at
    )
    try:
        if request.kind not in KINDS:
            raise Refusal(f"unknown command {request.kind!r}; known are {', '.join(KINDS)}")
        if request.kind in NEED_ENGINE and not engine and not _not_begun(state, request):
            raise Refusal("no engine is running in this session")
        stale(state, request)
        kinds = _KINDS if engine else _BY_HAND
        return [queued, *kinds[request.kind](state, request, now)]
    except (Refusal, lineage.Refused, jobs.Refused) as error:
        return [queued, ev.CommandRefused(at=now, id=request.id, reason=str(error))]


def stale(state: State, request: Request) -> None:
    """Refuse a command whose author saw something else than what is now. Errors: Refusal."""
    seen, current, champion = request.seen, state.current, state.champion
    if request.kind == "abort" and seen.job and not _pending(state, seen.job):
        raise Refusal("that work is over already")
    if request.kind == "abort" and seen.run is not None:
        now_running = current.run if current else None
        if seen.run != now_running:
            what = f"run {now_running} is on now" if now_running else "no experiment is running"
            raise Refusal(f"meant for run {seen.run}, and {what}")
    if request.kind in ("stop", "pause") and seen.start_id and state.engine and seen.start_id != state.engine.start_id:
        raise Refusal("meant for an engine that is gone; another has started since")
    if request.kind in ("revert", "keep", "undo") and seen.champion is not None:
        standing = champion.run if champion else None
        if seen.champion != standing:
            raise Refusal(f"meant while run {seen.champion} was the champion, and run {standing} is now")


def _number(request: Request, state: State) -> int:
    text = request.args.get("run", "")
    try:
        run = int(text)
    except ValueError:
        raise Refusal(f"{text!r} is not the number of a run") from None
    if state.experiment(run) is None:
        raise Refusal(f"there is no run {run}; the last is {len(state.experiments)}")
    return run


def _done(request: Request, now: float, answer: str) -> ev.AnyEvent:
    return ev.CommandDone(at=now, id=request.id, answer=answer)


def _pause(state: State, request: Request, now: float) -> Events:
    if state.paused:
        return [_done(request, now, f"already paused by {state.pause_by}")]
    current = state.current
    answer = f"pauses after run {current.run}" if current else "paused"
    return _paused(request, now, answer)


def _pause_by_hand(state: State, request: Request, now: float) -> Events:
    """Without an engine: nothing runs that it could wait for, whatever the last engine left unfinished."""
    if state.paused:
        return [_done(request, now, f"already paused by {state.pause_by}; the next engine starts paused")]
    return _paused(request, now, "paused; the next engine starts paused")


def _paused(request: Request, now: float, answer: str) -> Events:
    reason = request.args.get("reason", "")
    return [ev.PauseSet(at=now, paused=True, by=request.by, reason=reason), _done(request, now, answer)]


def _resume(state: State, request: Request, now: float) -> Events:
    if not state.paused:
        return [_done(request, now, "was not paused")]
    return [ev.PauseSet(at=now, paused=False, by=request.by), _done(request, now, "goes on")]


def _stop(state: State, request: Request, now: float) -> Events:
    current = state.current
    answer = f"stops after run {current.run}" if current else "stops"
    return [ev.StopAsked(at=now, by=request.by, reason=f"asked by {request.by}"), _done(request, now, answer)]


def _pending(state: State, id: str) -> bool:
    return id in state.commands and state.commands[id].status in ("queued", "delivered")


def _not_begun(state: State, request: Request) -> bool:
    """Whether it takes back queued work that nobody has begun, for which no engine is needed."""
    return request.kind == "abort" and bool(request.seen.job) and state.job is None


def _abort(state: State, request: Request, now: float) -> Events:
    current, job = state.current, state.job
    if request.seen.job or (job is not None and request.seen.run is None):
        return _abort_job(state, request, now)
    if current is None:
        raise Refusal("no experiment is running")
    if current.phase not in ("proposing", "accepted", "committed"):
        raise Refusal(f"run {current.run} is already decided ({current.status})")
    if current.abort:
        return [_done(request, now, f"run {current.run} is being aborted already, by {current.abort}")]
    return [
        ev.AbortAsked(at=now, run=current.run, by=request.by),
        _done(request, now, f"run {current.run} is aborted"),
    ]


def _abort_job(state: State, request: Request, now: float) -> Events:
    job, id = state.job, request.seen.job
    if job is None or (id and job.command != id):
        kind = state.commands[id].kind
        if kind not in JOBS:
            raise Refusal(f"a command of kind {kind} is no queued work")
        taken_back = ev.CommandRefused(at=now, id=id, reason=f"taken back by {request.by}")
        return [taken_back, _done(request, now, f"the {kind} is taken back")]
    if job.abort:
        return [_done(request, now, f"the {job.kind} of run {job.run} is being aborted already, by {job.abort}")]
    return [
        ev.JobAbortAsked(at=now, command=job.command, by=request.by),
        _done(request, now, f"the {job.kind} of run {job.run} is aborted"),
    ]


def _job(state: State, request: Request, now: float) -> Events:
    jobs.KINDS[request.kind].check(state, request.args)
    return []


def _say(state: State, request: Request, now: float) -> Events:
    if not request.args.get("text", "").strip():
        raise Refusal("the message is empty")
    return []


def _unsay(state: State, request: Request, now: float) -> Events:
    message = state.commands.get(request.args.get("id", ""))
    if message is None or message.kind != "say":
        raise Refusal("there is no such message")
    if message.status != "queued":
        raise Refusal(f"the message is {message.status} already")
    return [
        ev.CommandRefused(at=now, id=message.id, reason=f"taken back by {request.by}"),
        _done(request, now, "the message is taken back"),
    ]


def _override(state: State, request: Request, now: float) -> Events:
    if request.kind == "undo":
        decision = lineage.undo(state)
    elif request.kind == "revert":
        decision = lineage.revert(state, _number(request, state))
    else:
        decision = lineage.keep(state, _number(request, state))
    return [
        ev.Overridden(
            at=now,
            command=request.id,
            kind=decision.kind,
            run=decision.run,
            line=decision.line,
            statuses=decision.statuses,
            withdrawn=decision.withdrawn,
            by=request.by,
            reason=request.args.get("reason", ""),
        ),
        _done(request, now, told(state, decision)),
    ]


def told(state: State, decision: lineage.Override) -> str:
    """The decision in a sentence: which champion stands then, and which later keeps fall."""
    champion = state.experiment(decision.champion)
    metric = champion.metric if champion else None
    name = state.segments[-1].metric.name
    standing = f"run {decision.champion} is the champion" + (f", {name} {metric:.6f}" if metric is not None else "")
    fallen = ", ".join(str(run) for run in decision.withdrawn)
    runs = "runs" if len(decision.withdrawn) > 1 else "run"
    return f"{standing}; withdrawn with it: {runs} {fallen}" if fallen else standing


def _edit(state: State, request: Request, now: float) -> Events:
    if not request.args.get("key") or "value" not in request.args:
        raise Refusal("an edit names a key and a value")
    return []


def _note(state: State, request: Request, now: float) -> Events:
    text = request.args.get("text", "").strip()
    if not text:
        raise Refusal("the note is empty")
    run = _number(request, state) if request.args.get("run") else None
    return [
        ev.Noted(at=now, text=text, by=request.by, run=run),
        _done(request, now, "noted" if run is None else f"noted on run {run}"),
    ]


def _adopt(state: State, request: Request, now: float) -> Events:
    result = request.args.get("result", "")
    if len(result) != 32 or not set(result) <= set("0123456789abcdef"):
        raise Refusal("an adoption names a result by its id of 32 digits; overnight swarm results lists them")
    waiting = [c.args.get("result") for c in state.commands.values() if c.kind == "adopt" and c.status == "queued"]
    if result in waiting:
        raise Refusal("this result waits to be tried already")
    return []


def _try(state: State, request: Request, now: float) -> Events:
    try:
        trying.values(request.args)
    except trying.BadValues as error:
        raise Refusal(str(error)) from None
    return []


_KINDS: dict[str, Callable[[State, Request, float], Events]] = {
    "pause": _pause,
    "resume": _resume,
    "stop": _stop,
    "abort": _abort,
    "say": _say,
    "unsay": _unsay,
    "revert": _override,
    "keep": _override,
    "undo": _override,
    "edit": _edit,
    "note": _note,
    "adopt": _adopt,
    "try": _try,
    **dict.fromkeys(JOBS, _job),
}
_BY_HAND = {**_KINDS, "pause": _pause_by_hand}
