"""profile: where the time of a run's training steps goes."""

import argparse

from engine.cli import queued
from engine.cli.output import Output, safe
from engine.cli.parsing import add_session, experiment_of, optional_run, session_of
from engine.session import profiles
from engine.session.journal import read


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    optional_run(parser)
    add_session(parser, positional=False)
    parser.add_argument("--steps", type=int, metavar="N", help="training steps that are recorded (default: 30)")
    parser.epilog = "Beside the table it leaves a trace for chrome://tracing or ui.perfetto.dev; --json names the file."


def run(args: argparse.Namespace, out: Output) -> int:
    """Ask, wait, print the table."""
    paths = session_of(args)
    experiment = experiment_of(args.which, read(paths.journal), paths.name)
    sent = {"run": str(experiment.run)}
    if args.steps is not None:
        sent["steps"] = str(args.steps)
    ended = queued.do(paths, "profile", sent, out)
    folder = paths.job(ended.command.id)
    found = profiles.load(folder / profiles.FILE)
    trace = folder / "trace.json.gz"
    text = ""
    if found is not None:
        text = f"run {found.run}: {profiles.table(found)}\ntrace: {trace}"
    return queued.told(paths, ended, out, safe(text), {"profile": found, "trace": str(trace) if found else None})
