"""Claims: who tries which change now. Taken by one atomic statement, held by a lease, fenced by a token.

A change has two keys: its code as a whole, and its constants on the code that it starts from. Both are taken or none. A
lease that ran out can be taken by anybody; the token counts up then, and the result of whoever slept is refused.
"""

from typing import Any

from sqlalchemy import Select, and_, case, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from engine.swarm.api import Claimed, Lease, SwarmError
from engine.swarm.canonical import digest
from engine.swarm.checks import disbelieved
from engine.swarm.records import Change
from engine.swarm.schema import claims, contracts, members, results
from engine.swarm.store.clock import now

MOST_HELD = 64
"""Changes that one member may hold at a time: a lab's worth of GPUs, and not the whole space."""


def keys(change: Change) -> list[str]:
    """What a change is known by, the code's key first."""
    found = [digest([change.contract, change.fingerprint])]
    if change.params:
        found.append(digest([change.contract, change.base, change.params]))
    return found


def take(connection: Connection, member: str, claim: str, change: Change, lease_s: float) -> Claimed:
    """Claim `change` for `member`, in a transaction of its own. The same claim again is the same answer, extended.

    Errors: SwarmError("rate") for a member who holds MOST_HELD others.
    """
    wanted = keys(change)
    known = _blocked(connection, member, claim, wanted) or _done(connection, member, change)
    if known is not None:  # most often nothing need be tried
        return known
    _few(connection, member, claim)
    with connection.begin_nested() as attempt:
        rows = connection.execute(_statement(connection, member, claim, change, wanted, lease_s)).all()
        if len(rows) == len(wanted):
            mine = next(row for row in rows if row.key == wanted[0])
            return Claimed(state="granted", claim=claim, token=mine.token, until=mine.until)
        attempt.rollback()
    lost = Claimed(state="taken", said="somebody held it a moment ago; ask again")
    return _blocked(connection, member, claim, wanted) or lost


def _done(connection: Connection, member: str, change: Change) -> Claimed | None:
    """Whether this code has a result: also one that was run alone while another held the claim.

    What another member said and nobody can believe keeps nobody from trying (see `checks.disbelieved`).
    """
    rows = connection.execute(
        select(results.c.id, results.c.member, results.c.state, results.c.metric, members.c.name, contracts.c.metric
               .label("named"))
        .join(members, members.c.id == results.c.member)
        .join(contracts, contracts.c.contract == results.c.contract)
        .where(results.c.contract == change.contract, results.c.fingerprint == change.fingerprint)
        .order_by(results.c.seq)
    )  # fmt: skip
    for row in rows:
        if row.member == member or not disbelieved(row.state, row.metric, row.named):
            return Claimed(state="done", by=row.name, result=row.id)
    return None


def _few(connection: Connection, member: str, claim: str) -> None:
    live = claims.c.until > now(connection)
    others = and_(claims.c.member == member, claims.c.result == "", live, claims.c.claim != claim)
    if connection.execute(select(func.count(claims.c.claim.distinct())).where(others)).scalar_one() >= MOST_HELD:
        raise SwarmError(f"{MOST_HELD} changes are claimed by this member already; try those first", "rate")


def _statement(
    connection: Connection, member: str, claim: str, change: Change, wanted: list[str], lease_s: float
) -> Any:
    clock = now(connection)
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    rows = [
        {
            "key": key,
            "claim": claim,
            "contract": change.contract,
            "member": member,
            "description": change.description,
            "token": 1,
            "until": clock + lease_s,
            "result": "",
        }
        for key in sorted(wanted)  # in one order, whoever asks: no two can wait for each other
    ]
    insert = dialect.insert(claims).values(rows)
    new = insert.excluded
    own = and_(claims.c.claim == new.claim, claims.c.member == new.member)
    return insert.on_conflict_do_update(
        index_elements=[claims.c.key],
        set_={
            "claim": new.claim,
            "contract": new.contract,
            "member": new.member,
            "description": new.description,
            "token": case((own, claims.c.token), else_=claims.c.token + 1),
            "until": new.until,
        },
        where=and_(claims.c.result == "", or_(claims.c.until <= clock, own)),
    ).returning(claims.c.key, claims.c.token, claims.c.until)


