"""Members: invited, joined by a key of their own, slowed when they flood, revoked by the swarm's owner."""

import hashlib
import re
import secrets
from typing import Any

from sqlalchemy import and_, case, delete, func, insert, literal, select, update
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from engine.swarm.api import Member, SwarmError
from engine.swarm.keys import member_of
from engine.swarm.schema import invitations, members, pending
from engine.swarm.store.clock import now

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
EMAIL = re.compile(r"[^@\s\x00-\x1f<>]{1,64}@[^@\s\x00-\x1f<>]{1,190}")
CODE_S, CODE_TRIES, CODE_AGAIN_S = 900.0, 5, 60.0


def hashed(secret: str) -> str:
    """What is stored of a secret: its sha256 (hex)."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def invite(connection: Connection, uses: int, hours: float) -> str:
    """A new invitation that `uses` people can join with, for `hours`."""
    token, clock = secrets.token_urlsafe(24), now(connection)
    row = {"hash": hashed(token), "made": clock, "until": clock + hours * 3600, "uses": uses}
    connection.execute(insert(invitations).values(row))
    return token


def admit(connection: Connection, invitation: str, name: str, key: str, email: str, machine: str) -> Member:
    """Use up one invitation and store the member. Joining again with the same key and name changes nothing.

    Errors: SwarmError: "bounds", "name", "invitation", "revoked".
    """
    known = _known(connection, name, key, email, machine)
    if known is not None:
        return known
    _use(connection, invitation)
    return store(connection, name, key, email, machine)


def _known(connection: Connection, name: str, key: str, email: str, machine: str) -> Member | None:
    if not NAME.fullmatch(name):
        raise SwarmError("a name has 1 to 32 letters, digits, dots, - and _, and begins with a letter or digit", "name")
    if email and not EMAIL.fullmatch(email):
        raise SwarmError("that is no e-mail address", "bounds")
    if len(machine) > 200:
        raise SwarmError("the machine's description has more than 200 characters", "bounds")
    member = member_of(key)
    row = connection.execute(select(members).where(members.c.id == member)).first()
    if row is not None:
        if row.revoked:
            raise SwarmError(
                "this key was revoked; ask the swarm's owner for a new invitation, with a new key", "revoked"
            )
        if row.name != name:
            raise SwarmError(f"this key is {row.name}'s already; a key has one name: --name {row.name}", "name")
        return read(row)
    taken = connection.execute(select(members.c.id).where(func.lower(members.c.name) == name.lower())).first()
    if taken is not None:
        raise SwarmError(f"the name {name} is another member's; choose another", "name")
    return None


def _use(connection: Connection, invitation: str) -> None:
    left = and_(invitations.c.hash == hashed(invitation), invitations.c.uses > 0,
                invitations.c.until > now(connection))  # fmt: skip
    used = connection.execute(update(invitations).where(left).values(uses=invitations.c.uses - 1))
    if used.rowcount != 1:
        raise SwarmError(
            "the invitation is unknown, used up or out of date; ask the swarm's owner for one", "invitation"
        )


def store(connection: Connection, name: str, key: str, email: str, machine: str) -> Member:
    """Store a member whose invitation was used. Errors: SwarmError("name") when another was quicker."""
    clock = now(connection)
    row = {"id": member_of(key), "name": name, "key": key, "email": email, "machine": machine,
           "joined": clock, "seen": clock}  # fmt: skip
    try:
        with connection.begin_nested():
            connection.execute(insert(members).values(row))
    except IntegrityError as error:
        raise SwarmError(f"the name {name} is another member's by now; choose another", "name") from error
    return find(connection, member_of(key))


def await_code(connection: Connection, invitation: str, name: str, key: str, email: str, machine: str) -> str:
    """Use an invitation and keep the member waiting; returns the code that must reach its address.

    Asking again with the same key, a minute later, gives a new code and uses nothing up. Errors: as `admit`, "rate".
    """
    if not email:
        raise SwarmError("this swarm proves addresses: give --email, a code is sent there", "bounds")
    member, code, clock = member_of(key), f"{secrets.randbelow(10**8):08d}", now(connection)
    _known(connection, name, key, email, machine)
    waiting = connection.execute(select(pending).where(pending.c.member == member)).first()
    if waiting is None:
        _use(connection, invitation)
    elif connection.execute(select(literal(waiting.until) - CODE_S + CODE_AGAIN_S > clock)).scalar():
        raise SwarmError("a code was sent a moment ago; look for it, and ask again in a minute", "rate")
    connection.execute(delete(pending).where(pending.c.member == member))
    row = {"member": member, "name": name, "key": key, "email": email, "machine": machine,
           "code": hashed(code), "tries": 0, "until": clock + CODE_S}  # fmt: skip
    connection.execute(insert(pending).values(row))
    return code


def forget_code(connection: Connection, member: str) -> None:
    """The code was not sent: it is of no use, and another may be asked for at once."""
    connection.execute(update(pending).where(pending.c.member == member).values(until=0.0))


def prove(connection: Connection, member: str, code: str) -> Member | None:
    """Admit a waiting member whose code is right; None = wrong (one try less, which must be committed).

    Errors: SwarmError("code"): none waits, out of date, too many tries.
    """
    row = connection.execute(select(pending).where(pending.c.member == member)).first()
    fresh = row is not None and connection.execute(select(pending.c.until > now(connection)).where(
        pending.c.member == member)).scalar()  # fmt: skip
    if row is None or not fresh or row.tries >= CODE_TRIES:
        raise SwarmError("no code is awaited of this key any more; join again for a new one", "code")
    if not secrets.compare_digest(row.code, hashed(code.strip())):
        connection.execute(update(pending).where(pending.c.member == member).values(tries=pending.c.tries + 1))
        return None
    connection.execute(delete(pending).where(pending.c.member == member))
    known = _known(connection, row.name, row.key, row.email, row.machine)
    return known or store(connection, row.name, row.key, row.email, row.machine)


def read(row: Row[Any]) -> Member:
    """A member's row as what readers get."""
    return Member(
        id=row.id, name=row.name, key=row.key, joined=row.joined, seen=row.seen, revoked=row.revoked,
        machine=row.machine, gpu=row.gpu, results=row.results,
    )  # fmt: skip


