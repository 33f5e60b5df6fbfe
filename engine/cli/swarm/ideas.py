"""swarm hypotheses, insights and ask: what is worth trying, and what was learnt."""

import argparse
import secrets
import time
from pathlib import Path

from engine.cli.output import Output
from engine.cli.swarm import rows
from engine.cli.swarm.belonging import Belonging, add_swarm, belonging, class_of, membership_of
from engine.cli.trouble import DONE, Refused, Usage
from engine.swarm import telling
from engine.swarm.api import Row, Unreachable
from engine.swarm.checks import STATES, read
from engine.swarm.foreign import find
from engine.swarm.keys import KeyPair
from engine.swarm.outbox import Letter, Outbox
from engine.swarm.records import Hypothesis, Insight


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What they take."""
    add_swarm(parser)
    if verb == "swarm ask":
        parser.add_argument("words", nargs="+", metavar="WORDS", help="what it is about")
        return
    parser.add_argument("--add", metavar="TEXT", help="one of your own")
    parser.add_argument("--evidence", default="", metavar="TEXT", help="with --add: what speaks for it")
    parser.add_argument("--all", action="store_true", help="of every class")
    if verb == "swarm insights":
        parser.add_argument("--topic", default="", metavar="WORD", help="with --add: its topic; else: only of this")
        return
    parser.add_argument("--priority", type=int, default=3, choices=range(1, 6), help="with --add: 1 first (default: 3)")
    parser.add_argument("--state", default="open", choices=STATES, help="which")
    parser.add_argument("--mark", nargs=2, metavar=("ID", "STATE"), help="say what became of one: tested, dropped …")


def run(args: argparse.Namespace, out: Output) -> int:
    """Show, add or mark."""
    if args.verb == "swarm ask":
        if not " ".join(args.words).strip():
            raise Usage("overnight swarm ask: there are no words to ask about")
        own = belonging(args)
        return _show(own, own.swarm.ask(" ".join(args.words)), out, "nobody has said anything of it yet")
    if args.add is not None:
        if getattr(args, "mark", None):
            raise Usage(f"overnight {args.verb}: --add and --mark are two things; say one after the other")
        return _add(args, out)
    own = belonging(args)
    klass = None if args.all else class_of(own.paths)
    if args.verb == "swarm insights":
        return _show(own, own.swarm.insights(args.topic, klass), out, "no insights yet")
    if args.mark:
        return _mark(args, own, out)
    return _show(own, own.swarm.hypotheses(klass, args.state), out, f"no {args.state} hypotheses")


def _show(own: Belonging, found: list[Row], out: Output, nothing: str) -> int:
    good = rows.checked(found, own.membership.swarm)
    lines = [rows.any_line(row, body) for row, body in good]
    out.result([rows.document(row, body) for row, body in good], rows.text(lines, nothing))
    return DONE


def _add(args: argparse.Namespace, out: Output) -> int:
    if not args.add.strip():
        raise Usage(f"overnight {args.verb}: the text is empty")
    paths, _ = membership_of(args)
    klass, said = class_of(paths), telling.text(args.add.strip())
    evidence = telling.text(args.evidence)
    if args.verb == "swarm insights":
        return _say(args, Insight(text=said, evidence=evidence, topic=args.topic[:200], klass=klass), out)
    return _say(args, Hypothesis(text=said, evidence=evidence, priority=args.priority, klass=klass), out)


def _mark(args: argparse.Namespace, own: Belonging, out: Output) -> int:
    beginning, state = args.mark
    if state not in STATES:
        raise Usage(f"overnight {args.verb}: {state!r} is no state; expected one of {', '.join(STATES)}")
    known = [row for which in STATES for row in own.swarm.hypotheses(None, which, 500)]
    id = find(beginning, known, "hypotheses")
    return _say(args, Hypothesis(text=f"{state} by hand", evidence=args.evidence, state=state, about=id), out)


def _say(args: argparse.Namespace, body: Hypothesis | Insight, out: Output) -> int:
    """Sign it and send it; where the swarm is away it waits in the outbox."""

    own = None
    try:
        own = belonging(args)
    except Unreachable:
        pass
    paths, membership = membership_of(args)

    key = KeyPair.load(Path(membership.key))
    record = key.signed(telling.idea(secrets.token_hex(16), membership.swarm, time.time(), body))
    read(record)
    try:
        if own is None:
            raise Unreachable("the swarm is not there")
        state = own.swarm.publish(record).state
    except Unreachable as error:
        try:
            Outbox(paths.outbox).put(Letter(record))
        except OSError as full:
            raise Refused(
                f"the swarm does not answer ({error}), and {paths.outbox} cannot be written: {full}"
            ) from full
        state = "waiting"
        out.narrate(f"the swarm does not answer ({error}); it waits in {paths.outbox} for the session's next engine")
    out.result({"id": record.id, "state": state}, f"{record.id[: rows.SHORT]}  {state}")
    return DONE
