"""swarm best, results, claims, leaderboard: what the members have brought."""

import argparse

import msgspec

from engine.cli.output import Output, safe
from engine.cli.swarm import rows
from engine.cli.swarm.belonging import Belonging, add_swarm, belonging, class_of
from engine.cli.trouble import DONE, Refused
from engine.swarm.records import Klass, Result

STATES = ("reported", "verified", "refuted", "quarantined", "withdrawn", "banned", "failed", "repeat")
MOST = 500
"""Rows of one answer."""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What they take."""
    add_swarm(parser)
    parser.add_argument("--all", action="store_true", help="of every class, not only of the session's own")
    if verb == "swarm best":
        parser.add_argument("--tier", default="", choices=("<=16", "<=24", "<=48", ">48"), help="of GPU memory, GB")
        parser.add_argument("--member", default="", metavar="NAME", help="of this member alone")
    if verb == "swarm results":
        parser.add_argument("--state", default="", choices=STATES, metavar="STATE", help=f"one of {', '.join(STATES)}")
        parser.add_argument("--member", default="", metavar="NAME", help="of this member alone")
        parser.add_argument("--limit", type=_limit, default=20, metavar="N", help="so many (default: %(default)s)")


def run(args: argparse.Namespace, out: Output) -> int:
    """Ask, check what comes, and print it."""
    own = belonging(args)
    klass = None if args.all else class_of(own.paths)
    if args.verb == "swarm claims":
        leases = own.swarm.claims(klass.contract if klass else "")
        out.result(
            {"claims": leases}, rows.text([rows.lease_line(lease) for lease in leases], "nothing is claimed now")
        )
    elif args.verb == "swarm leaderboard":
        board = own.swarm.leaderboard(klass)
        out.result({"leaderboard": board}, rows.text([rows.place_line(entry) for entry in board], "no results yet"))
    else:
        _results(args, own, klass, out)
    return DONE


def _results(args: argparse.Namespace, own: Belonging, klass: Klass | None, out: Output) -> None:
    member = _member(own, args.member)
    if args.verb == "swarm best":
        found = own.swarm.best(None if args.tier else klass, args.tier, member)
    else:
        found = own.swarm.results(klass, args.state, member, args.limit)
    good = [(row, body) for row, body in rows.checked(found, own.membership.swarm) if isinstance(body, Result)]
    if len(good) < len(found):
        out.narrate(f"{len(found) - len(good)} of {len(found)} are not what their members signed, and are left out")
    if args.verb == "swarm best" and klass is not None and not args.tier:
        members = {entry["member"] for entry in own.swarm.leaderboard(klass)}
        if len(members) == 1:
            out.narrate("this class has one member: nobody else can verify its best")
    document = [rows.document(row, body) for row, body in good]
    lines = [rows.result_line(row, body) for row, body in good]
    if args.all or (args.verb == "swarm best" and args.tier):
        classes = (rows.class_words(body.klass.gpu, body.klass.contract) for _, body in good)
        lines = [safe(f"{words}  {line}") for words, line in zip(classes, lines, strict=True)]
    name = "best" if args.verb == "swarm best" else "results"
    out.result({name: document, "class": None if klass is None else msgspec.to_builtins(klass)},
               rows.text(lines, "no results yet"))  # fmt: skip


def _member(own: Belonging, name: str) -> str:
    """The id that belongs to a member's name; "" for none given. Errors: Refused for a name that nobody has."""
    if not name:
        return ""
    found = next((member.id for member in own.swarm.members() if member.name.lower() == name.lower()), "")
    if not found:
        raise Refused(f"no member is named {safe(name)}; overnight swarm leaderboard --all shows their names")
    return found


def _limit(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 to {MOST}")
    return int(text)
