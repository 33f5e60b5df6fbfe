"""Advice beside a claim: what others tried that sounds alike. It never blocks anything."""

from difflib import SequenceMatcher
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.engine import Connection

from engine.swarm.records import Change
from engine.swarm.schema import members, results

LOOK_BACK, ALIKE, MOST = 200, 0.8, 3
"""How many of the newest results are compared, from which likeness on, and how many are told."""
COMPARED = 160
"""Characters of a description that are compared: the comparison's time grows with their square."""

DOUBTED = ("quarantined", "refuted", "withdrawn", "banned")


class Tried(NamedTuple):
    """A result as advice tells of it."""

    description: str
    status: str
    metric: float | None
    name: str
    state: str


def newest(connection: Connection, change: Change) -> list[Tried]:
    """Results of the same contract that are of other code, the newest first."""
    wanted = (
        select(results.c.description, results.c.status, results.c.metric, members.c.name, results.c.state)
        .join(members, members.c.id == results.c.member)
        .where(results.c.contract == change.contract, results.c.fingerprint != change.fingerprint)
        .order_by(results.c.seq.desc())
        .limit(LOOK_BACK)
    )
    return [Tried(*row) for row in connection.execute(wanted)] if change.description.strip() else []


def similar(tried: list[Tried], change: Change) -> tuple[str, ...]:
    """Those whose description is much like the change's, the most alike first, in words."""
    matcher = SequenceMatcher(None, autojunk=False)
    matcher.set_seq2(_compared(change.description))
    found = []
    for one in tried:
        matcher.set_seq1(_compared(one.description))
        if matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE:
            metric = "" if one.metric is None else f" {one.metric:.6f}"
            doubt = f", {one.state}" if one.state in DOUBTED else ""
            told = f"{one.name} tried “{one.description[:200]}”: {one.status}{metric}{doubt}"
            found.append((matcher.ratio(), told))
    return tuple(text for _, text in sorted(found, reverse=True)[:MOST])


def _compared(description: str) -> str:
    return description.strip().lower()[:COMPARED]
