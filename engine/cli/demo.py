"""demo: from nothing to a running loop on this machine's CPU, in one verb."""

import argparse
import os
import sys

from engine.cli import start
from engine.cli.front import console_command
from engine.cli.new import report, told
from engine.cli.output import Output
from engine.cli.parsing import folder
from engine.cli.prepare import prepare_session
from engine.cli.trouble import DONE
from engine.session.locking import engine_of
from engine.session.paths import SessionPaths, sessions_dir

NAME = "demo"


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    parser.add_argument("--no-start", action="store_true", help="only make the session")
    parser.add_argument("--foreground", action="store_true", help="run it here, with a line for each event")
    start.add_limits(parser)
    parser.epilog = "A session named demo that is there already is used again, and a running engine is left running."


def run(args: argparse.Namespace, out: Output) -> int:
    """Make or find the session, start its engine, open the console."""
    paths = SessionPaths(folder(args) / NAME)
    engine = engine_of(paths.lock)
    if not paths.exists:
        _make(paths, out)
    elif engine is None:
        prepare_session(paths, out, [])  # at once done, unless the cache was cleared since
    if args.no_start:
        out.result(_document(paths), f"start it: overnight start {paths.root}")
        return DONE
    limits = start.limits_of(args, paths)
    if args.foreground:
        return start.foreground(paths, limits, False, out)
    if engine is None:
        from engine.loop.launch import start_daemon

        start_daemon(paths, limits=limits)
    if sys.stdin.isatty() and sys.stdout.isatty() and not args.json:
        command = console_command(["attach", str(paths.root)])
        sys.stdout.flush()
        os.execv(command[0], command)
    where = NAME if paths.root == SessionPaths(sessions_dir() / NAME).root else str(paths.root)
    lines = (
        "the loop runs, and goes on when this terminal is closed",
        f"watch it: overnight attach {where}",
        f"how it stands: overnight status {where}",
        f"end it: overnight stop {where}",
    )
    out.result(_document(paths), "\n".join(lines))
    return DONE


def _make(paths: SessionPaths, out: Output) -> None:
    from engine.work.creation import create

    out.narrate("making the session demo: the texts are the Python library's own sources, the model is small")
    created = create(NAME, paths.root.parent, tier="cpu", data="demo", on_progress=out.narrate)
    out.narrate(told(report(created)).splitlines()[1])


def _document(paths: SessionPaths) -> dict[str, object]:
    return {"session": paths.name, "path": str(paths.root), "engine": engine_of(paths.lock)}
