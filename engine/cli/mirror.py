"""mirror: bring a session's experiment trackers up to date now, and tell how they stand."""

import argparse
from typing import Any

from engine.cli.output import Output
from engine.cli.parsing import add_session, session_of
from engine.cli.trouble import DONE, FAILED, Refused
from engine.session.settings import load

PATIENCE_S = 60.0
"""How long one sending may take while a person waits."""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_session(parser)
    parser.add_argument("--look", action="store_true", help="only tell how they stand")
    parser.epilog = (
        'An engine does it by itself where overnight.toml says so: [mirror] trackio = "PROJECT" or wandb = "PROJECT"'
        ' ("ENTITY/PROJECT"); trackio_space = "USER/SPACE" sends trackio\'s to a Space, offline = true sends nothing.'
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Do it."""
    from engine.session.locking import Held, Lock
    from engine.trackers.mirroring import Mirror, cursor, folder
    from engine.trackers.tracker import chosen, missing

    paths = session_of(args)
    settings = load(paths.settings).mirror
    trackers = chosen(settings, folder(paths), PATIENCE_S)
    if not trackers:
        raise Refused(
            f"{paths.name} has no mirror; name one in overnight.toml: overnight edit mirror.trackio PROJECT, or"
            " overnight edit mirror.wandb PROJECT"
        )
    wrong = missing(settings)
    mirror = Mirror(paths, trackers)
    if not args.look and not wrong:
        try:
            with Lock(folder(paths) / "lock", "mirror", kind="hand"):
                wrong = mirror.bring()
        except Held:
            out.narrate("the engine's own mirror is at work; this is how far it is")
    rows: list[dict[str, Any]] = []
    for tracker in trackers:
        at = cursor(paths, tracker)
        rows.append({"tracker": tracker.name, "target": at.target, "records": at.records, "trouble": at.trouble})
        rows[-1]["unsent"] = at.lines - at.sent
    for text in wrong:
        out.narrate(text)
    lines = [f"{row['tracker']:<8} {row['target']}  {row['records']} experiments" + _rest(row) for row in rows]
    out.result({"session": paths.name, "trackers": rows, "trouble": wrong}, "\n".join(lines))
    return FAILED if wrong else DONE


def _rest(row: dict[str, Any]) -> str:
    unsent = ", not all of them sent yet" if row["unsent"] else ""
    return unsent + (f": {row['trouble']}" if row["trouble"] else "")
