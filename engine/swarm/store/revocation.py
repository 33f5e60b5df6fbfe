"""What the swarm's owner takes back: members, whose word counts as far as others bear it out, and code that cheats.

The signed records stay in any case.
"""

import re
from typing import Any

from sqlalchemy import and_, case, delete, literal, not_, select, update
from sqlalchemy.engine import Connection

from engine.swarm.api import Member, SwarmError
from engine.swarm.checks import disbelieved
from engine.swarm.records import decoded
from engine.swarm.schema import contracts, ideas, members, records, results, verdicts
from engine.swarm.store import claims, verification
from engine.swarm.store.clock import now
from engine.swarm.store.ranking import RANKED

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
        verification.anew(connection, row, f"the verdict of {member.name}, who was revoked, counts no more")
    _unmark(connection, member)


def withdraw(connection: Connection, member: Member) -> None:
    """None of the member's results counts any more, also where re-runs bore it out, for a cheat that is re-run cheats
    again; the changes can be tried anew, also those that it said had crashed. What is banned stays so until that is
    lifted, see `lift`."""
    why, mine = _withdrew(member.name), results.c.member == member.id
    own = and_(mine, results.c.state.not_in((WITHDRAWN, BANNED)))
    claims.undo(connection, select(results.c.id).where(own))
    changed = {
        "state": WITHDRAWN,
        "reason": why,
        "decided_by": "",
        "decided": now(connection),
        "verified": None,
        "score": None,
    }
    connection.execute(update(results).where(own).values(changed))
    unsaid = and_(mine, results.c.state == BANNED, not_(results.c.reason.endswith(why, autoescape=True)))
    connection.execute(update(results).where(unsaid).values(reason=results.c.reason + f"; {why}"))


def _withdrew(name: str) -> str:
    """What is said of a withdrawn result of this member; of a banned one, too, behind why it is banned."""
    return f"the swarm's owner withdrew what {name} measured"


def ban(connection: Connection, result: str, why: str) -> list[str]:
    """No result of this one's code counts in its contract, whoever told it or will, and nobody is to try it again: for
    a train.py that cheats, also where re-runs bore it out. The ids of those that stood. Errors: SwarmError."""
    row = _one(connection, result)
    same = and_(_same(row), results.c.state != BANNED)
    ids = list(connection.execute(select(results.c.id).where(same).order_by(results.c.seq)).scalars())
    said = f"banned by the swarm's owner: {why}"
    reason = case((results.c.state == WITHDRAWN, literal(f"{said}; ") + results.c.reason), else_=said)
    changed = {"state": BANNED, "reason": reason, "decided_by": "",
               "decided": now(connection), "verified": None, "score": None}  # fmt: skip
    connection.execute(update(results).where(same).values(changed))
    claims.settle(connection, row.member, row.id, verification.change_of(connection, row.id))
    return ids


def lift(connection: Connection, result: str) -> list[str]:
    """Take a ban back: the results of the code are decided by their verdicts, repeat another as when they came (see
    `publish`), or are withdrawn with their author. Where none of them can be believed the change is free again.

    The ids of them all. Errors: SwarmError.
    """
    row = _one(connection, result)
    named = select(results, members.c.name, contracts.c.metric.label("named"))
    named = named.join(members, members.c.id == results.c.member)
    named = named.join(contracts, contracts.c.contract == results.c.contract)
    banned = connection.execute(named.where(_same(row), results.c.state == BANNED).order_by(results.c.seq)).all()
    found: list[tuple[Any, str]] = []  # each with its state from now on
    for one in banned:
        told = [(other, state) for other, state in found if other.gpu == one.gpu and state != "failed"]
        ranked = [other for other, state in told if state in RANKED]
        first = next(iter([*ranked, *(other for other, _ in told if other.member == one.member)]), None)
        if one.reason.endswith(_withdrew(one.name)):
            state = _set(connection, one.id, WITHDRAWN, _withdrew(one.name))
        elif one.status in ("crash", "checks_failed"):
            state = _set(connection, one.id, "failed", "")
        elif first is not None:
            state = _set(connection, one.id, "repeat", f"the same code has the result {first.id} already")
        else:
            state = verification.anew(connection, one, "")
        found.append((one, state))
    ids = [one.id for one, _ in found]
    if all(disbelieved(state, one.metric, one.named) for one, state in found):
        claims.undo(connection, ids)
    return ids


def _one(connection: Connection, begins: str) -> Any:
    """The result, a row, whose id begins so. Errors: SwarmError("missing")."""
    named, some = results.c.id.startswith(begins.lower()), re.fullmatch("[0-9a-f]{1,32}", begins.lower())
    found = connection.execute(select(results).where(named).limit(2)).all() if some else []
    if len(found) != 1:
        many = "several results" if found else "no result"
        raise SwarmError(f"{begins[:40]!r} is the beginning of {many}; overnight swarm results lists them", "missing")
    return found[0]


def _same(row: Any) -> Any:
    """Results of this one's code, in its contract."""
    return and_(results.c.contract == row.contract, results.c.fingerprint == row.fingerprint)


def _set(connection: Connection, id: str, state: str, reason: str) -> str:
    connection.execute(update(results).where(results.c.id == id).values(state=state, reason=reason))
    return state


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
