"""Where a session stands, in words and figures. Pure, but for `progress_of`, which reads the end of run.log."""

import os

from engine.cli.figures import seconds
from engine.session.locking import Holder
from engine.session.paths import SessionPaths
from engine.session.runlog import Progress, last_progress
from engine.session.state import Experiment, State

_TAIL = 8192


def phrase(state: State, engine: Holder | None, progress: Progress | None = None) -> str:
    """What the session does now, as a sentence without its full stop."""
    if engine is None:
        return _without_engine(state)
    doing = _doing(state.current, progress) if state.current else ""
    if state.job is not None:
        return f"{state.job.kind} of run {state.job.run}" + (", being aborted" if state.job.abort else "")
    if state.delayed and (state.current is not None or not state.paused):
        doing = state.delayed
    if state.stop:
        return f"{doing}; stopping after it" if doing else "stopping"
    if state.paused:
        by = f"paused by {state.pause_by}" + (f": {state.pause_reason}" if state.pause_reason else "")
        return f"{doing}; pausing after it ({by})" if doing else by
    return doing or ("between two experiments" if state.experiments else "starting")


def _without_engine(state: State) -> str:
    run = state.engine
    said = run is not None and state.pause_reason == run.stop_reason
    why = f": {state.pause_reason}" if state.pause_reason and not said else ""
    paused = f"; paused by {state.pause_by}{why}" if state.paused else ""
    if run is None:
        return "never started" + paused
    if not run.stopped_at:
        return "engine gone without a word" + paused
    return f"{'failed' if run.failed else 'stopped'}: {run.stop_reason}" + paused


def _doing(current: Experiment, progress: Progress | None) -> str:
    run = f"run {current.run}"
    if current.abort:
        return f"aborting {run}"
    if current.phase == "proposing":
        tries = f", after {len(current.refusals)} refused" if current.refusals else ""
        return f"measuring the baseline, {run}" if current.is_baseline else f"proposing {run}{tries}"
    if current.phase in ("accepted", "committed"):
        if current.checks == "running":
            return f"checking {run}"
        trials = current.trials
        if not trials or trials[-1].outcome:
            return f"preparing {run}"
        what = f"training {run}" + (f", trial {trials[-1].number}" if len(trials) > 1 else "")
        if trials[-1].of != "candidate":
            what += f" (the {trials[-1].of} again)"
        if progress is None:
            return what
        if progress.percent >= 100:
            return what.replace("training", "evaluating", 1)
        left = "" if progress.remaining_s is None else f", {seconds(progress.remaining_s)} left"
        return f"{what}: {progress.percent:.0f}%{left}"
    return f"deciding {run}" if current.phase == "decided" else f"closing {run} ({current.status})"


def doing_word(current: Experiment, progress: Progress | None) -> str:
    """What is done to the experiment under way, in a word: proposing, training, evaluating …"""
    return _doing(current, progress).split()[0]


def gone_since(state: State, engine: Holder | None) -> float | None:
    """The last sign of life of an engine that left without a word, in unix seconds; None when it did not."""
    if engine is not None or state.engine is None or state.engine.stopped_at:
        return None
    return state.engine_at


def progress_of(paths: SessionPaths, state: State) -> Progress | None:
    """How far the trial under way is by its run.log; None when there is none, or it has not said anything yet."""
    trials = state.current.trials if state.current else []
    if not trials or trials[-1].outcome:
        return None
    try:
        with paths.run_log.open("rb") as file:
            found = os.fstat(file.fileno())
            if found.st_mtime < trials[-1].began_at:
                return None
            file.seek(max(0, found.st_size - _TAIL))
            data = file.read(_TAIL)
    except OSError:
        return None
    return last_progress(data.decode("utf-8", "replace"))
