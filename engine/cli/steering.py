"""pause, resume, stop, abort: what the loop does next."""

import argparse

from engine.cli.output import Output
from engine.cli.parsing import add_session, session_of
from engine.cli.sender import add_wait, seen_now, send
from engine.cli.trouble import Refused
from engine.session.inbox import NEED_ENGINE, Seen
from engine.session.locking import engine_of


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What these verbs take."""
    add_session(parser)
    add_wait(parser)
    if verb == "pause":
        parser.add_argument("--reason", default="", metavar="TEXT", help="why, for whoever looks next")


def run(args: argparse.Namespace, out: Output) -> int:
    """Send it."""
    paths = session_of(args)
    if args.verb in NEED_ENGINE and engine_of(paths.lock) is None:
        raise Refused(f"{args.verb} refused: no engine is running in {paths.name}, so there is nothing to {args.verb}")
    state, now = seen_now(paths)
    if args.verb == "abort" and state.job is not None:
        seen = Seen(job=state.job.command)
    elif args.verb == "abort":
        if state.current is None:
            raise Refused(f"abort refused: no experiment is under way in {paths.name}")
        seen = Seen(run=now.run)
    elif args.verb == "resume":
        seen = Seen()
    else:
        seen = Seen(start_id=now.start_id)
    reason = getattr(args, "reason", "")
    return send(paths, args.verb, {"reason": reason} if reason else {}, seen, out, args.wait)
