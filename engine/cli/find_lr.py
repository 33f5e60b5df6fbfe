"""find-lr: the champion's learning rates raised until training diverges; a curve, suggestions, and one applied."""

import argparse
import shutil
from pathlib import Path

from engine.cli import lrplot, queued
from engine.cli.output import Output, safe
from engine.cli.parsing import add_session, session_of
from engine.cli.trouble import REFUSED
from engine.session import lrtest
from engine.session.inbox import request
from engine.session.locking import engine_of
from engine.session.lrcurve import MEANINGS, Reading
from engine.session.lrtest import LrTest
from engine.session.operator import operator
from engine.session.paths import SessionPaths

PICTURE = "lr.png"
NUMBERS = {"min": "RATE", "max": "RATE", "steps": "N", "seeds": "N"}
HELP = {
    "min": "the rate to begin with (default: a hundredth of the present one)",
    "max": "the rate to end with (default: a hundred times the present one)",
    "steps": "rates that are tried, one training step each (default: 100)",
    "seeds": "times that it is done, each with another seed; the losses are averaged (default: 2)",
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_session(parser)
    parser.add_argument(
        "--group",
        default="all",
        metavar="GROUP",
        help="matrix, embedding, head, scalar, or another that train.py's optimizers name; all = all of them together,"
        " in multiples of their present rates (default)",
    )
    for name, what in NUMBERS.items():
        parser.add_argument(f"--{name}", metavar=what, help=HELP[name])
    parser.add_argument(
        "--apply",
        nargs="?",
        const="bold",
        choices=tuple(MEANINGS),
        help="try this suggestion (default: bold) as the next experiment; the gate decides",
    )
    parser.epilog = (
        "One group alone takes twice the time: a control, in which its rate stays low, tells what the others learn"
        " meanwhile.\nWithout --apply nothing of the session changes."
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Ask, wait, show; then send what is to be applied."""
    paths = session_of(args)
    sent = {name: getattr(args, name) for name in ("group", *NUMBERS) if getattr(args, name) is not None}
    ended = queued.do(paths, "find-lr", sent, out)
    folder = paths.job(ended.command.id)
    test = lrtest.load(folder / lrtest.FILE) if ended.command.status == "done" else None
    if test is None:
        return queued.told(paths, ended, out, "")
    reading = test.reading()
    lines = [*lrplot.plot(test, reading, shutil.get_terminal_size().columns), *lrplot.told(test, reading)]
    picture = _picture(test, reading, folder, out)
    if picture:
        lines.append(f"picture: {picture}")
    applied, code = _apply(paths, test, reading, args.apply) if args.apply else ("", 0)
    if applied:
        out.narrate(applied)
    extra = {
        "group": test.group,
        "constants": test.constants,
        "suggestions": {one.name: test.values(one.at) or one.at for one in reading.suggestions},
        "reading": reading,
        "picture": picture,
        "applied": applied,
    }
    return queued.told(paths, ended, out, safe("\n".join(lines)), extra) or code


def _picture(test: LrTest, reading: Reading, folder: Path, out: Output) -> str:
    """Where the PNG is, "" where none can be drawn."""
    from engine.reports.lrpicture import png
    from engine.reports.pictures import NoPictures

    if len(reading.curve) < 2:
        return ""
    try:
        (folder / PICTURE).write_bytes(png(test, reading))
    except (NoPictures, OSError) as error:
        out.narrate(str(error))
        return ""
    return str(folder / PICTURE)


def _apply(paths: SessionPaths, test: LrTest, reading: Reading, name: str) -> tuple[str, int]:
    """Ask for the suggested constants as the next experiment; what came of it, and the exit code."""
    from engine.loop.byhand import send

    chosen = reading.suggestion(name)
    if chosen is None or not reading.clear:
        return "nothing is applied: the curve does not tell enough", REFUSED
    values = test.values(chosen.at)
    if not values:
        return f"nothing is applied: train.py has no constant that sets the rate of {test.group}", REFUSED
    why = f"a learning-rate test of run {test.run} suggests {chosen.at:.3g} times the rate ({name}: {chosen.meaning})"
    lines = "\n".join(f"{key} = {value}" for key, value in values.items())
    outcome = send(paths, request("try", {"values": lines, "why": why}, operator()), wait_s=5.0)
    if outcome.status == "refused":
        return f"nothing is applied: {outcome.answer}", REFUSED
    where = "" if engine_of(paths.lock) is not None else f"; no engine runs: overnight start {paths.name}"
    return f"{', '.join(lines.splitlines())} is tried as the next experiment{where}", 0
