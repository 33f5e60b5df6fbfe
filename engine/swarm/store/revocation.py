"""What the swarm's owner takes back: members, whose word counts as far as others bear it out, and code that cheats.

The signed records stay in any case.
"""

from typing import Any

from sqlalchemy import and_, delete, select, update
from sqlalchemy.engine import Connection

from engine.swarm.api import Member, SwarmError
from engine.swarm.records import Klass, decoded
from engine.swarm.schema import contracts, ideas, members, records, results, verdicts
from engine.swarm.store import claims, verification
from engine.swarm.store.clock import now

WITHDRAWN, BANNED = "withdrawn", "banned"
"""Of a revoked member, whose changes can be tried anew; of code that nobody is to try again."""


def disown(connection: Connection, member: Member) -> None:
    """The revoked member's verdicts count no more: what they decided is decided anew by those of others, or is as it
    was before anybody looked. What the member measured and nobody else did is set aside until somebody does. Others'
    hypotheses are in the state that others gave them."""
    claims.end(connection, member.id)  # whatever it tries, its result would be refused
    aside = {"state": "quarantined", "reason": verification.unsaid(member.name), "decided_by": "",
             "decided": now(connection), "score": None}  # fmt: skip
    alone = update(results).where(results.c.member == member.id, results.c.state == "reported")
    connection.execute(alone.values(aside))  # first: what others measured is weighed against the class's best below
    mine = verdicts.c.member == member.id
    ids = select(verdicts.c.result).where(mine)
    decided = results.c.state.not_in((WITHDRAWN, BANNED))
    rows = connection.execute(select(results).where(results.c.id.in_(ids), decided).order_by(results.c.seq)).all()
    connection.execute(update(results).where(results.c.id.in_(ids)).values(score=None, verified=None))
    connection.execute(delete(verdicts).where(mine))
    for row in rows:
        _anew(connection, row, f"the verdict of {member.name}, who was revoked, counts no more")
    _unmark(connection, member)


def withdraw(connection: Connection, member: Member) -> None:
    """None of the member's results counts any more, also where re-runs bore it out, for a cheat that is re-run cheats
    again; the changes can be tried anew, also those that it said had crashed."""
    own = and_(results.c.member == member.id, results.c.state.not_in((WITHDRAWN, BANNED)))
    claims.undo(connection, select(results.c.id).where(own))
    changed = {
        "state": WITHDRAWN,
        "reason": f"the swarm's owner withdrew what {member.name} measured",
        "decided_by": "",
        "decided": now(connection),
        "verified": None,
        "score": None,
    }
    connection.execute(update(results).where(own).values(changed))


def ban(connection: Connection, result: str, why: str) -> list[str]:
    """No result of this one's code counts in its contract, whoever told it or will, and nobody is to try it again: for
    a train.py that cheats, also where re-runs bore it out. The ids of those that stood. Errors: SwarmError."""
    row = _one(connection, result)
    same = and_(_same(row), results.c.state != BANNED)
    ids = list(connection.execute(select(results.c.id).where(same).order_by(results.c.seq)).scalars())
    changed = {"state": BANNED, "reason": f"banned by the swarm's owner: {why}", "decided_by": "",
               "decided": now(connection), "verified": None, "score": None}  # fmt: skip
    connection.execute(update(results).where(same).values(changed))
    claims.settle(connection, row.member, row.id, verification.change_of(connection, row.id))
    return ids


def lift(connection: Connection, result: str) -> list[str]:
    """Take a ban back: the first result of the code is decided by its verdicts, and others repeat it.

    The ids of them all. Errors: SwarmError.
    """
    row = _one(connection, result)
    banned = connection.execute(select(results).where(_same(row), results.c.state == BANNED).order_by(results.c.seq))
    measured: dict[str, str] = {}
    ids = []
    for one in banned.all():
        ids.append(one.id)
        first = measured.get(one.gpu)
        if one.status in ("crash", "checks_failed"):
            _set(connection, one.id, "failed", "")
        elif first is not None:
            _set(connection, one.id, "repeat", f"the same code has the result {first} already")
        else:
            measured[one.gpu] = one.id
            _anew(connection, one, "")
    return ids


def _one(connection: Connection, begins: str) -> Any:
    """The result, a row, whose id begins so. Errors: SwarmError("missing")."""
    named = results.c.id.startswith(begins.lower(), autoescape=True)
    found = connection.execute(select(results).where(named).limit(2)).all() if begins else []
    if len(found) != 1:
        many = "several results" if found else "no result"
        raise SwarmError(f"{begins!r} is the beginning of {many}; overnight swarm results lists them", "missing")
    return found[0]


def _same(row: Any) -> Any:
    """Results of this one's code, in its contract."""
    return and_(results.c.contract == row.contract, results.c.fingerprint == row.fingerprint)


def _set(connection: Connection, id: str, state: str, reason: str) -> None:
    connection.execute(update(results).where(results.c.id == id).values(state=state, reason=reason))


def _unmark(connection: Connection, member: Member) -> None:
    """Hypotheses that the revoked member claimed, tested or dropped are in the state that others gave them last."""
    told = select(records.c.record).where(records.c.kind == "hypothesis").order_by(records.c.seq)
    own = connection.execute(told.where(records.c.member == member.id)).scalars()
    marked = {about for text in own if (about := decoded(text).body.get("about"))}
    if not marked:
        return
    states: dict[str, str] = {}
    for text in connection.execute(told.join(members).where(members.c.revoked == 0)).scalars():
        record = decoded(text)
        about = record.body.get("about") or record.id
        if about in marked:
            states[about] = record.body.get("state", "open")
    for id, state in states.items():
        connection.execute(update(ideas).where(ideas.c.id == id).values(state=state))


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
