"""The sans-I/O core: what comes next, given the state. The shell carries effects out and feeds events back.

`step(state, event)` is `apply` followed by `plan`. A plan is either events that follow at once (a pure decision) or one
effect. The same plan is made after a crash from the folded journal, so that nothing is decided in two places.
"""

import msgspec

from engine.loop import rounds
from engine.loop.effects import (
    ApplyChange,
    Context,
    EditSetting,
    Effect,
    Mend,
    OpenSegment,
    Propose,
    Reflect,
    RestoreTree,
    RunChecks,
    RunJob,
    RunTrial,
    Stop,
    Wait,
)
from engine.loop.gates import BROKEN, next_step
from engine.loop.judgement import Verdict
from engine.session import events as ev
from engine.session.events import Planned
from engine.session.flags import CHAMPION_FAILED
from engine.session.fold import apply
from engine.session.inbox import JOBS
from engine.session.settings import Grow, Limits
from engine.session.standing import session_confidence
from engine.session.state import SHOWN, Experiment, Job, State

Plan = list[ev.AnyEvent] | Effect


def step(state: State, event: ev.AnyEvent, context: Context) -> Plan:
    """Take in one event and say what comes next. `state` is changed in place."""
    apply(state, event)
    return plan(state, context)


def plan(state: State, context: Context) -> Plan:
    """What comes next while nothing is being carried out."""
    if state.job is not None:  # it cannot be on: what is carried out is waited for
        return _interrupted(state.job, context)
    if context.jobs_only:
        return Stop(state.stop) if state.stop else _job_waiting(state) or Stop("the queued work is done")
    current = state.current
    if current is None:
        return _between(state, context)
    if current.phase == "proposing":
        return _proposing(state, current, context)
    if current.phase == "accepted":
        if current.failed:
            return _decided(current, Verdict("crash", current.failed, ("no_change",)), context)
        return ApplyChange(current.run)
    if current.phase == "committed":
        return _measuring(state, current, context)
    if current.phase == "decided":
        return _settling(state, current, context)
    if current.phase == "settled":
        return Reflect(current.run)
    return _ending(state, current, context)


def limit_reached(state: State, now: float, limits: Limits) -> str:
    """The limit that is reached since the engine's start (or the resumption after one), in words, or ""."""
    engine = state.engine
    if engine is None:
        return ""
    done = state.ended - engine.ended_experiments
    if limits.experiments and done >= limits.experiments:
        return f"the limit of {limits.experiments} experiments is reached"
    if limits.hours and now - engine.counted_from >= limits.hours * 3600:
        return f"the limit of {limits.hours:g} hours is reached"
    if limits.cost_usd and state.cost - engine.cost >= limits.cost_usd:
        return f"the limit of {limits.cost_usd:g} USD is reached"
    if limits.tokens and state.tokens - engine.used_tokens >= limits.tokens:
        return f"the limit of {limits.tokens} tokens is reached"
    return ""


def _between(state: State, context: Context) -> Plan:
    if state.stop:
        return Stop(state.stop)
    champion = state.champion
    if champion is not None and state.tree != champion.run:
        return RestoreTree(champion.run)
    edit = _edit_waiting(state)
    if edit is not None:
        return edit
    job = _job_waiting(state)
    if job is not None:
        return job
    if state.paused:
        return Wait("paused")
    limit = limit_reached(state, context.now, context.limits)
    if limit and context.limit_pauses:
        return [ev.PauseSet(at=context.now, paused=True, by="engine", reason=limit, limit=True)]
    if limit:
        return Stop(limit)
    if state.segment is None or context.new_segment:
        return OpenSegment(context.new_segment or "the session's first segment")
    began = ev.ExperimentBegan(
        at=context.now,
        run=len(state.experiments) + 1,
        segment=state.segment.number,
        champion=champion.run if champion else None,
        gate=context.gate,
        researcher=context.researcher,
    )
    return [began] if context.grow is None else _growing(state, began, context.grow, context)


