"""revert, keep, undo: the operator's word on which run is the champion."""

import argparse

from engine.cli.output import Output
from engine.cli.parsing import add_run, add_session, experiment_of, session_of
from engine.cli.sender import add_wait, seen_now, send
from engine.session import lineage
from engine.session.inbox import Seen
from engine.session.state import State


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What these verbs take."""
    if verb != "undo":
        add_run(parser)
    add_session(parser)
    add_wait(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; it is logged with the decision")
    parser.add_argument("--dry-run", action="store_true", help="only tell what it would do")
    parser.epilog = "Nothing is lost by it: overnight undo takes the last decision back."


def run(args: argparse.Namespace, out: Output) -> int:
    """Tell what it comes to, and send it."""
    paths = session_of(args)
    state, now = seen_now(paths)
    sent = {"reason": args.reason} if args.reason else {}
    if args.verb == "undo":
        decision = lineage.undo(state)
    else:
        number = experiment_of(args.which, state, paths.name).run
        decision = lineage.revert(state, number) if args.verb == "revert" else lineage.keep(state, number)
        sent["run"] = str(number)
    outcome = consequences(state, decision)
    if args.dry_run:
        from engine.loop.commands import told

        out.result({"session": paths.name, "kind": args.verb, "status": "not sent", **outcome}, told(state, decision))
        return 0
    return send(paths, args.verb, sent, Seen(champion=now.champion), out, args.wait, outcome)


def consequences(state: State, decision: lineage.Override) -> dict[str, object]:
    """What stands after `decision`: the champion's run, its metric and commit, and the keeps withdrawn."""
    champion = state.experiment(decision.champion)
    return {
        "run": decision.run,
        "champion": decision.champion,
        "metric": champion.metric if champion else None,
        "commit": champion.commit if champion else "",
        "withdrawn": list(decision.withdrawn),
    }
