"""record: for a loop driven by hand, one result appended to a log that other tools can read."""

import argparse
import time
from pathlib import Path

from engine.cli import figures, given
from engine.cli.output import Output
from engine.cli.trouble import Refused, VerbError
from engine.session.paths import SessionPaths
from engine.session.publiclog import ConfigLine, LogReading, PublicLogError, ResultLine, append, read_log
from engine.session.publicrecords import CRASH, DIRECTIONS, STATUSES
from engine.session.settings import Metric, load
from engine.session.state import better
from engine.session.stats import confidence


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    one = parser.add_argument_group("the result")
    one.add_argument("--status", required=True, choices=STATUSES, help="what became of the change")
    one.add_argument("--description", required=True, metavar="TEXT", help="the change, in a line")
    one.add_argument("--value", metavar="NUMBER", help="the metric; a crash has none")
    one.add_argument("--metrics", metavar="FILE", help="METRIC lines, or their JSON (default: standard input)")
    one.add_argument("--with", action="append", default=[], metavar="NAME=NUMBER", dest="more", help="a further metric")
    one.add_argument(
        "--asi", action="append", default=[], metavar="NAME=TEXT", help="hypothesis, result, …; also one JSON object"
    )
    one.add_argument("--commit", metavar="ID", help="the change's commit (default: HEAD, where there is a repository)")
    one.add_argument("--duration", type=float, metavar="SECONDS", help="how long it ran")
    what = parser.add_argument_group("what is measured (once; kept in the log's config line)")
    what.add_argument("--metric", metavar="NAME", help="default: val_bpb")
    what.add_argument("--unit", metavar="UNIT", help="default: bpb")
    what.add_argument("--direction", choices=DIRECTIONS, help="which way is better (default: lower)")
    what.add_argument("--name", metavar="TEXT", help="what the loop is for")
    what.add_argument("--new-segment", action="store_true", help="baseline, best and confidence start over")
    parser.add_argument(
        "--log", default="autoresearch.jsonl", metavar="FILE", help="default: %(default)s in this folder"
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Check it, append it, tell it."""
    path = Path(args.log)
    _refuse_engines_log(path)
    try:
        reading = read_log(path)
    except OSError as error:
        raise VerbError(f"{path}: cannot be read: {error.strerror}") from error
    if path.suffix == ".tsv":
        raise Refused(
            f"{path}: a table of another loop; this verb appends JSON lines, for example to autoresearch.jsonl"
        )
    config, fresh = _config(args, reading, path)
    metrics = given.metrics(args)
    value = given.value(args, metrics, config.metric_name)
    segment = reading.segment + (1 if fresh and any(r.segment == reading.segment for r in reading.results) else 0)
    result = ResultLine(
        run=max((r.run for r in reading.results), default=0) + 1,
        commit=_head() if args.commit is None else args.commit,
        metric=value,
        metrics=metrics,
        status=args.status,
        description=args.description,
        timestamp=int(time.time()),
        segment=segment,
        confidence=_confidence(reading, segment, value, args.status, config.best_direction),
        asi=given.asi(args.asi),
        duration_s=args.duration,
    )
    try:
        torn = append(path, [config, result] if fresh else [result])
    except PublicLogError as error:
        raise Refused(f"{path}: {error}") from error
    except OSError as error:
        raise VerbError(f"{path}: cannot be written: {error.strerror}") from error
    if torn:
        out.narrate(f"{path}: an unfinished last line of {len(torn)} bytes was cut off")
    shown = "no metric" if result.status == CRASH else f"{config.metric_name} {figures.metric(value)}"
    out.result(
        {"file": str(path), "config_written": fresh, "result": result},
        f"{path}: run {result.run}  {result.status}  {shown}  {result.description}",
    )
    return 0


def _refuse_engines_log(path: Path) -> None:
    paths = SessionPaths(path.absolute().parent)
    if paths.journal.exists():
        raise Refused(
            f"{path} is the log of session {paths.name}, which an engine keeps from its journal; use overnight note,"
            " keep or revert there, or name another file with --log"
        )


def _config(args: argparse.Namespace, reading: LogReading, path: Path) -> tuple[ConfigLine, bool]:
    """The log's config line, and whether it has to be written first."""
    old = reading.configs.get(reading.segment)
    base, default = (old.metric_name, old.metric_unit, old.best_direction) if old else ("", "", ""), _default(path)
    metric = args.metric or base[0] or default.name
    same = metric == base[0] or (not base[0] and metric == default.name)
    unit = args.unit if args.unit is not None else base[1] if metric == base[0] else default.unit if same else ""
    direction = args.direction or (base[2] if metric == base[0] else "") or default.direction
    new = ConfigLine(args.name or (old.name if old and same else "") or f"Optimize {metric}", metric, unit, direction)
    if old is None or args.new_segment:
        return new, True
    if (new.metric_name, new.metric_unit, new.best_direction) != base:
        raise Refused(
            f"{path} measures {base[0]} ({base[1] or 'no unit'}, {base[2]} is better); results of something else cannot"
            " be compared with it: add --new-segment, or leave --metric, --unit and --direction out"
        )
    return old, False


def _default(path: Path) -> Metric:
    """What the session around the log measures; val_bpb where there is none."""
    paths = SessionPaths(path.absolute().parent)
    return load(paths.settings).metric if paths.exists else Metric()


def _confidence(reading: LogReading, segment: int, value: float, status: str, direction: str) -> float | None:
    """The segment's figure with this result in it."""
    valid = [(r.metric, r.status) for r in reading.results if r.segment == segment and r.status in ("keep", "discard")]
    if status in ("keep", "discard"):
        valid.append((value, status))
    if not valid:
        return None
    baseline = best = valid[0][0]
    for metric, kept in valid:
        if kept == "keep" and better(metric, best, direction):
            best = metric
    return confidence([metric for metric, _ in valid], baseline, best)


def _head() -> str:
    """This folder's HEAD, abbreviated; "" where there is no repository."""
    from git import Repo
    from git.exc import GitError

    try:
        with Repo(Path.cwd(), search_parent_directories=True) as repo:
            return repo.head.commit.hexsha[:7]
    except (GitError, ValueError, OSError):
        return ""
