"""Revocation: what one who is trusted no more said counts as far as others bear it out. Its signed records stay."""

from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.engine import Connection

from engine.swarm.api import Member
from engine.swarm.records import Klass
from engine.swarm.schema import contracts, members, results, verdicts
from engine.swarm.store import claims, verification
from engine.swarm.store.clock import now

WITHDRAWN = "withdrawn"
STANDING = ("reported", "quarantined", "verified", "refuted")


def disown(connection: Connection, member: Member) -> None:
    """The revoked member's verdicts count no more: what they decided is decided anew by those of others, or is as it
    was before anybody looked. What the member measured and nobody else did is set aside until somebody does."""
    mine = verdicts.c.member == member.id
    ids = select(verdicts.c.result).where(mine)
    rows = connection.execute(
        select(results).where(results.c.id.in_(ids), results.c.state != WITHDRAWN).order_by(results.c.seq)
    ).all()
    connection.execute(update(results).where(results.c.id.in_(ids)).values(score=None, verified=None))
    connection.execute(delete(verdicts).where(mine))
    alone = select(results).where(results.c.member == member.id, results.c.state == "reported")
    for row in rows:
        _anew(connection, row, f"the verdict of {member.name}, who was revoked, counts no more")
    for row in connection.execute(alone.order_by(results.c.seq)).all():
        _anew(connection, row, "")


def withdraw(connection: Connection, member: Member) -> None:
    """None of the member's results counts any more, also where re-runs bore it out, for a cheat that is re-run cheats
    again; the changes can be tried anew."""
    found = select(results.c.id).where(results.c.member == member.id, results.c.state.in_(STANDING))
    changed = {
        "state": WITHDRAWN,
        "reason": f"the swarm's owner withdrew what {member.name} measured",
        "decided_by": "",
        "decided": now(connection),
        "verified": None,
        "score": None,
    }
    for id in connection.execute(found).scalars().all():
        connection.execute(update(results).where(results.c.id == id).values(changed))
        claims.undo(connection, id)


def _anew(connection: Connection, row: Any, reason: str) -> None:
    """Settle a result, a row, by the verdicts that are left."""
    known = connection.execute(select(contracts).where(contracts.c.contract == row.contract)).one()
    klass = Klass(contract=row.contract, gpu=row.gpu, metric=known.metric, direction=known.direction)
    last = (
        select(members.c.name)
        .join(verdicts, verdicts.c.member == members.c.id)
        .where(verdicts.c.result == row.id)
        .order_by(verdicts.c.stored.desc())
        .limit(1)
    )
    verification.settle(connection, row, klass, connection.execute(last).scalar() or "", reason)
