"""show: one experiment in full, with its difference from the champion it was tried on."""

import argparse
import sys
from contextlib import closing
from typing import Any

import msgspec

from engine.cli import figures
from engine.cli.output import Output, coloured, paint, safe
from engine.cli.parsing import add_run, add_session, experiment_of, session_of
from engine.cli.trouble import Refused
from engine.session import samples
from engine.session.growing import fate
from engine.session.journal import read
from engine.session.paths import PATCH, SessionPaths
from engine.session.spending import usage_text
from engine.session.state import Experiment, State


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_run(parser, ", current, baseline")
    add_session(parser)
    parser.add_argument("--diff", action="store_true", help="only the difference, as git prints it")
    parser.epilog = (
        'With --json: "diff" is the unified difference from the champion it was tried on, "before" and "after" the'
        " whole texts of the editable files that differ."
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Print it."""
    paths = session_of(args)
    state = read(paths.journal)
    experiment = experiment_of(args.which, state, paths.name)
    document = report(paths, state, experiment)
    colours = coloured(sys.stdout)
    diff = _painted(document["diff"], colours) or "no difference"
    out.result(document, diff if args.diff else told(document, colours))
    return 0


def report(paths: SessionPaths, state: State, experiment: Experiment) -> dict[str, Any]:
    """Everything known about it. Errors: Refused, when git cannot tell the difference."""
    base = state.experiment(experiment.champion) if experiment.champion is not None else None
    segment = state.segments[experiment.segment]
    champion = None
    if base is not None:
        champion = {"run": base.run, "metric": base.metric, "commit": base.commit, "description": base.description}
    folder = paths.run(experiment.run)
    return {
        "session": paths.name,
        "run": experiment.run,
        "segment": experiment.segment,
        "phase": experiment.phase,
        "status": experiment.status,
        "verdict": experiment.verdict,
        "overridden_by": experiment.overridden_by,
        "is_champion": experiment.run == segment.champion,
        "is_baseline": experiment.is_baseline,
        "description": experiment.description,
        "reason": fate(state, experiment),
        "commit": experiment.commit,
        "metric_name": segment.metric.name,
        "metric": experiment.metric,
        "change": figures.difference(experiment.metric, base.metric if base else None),
        "metrics": experiment.metrics,
        "flags": experiment.flags,
        "confidence": experiment.confidence,
        "champion": champion,
        "researcher": experiment.researcher,
        "params": experiment.params,
        "net_lines": experiment.net_lines,
        "asi": experiment.asi,
        "refusals": experiment.refusals,
        "attempts": experiment.attempts,
        "mends": experiment.mends,
        "mend_failed": experiment.mend_failed,
        "failed": experiment.failed,
        "trials": [msgspec.structs.asdict(trial) for trial in experiment.trials],
        "samples": samples.load(folder),
        "checks": experiment.checks,
        "checks_detail": experiment.checks_detail,
        "abort": experiment.abort,
        "notes": experiment.notes,
        "usage": experiment.usage,
        "began_at": experiment.began_at,
        "ended_at": experiment.ended_at or None,
        "duration_s": experiment.duration_s,
        "folder": str(folder),
        "run_log": str(folder / "run.log") if (folder / "run.log").exists() else None,
        "researcher_log": str(folder / "researcher.log") if (folder / "researcher.log").exists() else None,
        **differences(paths, experiment, base, segment.editable),
    }


def differences(
    paths: SessionPaths, experiment: Experiment, base: Experiment | None, editable: tuple[str, ...]
) -> dict[str, Any]:
    """`diff`, and the texts `before` and `after` of the files that differ; empty for a baseline or before a change."""
    nothing: dict[str, Any] = {"diff": "", "before": {}, "after": {}}
    if base is None or not base.commit or experiment.phase == "proposing":
        return nothing
    if paths.recorded:
        return nothing | {"diff": _recorded(paths, experiment.run)}
    from engine.work.repo import GitTrouble, Repo

    try:
        with closing(Repo(paths.root, paths.name)) as repo:
            before = repo.files_at(base.commit, list(editable))
            if experiment.commit:
                after = repo.files_at(experiment.commit, list(editable))
                diff = repo.diff(base.commit, experiment.commit, list(editable))
            else:
                after = before | _proposed(paths, experiment.run)
                diff = _unified(before, after)
    except GitTrouble as error:
        raise Refused(f"run {experiment.run}: its difference cannot be shown: {error}") from error
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {
        "diff": diff,
        "before": {name: before[name] for name in changed if name in before},
        "after": {name: after[name] for name in changed if name in after},
    }


def _recorded(paths: SessionPaths, run: int) -> str:
    """A recording's difference. Errors: Refused, where it has none."""
    try:
        return (paths.run(run) / PATCH).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise Refused(
            f"run {run}: {paths.root} is a recording without its repository, and {PATCH} in the run's folder cannot be "
            f"read: {error.strerror}"
        ) from error


def _proposed(paths: SessionPaths, run: int) -> dict[str, str]:
    """The new texts of a change that was accepted and is not committed yet."""

    class Stored(msgspec.Struct):
        files: dict[str, str]

    try:
        return msgspec.json.decode((paths.run(run) / "proposal.json").read_bytes(), type=Stored).files
    except (OSError, msgspec.DecodeError):
        return {}


def _unified(before: dict[str, str], after: dict[str, str]) -> str:
    import difflib

    parts: list[str] = []
    for name in sorted({*before, *after}):
        old, new = (side.get(name, "").splitlines(keepends=True) for side in (before, after))
        parts += difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
    return "".join(parts)


def told(document: dict[str, Any], colours: bool) -> str:
    """The same for a reader."""
    name = document["metric_name"]
    status = document["status"] or document["phase"]
    by = f" (by {document['overridden_by']}; the gate said {document['verdict']})" if document["overridden_by"] else ""
    mark = "  champion" if document["is_champion"] else ""
    head = f"run {document['run']}  {status}{by}{mark}  {document['description']}"
    rows: list[tuple[str, str]] = [("commit", document["commit"][:7])]
    metric, champion = document["metric"], document["champion"]
    if metric is not None:
        change = "" if document["change"] is None else f"  ({document['change']:+.6f})"
        rows.append((name, figures.metric(metric) + change))
    if champion:
        rows.append(("tried on", f"run {champion['run']}  {name} {figures.metric(champion['metric'])}"))
    rows += [("reason", document["reason"]), ("flags", ", ".join(document["flags"])), ("failed", document["failed"])]
    rows += [(key, f"{value:g}") for key, value in document["metrics"].items() if key != name]
    if document["duration_s"]:
        rows.append(("took", figures.seconds(document["duration_s"])))
    rows += [(key, text) for key, text in document["asi"].items()]
    rows += [("sent back", reason) for reason in document["refusals"]]
    rows += [("no answer", attempt) for attempt in document["attempts"]]
    if document["mends"] or document["mend_failed"]:
        rows.append(("mends", f"{document['mends']}; {document['mend_failed']}".removesuffix("; ")))
    rows.append(("used", usage_text(document["usage"])))
    for trial in document["trials"]:
        if len(document["trials"]) > 1 or trial["outcome"] not in ("ok", ""):
            of, seed, outcome, metric = trial["of"], trial["seed"], trial["outcome"], trial["metric"]
            told_metric = f" {figures.metric(metric)}" if metric is not None else ""
            detail = f": {trial['detail']}" if trial["detail"] else ""
            rows.append((f"trial {trial['number']}", f"{of}, seed {seed}: {outcome}{told_metric}{detail}"))
    if document["checks"]:
        rows.append(("checks", f"{document['checks']} {document['checks_detail']}"))
    rows += [("wrote", f"{one.prompt}▸{one.written()}") for one in document["samples"]]
    rows += [("note", text) for text in document["notes"]]
    rows += [("log", document["run_log"] or ""), ("its words", document["researcher_log"] or "")]
    wide = max(len(label) for label, _ in rows) + 2
    gap = "\n" + " " * wide
    body = [f"{safe(label):<{wide}}{safe(str(text).strip()).replace(chr(10), gap)}" for label, text in rows if text]
    parts = [paint(safe(head), "bold", colours), *body]
    if document["diff"]:
        parts += ["", _painted(document["diff"], colours)]
    return "\n".join(parts)


def _painted(diff: str, colours: bool) -> str:
    lines = diff.rstrip("\n").split("\n")
    return "\n".join(
        paint(safe(line), line[:1] if line[:3] not in ("+++", "---") else "bold", colours) for line in lines
    )
