"""Sending one command of the operator's and telling what became of it."""

import argparse

from engine.cli.output import Output
from engine.cli.trouble import DONE, FAILED, REFUSED
from engine.session.inbox import Seen, request
from engine.session.journal import read
from engine.session.locking import engine_of
from engine.session.operator import operator
from engine.session.paths import SessionPaths
from engine.session.state import State

WAIT_S = 15.0
"""How long a verb waits for the engine's answer; a command that is not answered by then stays queued."""


def add_wait(parser: argparse.ArgumentParser) -> None:
    """--wait, for verbs that send a command."""
    parser.add_argument(
        "--wait",
        type=float,
        default=WAIT_S,
        metavar="SECONDS",
        help="wait so long for the engine (default: %(default)g)",
    )


def send(
    paths: SessionPaths,
    kind: str,
    args: dict[str, str],
    seen: Seen,
    out: Output,
    wait_s: float,
    extra: dict[str, object] | None = None,
) -> int:
    """Send it, print what became of it, and return the exit code: refused is 4, queued (no answer yet) is 0."""
    from engine.loop.byhand import send as deliver

    command = request(kind, args, operator(), seen)
    outcome = deliver(paths, command, wait_s=wait_s)
    document: dict[str, object] = {
        "session": paths.name,
        "id": command.id,
        "kind": kind,
        "status": outcome.status,
        "answer": outcome.answer,
        **(extra or {}),
    }
    if outcome.status == "refused":
        document["code"] = REFUSED
        out.narrate(f"overnight: {kind} refused: {outcome.answer}")
        out.result(document, "")
        return REFUSED
    if outcome.status == "queued":
        waiting = outcome.answer or "queued; the engine takes it up as soon as it can"
        out.result(document, f"{paths.name}: {waiting}")
        return DONE
    if outcome.status != "done":
        out.narrate(f"overnight: {kind}: {outcome.answer or outcome.status}")
        out.result(document, "")
        return FAILED
    out.result(document, f"{paths.name}: {outcome.answer or 'done'}")
    return DONE


def seen_now(paths: SessionPaths) -> tuple[State, Seen]:
    """The session's state, and what its reader sees of it. Errors: JournalError."""
    state = read(paths.journal)
    engine = engine_of(paths.lock)
    current, champion = state.current, state.champion
    return state, Seen(
        run=current.run if current else None,
        start_id=engine.start_id if engine else "",
        champion=champion.run if champion else None,
    )