def _growing(state: State, began: ev.ExperimentBegan, grow: Grow, context: Context) -> Plan:
    began = msgspec.structs.replace(
        began, gate=msgspec.structs.replace(context.gate, kind="round"), seeds=grow.seeds, group=rounds.BASELINE
    )
    if state.champion is None:
        return [began]
    found = rounds.next_in_round(state, grow, context.now)
    if not isinstance(found, Planned):
        return found
    return [msgspec.structs.replace(began, group=rounds.group(state.rounds[-1].number), candidate=found.key)]


def _job_waiting(state: State) -> RunJob | None:
    waiting = (c for c in state.commands.values() if c.kind in JOBS and c.status == "queued")
    found = next((c.id for c in waiting if c.kind != "verify" or not state.paused), None)  # nobody here asked for it
    return None if found is None else RunJob(found)


def _interrupted(job: Job, context: Context) -> list[ev.AnyEvent]:
    """Its engine went away; it is not done again by itself, for who asked may not want it any more."""
    why = "interrupted: the engine went away while it ran"
    return [
        ev.JobEnded(at=context.now, command=job.command, kind=job.kind, run=job.run, outcome="interrupted", detail=why),
        ev.CommandRefused(at=context.now, id=job.command, reason=f"{why}; ask again"),
    ]


def _edit_waiting(state: State) -> EditSetting | None:
    found = next((c.id for c in state.commands.values() if c.kind == "edit" and c.status == "queued"), None)
    return None if found is None else EditSetting(found)


def _proposing(state: State, current: Experiment, context: Context) -> Plan:
    if current.abort:
        return _decided(current, Verdict("crash", f"aborted by {current.abort} before a change", ("aborted",)), context)
    if current.failed:
        return _decided(current, Verdict("crash", current.failed, ("no_change",)), context)
    if current.is_baseline:
        return [ev.ChangeCommitted(at=context.now, run=current.run, commit=state.head)]
    champion = state.champion
    if champion is None or champion.run != current.champion:
        verdict = Verdict("crash", "the champion was withdrawn before a change was proposed", ("base_withdrawn",))
        return _decided(current, verdict, context)
    if state.paused:  # nothing was asked of the researcher yet, or it had nothing left
        waiting = _edit_waiting(state) or _job_waiting(state)
        return Stop(state.stop) if state.stop else waiting or Wait("paused")
    job = None if state.stop else _job_waiting(state)
    if job is not None:
        return job
    if state.retry_at > context.now:
        return Wait("the researcher failed; waiting before it is asked again")
    return Propose(current.run, fallback=context.fallback and gave_up(state, context))


RETRY_S, RETRY_MOST_S = 1.0, 600.0
AWAY_S, AWAY_MOST_S = 60.0, 3600.0


def backoff_s(failing: int, asked_s: float = 0.0) -> float:
    """Seconds to wait after the `failing`-th failure in a row (from 1): doubling, at least what was asked for."""
    return min(max(RETRY_S * 2.0 ** min(failing - 1, 20), asked_s), max(RETRY_MOST_S, asked_s))


def gave_up(state: State, context: Context) -> bool:
    """Whether the fallback proposes now: the researcher failed too often in a row, and has not been away for long.

    It is tried again after a while that doubles with each further failure, and is back for good once it proposes.
    """
    away = away_s(state.failing, context.give_up_after)
    return bool(away) and context.now < state.failed_at + away


def away_s(failing: int, give_up_after: int) -> float:
    """For how long after its last failure the researcher is not asked; 0 while it has not failed often enough."""
    over = failing - give_up_after
    return min(AWAY_S * 2.0 ** min(over, 20), AWAY_MOST_S) if over >= 0 else 0.0


MENDABLE = frozenset({"syntax_error", "import_error", "exception", "assertion"})
"""Causes that a look at the traceback may cure: syntax, import, name, shape."""