def find(connection: Connection, member: str) -> Member:
    """One member. Errors: SwarmError("member")."""
    row = connection.execute(select(members).where(members.c.id == member)).first()
    if row is None:
        raise SwarmError("no member of this swarm; join it with an invitation", "member")
    return read(row)


def listed(connection: Connection) -> list[Member]:
    """All members, whoever was heard of last first."""
    return [read(row) for row in connection.execute(select(members).order_by(members.c.seen.desc()).limit(1000))]


def heard(member: Member) -> None:
    """Errors: SwarmError("revoked") for one who is heard no more."""
    if member.revoked:
        raise SwarmError("this member was revoked by the swarm's owner", "revoked")


def spend(connection: Connection, caller: Member, rate: float, burst: float, gpu: str = "") -> None:
    """Whether `caller` is in good standing and does not flood: its token bucket loses one.

    `rate` tokens a second flow in, up to `burst`. Errors: SwarmError: "revoked", "rate".
    """
    clock = now(connection)
    passed = case((clock > members.c.budget_at, clock - members.c.budget_at), else_=0.0)  # clocks are set back at times
    flowed = members.c.budget + rate * passed
    filled = case((flowed > burst, burst), else_=flowed)
    changed = {"budget": filled - 1, "budget_at": clock, "seen": clock, **({"gpu": gpu} if gpu else {})}
    mine = and_(members.c.id == caller.id, members.c.revoked == 0)  # asked here: it may have changed since it was read
    paid = connection.execute(update(members).where(mine, flowed >= 1).values(changed))
    if paid.rowcount != 1:
        heard(find(connection, caller.id))
        raise SwarmError(f"too much at once: {rate:g} calls a second are taken; send the rest later", "rate")


def revoke(connection: Connection, name: str, again: bool = False) -> Member:
    """From now on nothing more is taken from the member; `again`: it may have been revoked before.

    Errors: SwarmError("member").
    """
    named = func.lower(members.c.name) == name.lower()
    row = connection.execute(select(members.c.id, members.c.revoked).where(named).with_for_update()).first()
    if row is None:
        raise SwarmError(f"no member {name} who could be revoked", "member")
    if row.revoked and not again:
        raise SwarmError(f"{name} was revoked before; --results withdraws what it measured, too", "member")
    if not row.revoked:
        connection.execute(update(members).where(members.c.id == row.id).values(revoked=now(connection)))
    return find(connection, row.id)
