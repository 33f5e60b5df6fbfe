"""swarm invite, revoke and ban: what a swarm's owner does, who is whoever can open its database."""

import argparse
from datetime import UTC, datetime

from engine.cli.output import Output, safe
from engine.cli.swarm.database import add_database, between, store_of
from engine.cli.swarm.rows import SHORT
from engine.cli.trouble import DONE

LONGEST = 300
"""Characters of a reason."""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What each takes."""
    add_database(parser)
    if verb.endswith("invite"):
        parser.add_argument(
            "--uses", type=_count, default=1, metavar="N", help="how many can join with it (default: 1)"
        )
        parser.add_argument("--hours", type=_hours, default=168.0, metavar="H", help="until it ends (default: 168)")
    elif verb.endswith("revoke"):
        parser.add_argument("name", metavar="MEMBER", help="a member's name, as overnight swarm leaderboard shows it")
        parser.add_argument(
            "--results", action="store_true", help="withdraw its results, verified ones too: for who lied"
        )
    else:
        parser.add_argument("which", metavar="RESULT", help="the beginning of a result's id")
        parser.add_argument(
            "--reason", type=_reason, default="it cheats", metavar="TEXT", help="why (default: it cheats)"
        )
        parser.add_argument("--lift", action="store_true", help="take the ban back")
        parser.epilog = "Of a banned train.py no result counts, whoever told it or will, and nobody adopts it."


def run(args: argparse.Namespace, out: Output) -> int:
    """Do it."""
    if args.verb.endswith("invite"):
        return _invite(args, out)
    if args.verb.endswith("revoke"):
        member = store_of(args).revoke(args.name, args.results)
        what = "its results are withdrawn" if args.results else "what nobody else measured is set aside"
        out.result(member, safe(f"{member.name} is revoked: its verdicts count no more, and {what}"))
        return DONE
    return _ban(args, out)


def _ban(args: argparse.Namespace, out: Output) -> int:
    store = store_of(args)
    rows = store.lift(args.which) if args.lift else store.ban(args.which, args.reason)
    told = [{"id": row.record.id, "name": row.name, "state": row.state} for row in rows]
    by = ", ".join(f"{row.record.id[:SHORT]} by {row.name}" for row in rows)
    if not rows:
        text = "it is not banned" if args.lift else "it is banned already"
    elif args.lift:
        text = f"the ban is lifted, and these results are decided as before: {by}"
    else:
        text = f"banned: no result of this code counts ({by}), and whoever has it is told"
    out.result({"lifted": args.lift, "results": told}, safe(text))
    return DONE


def _invite(args: argparse.Namespace, out: Output) -> int:
    store = store_of(args)
    welcome = store.connect()
    token = store.invite(args.uses, args.hours)
    until = welcome.now + args.hours * 3600
    ends = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M UTC")
    many = "one member" if args.uses == 1 else f"{args.uses} members"
    out.narrate(f"an invitation to {welcome.name} for {many}, until {ends}, shown this once; they join with:")
    out.narrate("overnight swarm join ADDRESS-OF-THE-HUB --invitation TOKEN")
    out.result({"invitation": token, "swarm": welcome.name, "uses": args.uses, "until": until}, token)
    return DONE


def _count(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 10_000):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 to 10000")
    return int(text)


def _reason(text: str) -> str:
    """One line, for it stands in notes and beside each result."""
    said = " ".join(text.split())
    if not 0 < len(said) <= LONGEST:
        raise argparse.ArgumentTypeError(f"it has {len(said)} characters; expected 1 to {LONGEST}")
    return said


def _hours(text: str) -> float:
    return between(text, 0.01, 24 * 366)
