"""status: where a session stands."""

import argparse
import textwrap
import time
from collections import Counter
from contextlib import closing
from typing import Any

import msgspec

from engine.cli import figures, standing
from engine.cli.output import Output, safe
from engine.cli.parsing import add_session, session_of
from engine.gpu.held import Devices
from engine.session.inbox import JOBS
from engine.session.journal import read
from engine.session.locking import Holder, engine_of
from engine.session.paths import SessionPaths
from engine.session.publiclog import read_log
from engine.session.publicrecords import DIRECTIONS
from engine.session.runlog import Progress
from engine.session.settings import Metric, load
from engine.session.spending import dollars, plain, spending
from engine.session.standing import counts, ended, pace, session_confidence, total_gain
from engine.session.state import Command, Experiment, State, gain
from engine.session.stats import meaning


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_session(parser)


def run(args: argparse.Namespace, out: Output) -> int:
    """Print it."""
    paths = session_of(args)
    engine = engine_of(paths.lock)
    state = read(paths.journal)
    document = report(paths, state, engine)
    if not state.events and engine is None and paths.public_log.exists():
        document |= by_hand(paths)
    out.result(document, safe(told(document)))
    return 0


def report(paths: SessionPaths, state: State, engine: Holder | None) -> dict[str, Any]:
    """All figures by name; times are unix seconds, `gain` is positive when better."""
    segment, progress, speed = state.segment, standing.progress_of(paths, state), pace(state)
    figure, work = session_confidence(state), _work(state)
    return {
        "session": paths.name,
        "path": str(paths.root),
        "branch": branch_of(paths),
        "state": standing.phrase(state, engine, progress),
        "paused": state.paused,
        "stopping": bool(state.stop) and engine is not None,
        "engine": engine,
        "device": _device(engine),
        "engine_started_at": state.engine.started_at if state.engine and engine else None,
        "engine_gone_since": standing.gone_since(state, engine),
        "segment": segment.number if segment else None,
        "metric": segment.metric if segment else None,
        "baseline": _brief(state.baseline),
        "champion": _brief(state.champion),
        "gain": total_gain(state),
        "confidence": figure,
        "confidence_means": meaning(figure),
        "experiments": ended(state),
        "counts": counts(state),
        "failures_in_row": state.failures_in_row(),
        "per_hour": speed.per_hour if speed else None,
        "running": _running(state, progress),
        "limits": _limits(state),
        "cost_usd": state.cost,
        "tokens": state.tokens,
        "spending": plain(spending(state.experiments)),
        "queued": [_asked(command) for command in work if command.status == "queued"],
        "last_work": next((_asked(c) for c in reversed(work) if c.status in ("done", "refused")), None),
        "messages_waiting": len(state.undelivered()),
        "trouble": state.troubles[-1][1] if state.troubles else "",
        "last_at": state.last_at or None,
    }


def by_hand(paths: SessionPaths) -> dict[str, Any]:
    """The figures of a session that no engine has run, from the log that `overnight record` writes."""
    reading = read_log(paths.public_log)
    config = reading.configs.get(reading.segment)
    metric = load(paths.settings).metric
    if config is not None and config.best_direction in DIRECTIONS:
        metric = Metric(
            config.metric_name, config.metric_unit, "higher" if config.best_direction == "higher" else "lower"
        )
    results = [result for result in reading.results if result.segment == reading.segment]
    kept = [result for result in results if result.status == "keep"]
    best = (min if metric.direction == "lower" else max)(kept, key=lambda result: result.metric, default=None)
    start = kept[0] if kept else None
    plain = [
        {"run": result.run, "metric": result.metric, "commit": result.commit, "description": result.description}
        for result in (best, start)
        if result is not None
    ]
    return {
        "state": f"driven by hand: no engine has run here, and {paths.public_log.name} has results",
        "metric": metric,
        "champion": plain[0] if plain else None,
        "baseline": plain[1] if plain else None,
        "gain": gain(best.metric, start.metric, metric.direction) if best and start else None,
        "experiments": len(reading.results),
        "counts": Counter(result.status for result in results if result is not start),
    }


def branch_of(paths: SessionPaths) -> str:
    """The branch that the session's tree is on, "" where it cannot be told."""
    from engine.work.repo import GitTrouble, Repo

    try:
        with closing(Repo(paths.root, paths.name)) as repo:
            return repo.branch()
    except GitTrouble:
        return ""


def _brief(experiment: Experiment | None) -> dict[str, Any] | None:
    if experiment is None:
        return None
    return {
        "run": experiment.run,
        "metric": experiment.metric,
        "commit": experiment.commit,
        "description": experiment.description,
    }


def _running(state: State, progress: Progress | None) -> dict[str, Any] | None:
    current = state.current
    if current is None:
        return None
    return {
        "run": current.run,
        "phase": current.phase,
        "doing": standing.doing_word(current, progress),
        "description": current.description,
        "trial": current.trials[-1].number if current.trials else None,
        "began_at": current.began_at,
        "progress": msgspec.structs.asdict(progress) if progress is not None else None,
    }


