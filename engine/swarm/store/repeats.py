"""Repeats of what counts no more: the first honest one of the same code takes its place."""

from sqlalchemy import and_, select
from sqlalchemy.engine import Connection

from engine.swarm.api import Member
from engine.swarm.schema import members, results
from engine.swarm.store import verification
from engine.swarm.store.ranking import RANKED


def stand_in(connection: Connection, member: Member) -> None:
    """Where a result of the revoked `member` is set aside or withdrawn, and another in good standing measured the same
    code, which was a repeat then, the first of those is reported: the shared baseline, told first by the wrong one, is
    the usual case. It is in doubt what a number was, and not the code; for that see `revocation.ban`.
    """
    of_code = (results.c.contract, results.c.gpu, results.c.fingerprint)
    gone = (
        select(*of_code)
        .where(results.c.member == member.id, results.c.state.in_(("quarantined", "withdrawn")))
        .distinct()
        .subquery()
    )
    same = and_(*(column == gone.c[column.name] for column in of_code))
    stood = {
        tuple(row) for row in connection.execute(select(*of_code).join(gone, same).where(results.c.state.in_(RANKED)))
    }
    repeats = (
        select(results)
        .join(gone, same)
        .join(members, members.c.id == results.c.member)
        .where(results.c.state == "repeat", results.c.status.in_(("keep", "discard")), members.c.revoked == 0)
        .order_by(results.c.seq)
    )
    for row in connection.execute(repeats).all():
        code = (row.contract, row.gpu, row.fingerprint)
        if code not in stood:
            stood.add(code)
            verification.anew(connection, row, "")
