"""report: what a session came to, as a page of Markdown or as one JSON document."""

import argparse
from typing import Any

import msgspec

from engine.cli.output import Output
from engine.cli.parsing import add_session, session_of
from engine.cli.reportpage import page
from engine.cli.standing import phrase
from engine.session.journal import read
from engine.session.locking import engine_of
from engine.session.night import Night, night
from engine.session.spending import plain
from engine.session.stats import meaning


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_session(parser)
    parser.epilog = "The page is Markdown: overnight report > report.md. With --json: every figure by name, all ideas."


def run(args: argparse.Namespace, out: Output) -> int:
    """Print it."""
    paths = session_of(args)
    engine, state = engine_of(paths.lock), read(paths.journal)
    found = night(state)
    standing = phrase(state, engine)
    out.result({"session": paths.name, "state": standing, **document(found)}, page(paths.name, standing, found))
    return 0


def document(found: Night) -> dict[str, Any]:
    """The figures by name; `gain` is positive when better, spans in seconds, times in unix seconds."""
    return {
        **msgspec.structs.asdict(found),
        "confidence_means": meaning(found.confidence),
        "spending": plain(found.spending),
        "times": {**msgspec.structs.asdict(found.times), "total": found.times.total},
    }