def _mend(current: Experiment, context: Context) -> Mend | None:
    last = current.trials[-1] if current.trials else None
    if (
        last is None
        or current.is_baseline
        or current.abort
        or current.mend_failed
        or last.of != "candidate"
        or last.commit != current.commit
        or last.outcome != "crash"
        or last.cause not in MENDABLE
        or current.researcher in ("search", "grow", "swarm")
        or current.mends >= context.mends
        or any(trial.outcome == "ok" for trial in current.trials)
    ):
        return None
    return Mend(current.run, current.mends + 1)


def _measuring(state: State, current: Experiment, context: Context) -> Plan:
    last = current.trials[-1] if current.trials else None
    if last is not None and not last.outcome:
        return [
            ev.TrialEnded(
                at=context.now,
                run=current.run,
                trial=last.number,
                outcome="interrupted",
                cause="interrupted",
                detail="interrupted: the engine went away while it ran",
            )
        ]
    if current.abort and (last is None or last.outcome != "aborted"):
        return _decided(current, Verdict("crash", f"aborted by {current.abort}", ("aborted",)), context)
    succeeded = last is not None and last.outcome == "ok" and last.of == "candidate"  # not the champion after a crash
    if succeeded and context.checks and current.checks in ("", "running"):
        return RunChecks(current.run)
    mend = _mend(current, context)
    if mend is not None:
        return mend
    wanted = rounds.measure(state, current) if current.gate.kind == "round" else next_step(state, current)
    if isinstance(wanted, Verdict):
        return _decided(current, wanted, context)
    return RunTrial(current.run, len(current.trials) + 1, wanted.commit, wanted.seed, wanted.of)


def _decided(current: Experiment, verdict: Verdict, context: Context) -> list[ev.AnyEvent]:
    first = next((t for t in current.trials if t.commit == current.commit and t.outcome == "ok"), None)
    measured = first if verdict.status in ("keep", "discard", "checks_failed") else None
    metrics = (first or current.trials[0]).metrics if current.trials else {}
    metric = measured.metric if measured else None
    if current.gate.kind == "round" and measured is not None:
        metric, metrics = rounds.mean_result(current)
    return [
        ev.Decided(
            at=context.now,
            run=current.run,
            status=verdict.status,
            reason=verdict.reason,
            flags=(*verdict.flags, *(flag for flag in (first.flags if first else ()) if flag in SHOWN)),
            metric=metric,
            metrics=metrics,
        )
    ]


def _settling(state: State, current: Experiment, context: Context) -> Plan:
    champion = state.champion
    touched = any(override.run == current.run for override in state.overrides)
    # after a decision of the operator's the tree may be half restored: a crash can lie between the two
    if current.status == "keep" and champion is not None and champion.run == current.run and not touched:
        return [ev.TreeSettled(at=context.now, run=current.run, commit=state.head, champion=current.run)]
    if not current.commit or champion is None:
        held = state.tree if state.tree is not None else current.run
        return [ev.TreeSettled(at=context.now, run=current.run, commit=state.head, champion=held)]
    return RestoreTree(champion.run, current.run)


def _ending(state: State, current: Experiment, context: Context) -> list[ev.AnyEvent]:
    ending: list[ev.AnyEvent] = [
        ev.ExperimentEnded(at=context.now, run=current.run, confidence=session_confidence(state))
    ]
    broken = next((trial for trial in current.trials if trial.cause in BROKEN), None)
    if broken is not None and not state.stop:
        ending.append(ev.PauseSet(at=context.now, paused=True, by="engine", reason=f"{broken.detail}. Then resume"))
        return ending
    if current.is_baseline and current.status != "keep" and "interrupted" not in current.flags and not state.stop:
        reason = f"the baseline gave no result ({current.reason}); mend it, then resume"
        ending.append(ev.PauseSet(at=context.now, paused=True, by="engine", reason=reason))
    if CHAMPION_FAILED in current.flags and not state.stop:
        reason = f"the champion itself fails now, so it is not the changes: {current.reason}; mend it, then resume"
        ending.append(ev.PauseSet(at=context.now, paused=True, by="engine", reason=reason))
    return ending
