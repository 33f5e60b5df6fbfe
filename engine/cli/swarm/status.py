"""swarm status: where a session stands with its swarm."""

import argparse
from typing import Any

from engine.cli.output import Output, safe
from engine.cli.swarm import rows
from engine.cli.swarm.belonging import add_swarm, belonging, class_of, membership_of
from engine.cli.swarm.standing import is_revoked, taken_and_given
from engine.cli.trouble import DONE
from engine.session.journal import read
from engine.session.locking import engine_of
from engine.session.paths import SessionPaths
from engine.swarm.api import SwarmError, Unreachable
from engine.swarm.deliverer import deliver
from engine.swarm.outbox import Outbox
from engine.swarm.records import Record


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_swarm(parser)
    parser.add_argument("--deliver", action="store_true", help="send now what waits, where no engine runs that does it")


def run(args: argparse.Namespace, out: Output) -> int:
    """From the session alone, and from the swarm where it answers."""
    paths, membership = membership_of(args)
    state = read(paths.journal)
    klass = class_of(paths, state)
    running = engine_of(paths.lock) is not None
    if args.deliver and not running:
        _deliver(args, paths, out)
    counts = taken_and_given(paths, membership, state)
    there: dict[str, Any] = {"reachable": True, "revoked": False, "trouble": "", "members": None, "best": None}
    try:
        own = belonging(args)
        members = own.swarm.members()
        there["members"] = len(members)
        there["revoked"] = any(one.revoked for one in members if one.id == membership.member)
        best = rows.checked(own.swarm.best(klass) if klass else [], membership.swarm)
        there["best"] = rows.document(*best[0]) if best else None
        standing = rows.result_line(*best[0]) if best else "no results of this session's class yet"
    except Unreachable as error:
        there |= {"reachable": False, "trouble": str(error)}
        standing = f"it does not answer: {error}"
    except SwarmError as error:
        there |= {"revoked": is_revoked(error), "trouble": str(error)}
        standing = f"it tells this session nothing: {error}"
    document = {
        "session": paths.name,
        "swarm": membership.title,
        "where": membership.where,
        "name": membership.name,
        "member": membership.member,
        "class": klass,
        **counts,
        **there,
    }
    many = "" if there["members"] is None else f", {there['members']} members"
    adopted, alone = len(counts["adopted"]), counts["alone_since"]
    lines = [
        f"{paths.name} is in the swarm {membership.title} ({membership.where}) as {membership.name}{many}",
        f"best: {standing}",
        f"given: {counts['delivered']} records, {len(counts['verified'])} re-runs; {counts['waiting']} wait",
        f"taken: {adopted} adopted, {counts['avoided']} repeats avoided",
        f"claims: {counts['claimed']} granted, {counts['alone']} made alone",
    ]
    if counts["refused"]:
        lines.append(f"refused: {counts['refused']} records, for good")
    if there["revoked"]:
        lines.append("revoked: the swarm takes nothing more from this session; its records stay there")
    elif counts["waiting"] and not running:
        lines.append(
            f"no engine runs: the next one delivers what waits, or: overnight swarm status --deliver -s {paths.name}"
        )
    if alone and (running or counts["waiting"]):  # else it is of a night that is over and told
        lines.append(f"alone since {rows.ago(alone)}: {counts['why']}")
    out.result(document, safe("\n".join(lines)))
    return DONE


def _deliver(args: argparse.Namespace, paths: SessionPaths, out: Output) -> None:
    """Send the outbox, as an engine would; what is left is counted afterwards."""

    def refused(kind: str, why: SwarmError) -> None:
        out.narrate(f"a {kind} is refused: {why}")

    def held(record: Record, why: SwarmError) -> None:
        out.narrate(f"a {record.kind} waits on: {why}")

    try:
        own = belonging(args)
        deliver(Outbox(paths.outbox), own.swarm, own.membership.swarm, lambda _: None, refused, held)
    except (SwarmError, OSError) as error:
        out.narrate(f"not all is delivered: {error}")
