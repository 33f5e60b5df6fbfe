"""metrics: for a loop driven by hand, what a benchmark's output says in METRIC lines, as JSON."""

import argparse
import sys
from pathlib import Path

from engine.cli.output import Output
from engine.cli.trouble import DONE, FAILED, VerbError
from engine.session.metrics import scan


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="read this instead of standard input")
    parser.add_argument("--need", action="append", default=[], metavar="NAME", help="fail (exit 1) without this metric")
    parser.epilog = "METRIC name=value on a line of its own; the last of a name counts; values are finite numbers."


def run(args: argparse.Namespace, out: Output) -> int:
    """Always prints one JSON document: {name: value}."""
    if args.file and args.file != "-":
        try:
            data = Path(args.file).read_bytes()
        except OSError as error:
            raise VerbError(f"{args.file}: cannot be read: {error.strerror}") from error
    else:
        data = sys.stdin.buffer.read()
    found = scan(data)
    out.document(found.values)
    for name, text in found.refused.items():
        out.narrate(f"overnight: METRIC {name}={text} is not a finite number and was left out")
    missing = [name for name in args.need if name not in found.values]
    for name in missing:
        if name not in found.refused:
            out.narrate(f"overnight: there is no METRIC {name}= line; a run without its metric is a crash, never 0")
    if not found.values and not missing:
        out.narrate("overnight: no METRIC lines")
    return FAILED if missing or not found.values else DONE
