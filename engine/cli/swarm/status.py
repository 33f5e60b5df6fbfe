"""swarm status: where a session stands with its swarm."""

import argparse
from typing import Any

from engine.cli.output import Output, safe
from engine.cli.swarm import rows
from engine.cli.swarm.belonging import add_swarm, belonging, class_of, membership_of
from engine.cli.swarm.standing import taken_and_given
from engine.cli.trouble import DONE
from engine.session.journal import read
from engine.swarm.api import Unreachable


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_swarm(parser)


def run(args: argparse.Namespace, out: Output) -> int:
    """From the session alone, and from the swarm where it answers."""
    paths, membership = membership_of(args)
    state = read(paths.journal)
    klass = class_of(paths, state)
    counts = taken_and_given(paths, membership, state)
    there: dict[str, Any] = {"reachable": True, "members": None, "best": None}
    try:
        own = belonging(args)
        there["members"] = len(own.swarm.members())
        best = rows.checked(own.swarm.best(klass) if klass else [], membership.swarm)
        there["best"] = rows.document(*best[0]) if best else None
        standing = rows.result_line(*best[0]) if best else "no results of this session's class yet"
    except Unreachable as error:
        there["reachable"], standing = False, f"it does not answer: {error}"
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
    members = "" if there["members"] is None else f", {there['members']} members"
    adopted, alone = len(counts["adopted"]), counts["alone_since"]
    lines = [
        f"{paths.name} is in the swarm {membership.title} ({membership.where}) as {membership.name}{members}",
        f"best: {standing}",
        f"given: {counts['delivered']} records, {len(counts['verified'])} re-runs; {counts['waiting']} wait",
        f"taken: {adopted} adopted, {counts['avoided']} repeats avoided",
        f"claims: {counts['claimed']} granted, {counts['alone']} made alone",
    ]
    if alone:
        lines.append(f"alone since {rows.ago(alone)}: {counts['why']}")
    out.result(document, safe("\n".join(lines)))
    return DONE