def _blocked(connection: Connection, member: str, claim: str, wanted: list[str]) -> Claimed | None:
    """Why these keys cannot be had, if so: that one is done tells more than that one is held."""
    other = or_(claims.c.claim != claim, claims.c.member != member)
    held = and_(claims.c.until > now(connection), other)
    row = connection.execute(
        select(claims, members.c.name)
        .join(members, members.c.id == claims.c.member, isouter=True)
        .where(claims.c.key.in_(wanted), or_(claims.c.result != "", held))
        .order_by(claims.c.result.desc(), claims.c.until.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    who = row.name or row.member[:8]
    if row.result:
        return Claimed(state="done", by=who, result=row.result)
    return Claimed(state="taken", by="yourself" if row.member == member else who, until=row.until)


def renew(connection: Connection, member: str, claim: str, token: int, lease_s: float) -> float:
    """Extend the holder's lease, also one that ran out and that nobody took. Errors: SwarmError("token")."""
    held = and_(claims.c.claim == claim, claims.c.member == member, claims.c.result == "")
    _held(connection, member, claim, token)
    until = now(connection) + lease_s
    rows = connection.execute(update(claims).where(held).values(until=until).returning(claims.c.until)).all()
    return float(rows[0].until)


def release(connection: Connection, member: str, claim: str, token: int) -> None:
    """Give a claim back before its end. Errors: SwarmError("token")."""
    _held(connection, member, claim, token)
    mine = and_(claims.c.claim == claim, claims.c.member == member, claims.c.result == "")
    connection.execute(update(claims).where(mine).values(until=literal(0.0)))


def end(connection: Connection, member: str) -> None:
    """All leases of a member end now."""
    mine = and_(claims.c.member == member, claims.c.result == "", claims.c.until > now(connection))
    connection.execute(select(claims.c.key).where(mine).order_by(claims.c.key).with_for_update())  # as `_held` does
    connection.execute(update(claims).where(mine).values(until=literal(0.0)))


def finish(connection: Connection, member: str, claim: str, token: int, change: Change, result: str) -> None:
    """Mark a claimed change done by `result`: nobody can take it any more. Errors: SwarmError("token")."""
    _held(connection, member, claim, token, keys(change))
    mine = and_(claims.c.claim == claim, claims.c.member == member)
    connection.execute(update(claims).where(mine).values(result=result))


def undo(connection: Connection, ids: Select[Any] | list[str]) -> None:
    """What was done by results that nobody can believe, given by their ids, is free again."""
    connection.execute(update(claims).where(claims.c.result.in_(ids)).values(result="", until=literal(0.0)))


def settle(connection: Connection, member: str, result: str, change: Change) -> None:
    """Mark a change done that was run alone, unless somebody's lease on it runs or it is done already."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    rows = [
        {"key": key, "claim": result, "contract": change.contract, "member": member,
         "description": change.description, "token": 0, "until": 0.0, "result": result}
        for key in sorted(keys(change))
    ]  # fmt: skip
    insert = dialect.insert(claims).values(rows)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=[claims.c.key],
            set_={"result": result},
            where=and_(claims.c.result == "", claims.c.until <= now(connection)),
        )
    )


def _held(connection: Connection, member: str, claim: str, token: int, wanted: list[str] | None = None) -> None:
    rows = connection.execute(
        select(claims)
        .where(claims.c.claim == claim, claims.c.member == member, claims.c.result == "")
        .order_by(claims.c.key)  # as `take` does: no two wait for each other
        .with_for_update()
    ).all()
    if not any(row.token == token for row in rows):
        raise SwarmError("the claim is another's by now, or done: its lease ran out and its token is old", "token")
    if wanted is not None and {row.key for row in rows} != set(wanted):
        raise SwarmError("the result is not of the change that was claimed", "token")


def held(connection: Connection, contract: str = "", live: bool = True) -> list[Lease]:
    """Claims without a result, the one that ends last first; `live`: only those whose lease runs."""
    clock = connection.execute(select(now(connection))).scalar()  # a value: the planner can look it up in an index
    wanted = select(claims, members.c.name, (claims.c.until > clock).label("alive")).join(
        members, members.c.id == claims.c.member, isouter=True
    )
    wanted = wanted.where(claims.c.result == "").order_by(claims.c.until.desc()).limit(500)
    if contract:
        wanted = wanted.where(claims.c.contract == contract)
    if live:
        wanted = wanted.where(claims.c.until > clock)
    seen: dict[str, Lease] = {}
    for row in connection.execute(wanted):
        lease = Lease(
            claim=row.claim,
            member=row.member,
            name=row.name or row.member[:8],
            description=row.description,
            until=row.until,
            live=bool(row.alive),
            token=row.token,
        )
        seen.setdefault(row.claim, lease)
    return list(seen.values())