def _work(state: State) -> list[Command]:
    """Queued work that somebody here asked for, the oldest first."""
    return [command for command in state.commands.values() if command.kind in JOBS and command.kind != "verify"]


def _asked(command: Command) -> dict[str, Any]:
    text = command.args.get("run", "")
    run = int(text) if text.isdecimal() and len(text) < 10 else None
    return {"kind": command.kind, "run": run, "by": command.by, "status": command.status, "answer": command.answer}


def _device(engine: Holder | None) -> str:
    """`GPU 0`, or `cpu`; "" without an engine."""
    devices = Devices()
    if engine is not None:
        devices.look()
    return devices.of(engine)


def _limits(state: State) -> dict[str, float] | None:
    run = state.engine
    if run is None:
        return None
    return {"experiments": run.experiments, "hours": run.hours, "cost_usd": run.cost_usd, "tokens": run.tokens}


def told(document: dict[str, Any]) -> str:
    """The same for a reader."""
    name = document["metric"].name if document["metric"] else "metric"
    rows = [("session", f"{document['session']}  ({document['branch'] or 'no branch'})"), ("state", document["state"])]
    engine, gone = document["engine"], document["engine_gone_since"]
    if engine is not None:
        since = document["engine_started_at"]
        running = f", for {figures.seconds(time.time() - since)}" if since else ""
        device = f", training on {document['device']}" if document["device"] else ""
        rows.append(("engine", f"process {engine.pid} on {engine.host}{device}{running}"))
    elif gone is not None:
        rows.append(("engine", f"gone since {figures.moment(gone)}; overnight start {document['session']} goes on"))
    running = document["running"]
    if running and running["description"]:
        rows.append(("trying" if engine else "unfinished", f"run {running['run']}: {running['description']}"))
    champion, baseline = document["champion"], document["baseline"]
    if champion:
        what = "the baseline" if baseline and champion["run"] == baseline["run"] else champion["description"]
        rows.append(("champion", f"run {champion['run']}  {name} {figures.metric(champion['metric'])}  {what}"))
    if document["gain"] is not None and baseline and champion["run"] != baseline["run"]:
        rows.append(("gain", f"{document['gain']:+.6f} over the baseline's {figures.metric(baseline['metric'])}"))
    if document["confidence"] is not None:
        rows.append(("confidence", f"{document['confidence']:.1f} ({document['confidence_means']})"))
    rows.append(("results", _results(document)))
    if document["per_hour"]:
        rows.append(("rate", f"{document['per_hour']:.1f} experiments an hour"))
    if document["cost_usd"] or document["tokens"]:
        rows.append(("used", _used(document)))
    if document["queued"]:
        rows.append(("queued", ", ".join(_named(work) for work in document["queued"])))
    if work := document["last_work"]:
        rows.append(("last work", textwrap.shorten(f"{_named(work)}: {work['answer']}", 200, placeholder=" …")))
    if document["messages_waiting"]:
        rows.append(("messages", f"{document['messages_waiting']} waiting for the next prompt"))
    if document["trouble"]:
        rows.append(("trouble", document["trouble"]))
    return "\n".join(f"{label:<11}{text}" for label, text in rows)


def _named(work: dict[str, Any]) -> str:
    return f"{work['kind']}" + ("" if work["run"] is None else f" of run {work['run']}")


def _used(document: dict[str, Any]) -> str:
    """What thinking used so far: `$1.20, 120,000 tokens; $0.10 an experiment, $0.40 a kept improvement`."""
    spent = document["spending"]
    if spent["cost_usd"] is None:
        each, kept, unit = spent["tokens_per_experiment"], spent["tokens_per_keep"], "{:,.0f} tokens"
    else:
        each, kept, unit = spent["per_experiment_usd"], spent["per_keep_usd"], ""
    words = [f"{unit.format(figure) if unit else dollars(figure)} {what}" for figure, what in
             ((each, "an experiment"), (kept, "a kept improvement")) if figure is not None]  # fmt: skip
    total = ", ".join(part for part in (dollars(spent["cost_usd"]), f"{document['tokens']:,.0f} tokens") if part)
    return "; ".join(part for part in (total, ", ".join(words)) if part)


def _results(document: dict[str, Any]) -> str:
    """What is over, how it ended, and which run is not over: `12 experiments, run 13 training: 3 keep, 8 discard`."""
    number, running = document["experiments"], document["running"]
    many = "1 experiment" if number == 1 else f"{number} experiments"
    if running:
        many += f", run {running['run']} {running['doing'] if document['engine'] else 'unfinished'}"
    found = ", ".join(f"{count} {status}" for status, count in sorted(document["counts"].items()))
    return many + (f": {found}" if found else "")
