"""log: the table of experiments of a session, or of any results log."""

import argparse
from pathlib import Path
from typing import Any

from engine.cli import figures
from engine.cli.output import Output
from engine.cli.parsing import add_session, session_of
from engine.cli.table import Row, draw
from engine.cli.trouble import Usage, VerbError
from engine.session.journal import read
from engine.session.paths import SessionPaths
from engine.session.publiclog import LogReading, ResultLine, read_log
from engine.session.state import Experiment, State


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_session(parser)
    parser.add_argument("--segment", type=int, metavar="N", help="only this segment (default: all)")
    parser.add_argument("--last", type=int, metavar="N", help="only the last N")
    parser.epilog = (
        "SESSION may be a file: autoresearch.jsonl, .auto/log.jsonl or results.tsv, of this or another loop."
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Print it."""
    if args.last is not None and args.last < 1:
        raise Usage(f"--last is {args.last}; expected a number of experiments, at least 1")
    given = args.session or args.named
    if given and Path(given).is_file():
        return _foreign(Path(given), args, out)
    paths = session_of(args)
    if not paths.journal.exists() and paths.public_log.exists():
        return _foreign(paths.public_log, args, out)
    return _session(paths, read(paths.journal), args, out)


def _session(paths: SessionPaths, state: State, args: argparse.Namespace, out: Output) -> int:
    chosen = [e for e in state.experiments if args.segment in (None, e.segment)]
    chosen = chosen[-args.last :] if args.last else chosen
    segment = state.segment
    rows = [row_of(experiment, state) for experiment in chosen]
    document = {
        "session": paths.name,
        "metric": segment.metric if segment else None,
        "champion": state.champion.run if state.champion else None,
        "experiments": [_plain(experiment, row) for experiment, row in zip(chosen, rows, strict=True)],
        "problems": [],
    }
    name = segment.metric.name if segment else "metric"
    out.result(document, draw(rows, name) if rows else f"{paths.name} has no experiments yet")
    return 0


def row_of(experiment: Experiment, state: State) -> Row:
    """The experiment's line in the table."""
    segment = state.segments[experiment.segment]
    return Row(
        run=experiment.run,
        commit=experiment.commit,
        metric=experiment.metric,
        change=figures.difference(experiment.metric, figures.base_of(experiment, state)),
        metrics=experiment.metrics,
        status=experiment.status or experiment.phase,
        description=experiment.description + (f"  ({', '.join(experiment.flags)})" if experiment.flags else ""),
        champion=experiment.run == segment.champion,
        segment=experiment.segment,
        usage=experiment.usage,
    )


def _plain(experiment: Experiment, row: Row) -> dict[str, Any]:
    return {
        "run": experiment.run,
        "segment": experiment.segment,
        "commit": experiment.commit,
        "metric": experiment.metric,
        "change": row.change,
        "metrics": experiment.metrics,
        "status": experiment.status,
        "phase": experiment.phase,
        "reason": experiment.reason,
        "description": experiment.description,
        "flags": experiment.flags,
        "confidence": experiment.confidence,
        "champion": experiment.champion,
        "is_champion": row.champion,
        "duration_s": experiment.duration_s,
        "asi": experiment.asi,
        "usage": experiment.usage,
    }


def _foreign(path: Path, args: argparse.Namespace, out: Output) -> int:
    try:
        reading = read_log(path)
    except OSError as error:
        raise VerbError(f"{path}: cannot be read: {error.strerror}") from error
    chosen = [r for r in reading.results if args.segment in (None, r.segment)]
    chosen = chosen[-args.last :] if args.last else chosen
    config = reading.configs.get(reading.segment)
    document = {
        "file": str(path),
        "metric": config,
        "experiments": chosen,
        "overrides": reading.overrides,
        "unknown": reading.unknown,
        "problems": reading.problems,
        "torn": reading.torn,
    }
    name = config.metric_name if config and config.metric_name else "metric"
    rows = [_foreign_row(result, reading) for result in chosen]
    out.result(document, draw(rows, name) if rows else f"{path}: no results")
    for problem in reading.problems:
        out.narrate(f"{path}, line {problem.line_number}: {problem.why}: {problem.excerpt}")
    if reading.torn is not None:
        out.narrate(f"{path}, line {reading.torn}: the last line is not finished; it was left out")
    return 0


def _foreign_row(result: ResultLine, reading: LogReading) -> Row:
    later = [override.status for override in reading.overrides if override.run == result.run]
    status = later[-1] if later else result.status
    return Row(
        run=result.run,
        commit=result.commit,
        metric=None if status == "crash" else result.metric,
        change=None,
        metrics=result.metrics,
        status=status or "–",
        description=result.description,
        champion=False,
        segment=result.segment,
        usage=result.usage,
    )
