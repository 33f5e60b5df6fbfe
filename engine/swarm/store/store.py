"""The store: `api.Swarm` over one database. Every call is one transaction; nothing is decided outside of it."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Engine, func, insert, select
from sqlalchemy.engine import Connection

from engine.swarm import calls
from engine.swarm.api import Claimed, Lease, Member, Row, Stored, SwarmError, Unreachable, Welcome
from engine.swarm.canonical import NotCanonical
from engine.swarm.checks import claim as check_claim
from engine.swarm.checks import read as check_body
from engine.swarm.checks import steady
from engine.swarm.code import unpack
from engine.swarm.keys import check, check_record, member_of
from engine.swarm.records import Change, Klass, Record
from engine.swarm.schema import VERSION, codes, metadata, records, swarms
from engine.swarm.store import advice, claims, members, publish, queries, repeats, revocation, verification
from engine.swarm.store.clock import now
from engine.swarm.store.database import alone, transaction

LEASE_S = 900.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one member may send: `rate` calls a second, `burst` at once."""

    rate: float = 5.0
    burst: float = 200.0


class Store:
    """See `engine.swarm.api.Swarm`. `mail(address, code)` sends codes: with it, who joins proves an address."""

    def __init__(
        self, engine: Engine, limits: Limits | None = None, mail: Callable[[str, str], None] | None = None
    ) -> None:
        self.engine, self.limits, self.mail = engine, limits or Limits(), mail

    def create(self, name: str, lease_s: float = LEASE_S) -> Welcome:
        """Make the tables and the swarm; one that is there stays as it is. Errors: Unreachable."""
        with transaction(self.engine, True) as connection:
            alone(connection)  # two hubs that start at once make one swarm
            metadata.create_all(connection)
            if connection.execute(select(swarms.c.id)).first() is None:
                row = {"id": secrets.token_hex(16), "name": name, "version": VERSION, "lease_s": lease_s,
                       "created": now(connection)}  # fmt: skip
                connection.execute(insert(swarms).values(row))
        return self.connect()

    def connect(self) -> Welcome:
        """See Swarm. Errors: SwarmError("schema") for a swarm of another version."""
        with transaction(self.engine, False) as connection:
            return _welcome(connection)

    # the owner's

    def invite(self, uses: int = 1, hours: float = 168.0) -> str:
        """A token that `uses` people can join with."""
        with transaction(self.engine, True) as connection:
            return members.invite(connection, uses, hours)

    def revoke(self, name: str, results: bool = False) -> Member:
        """Take nothing more from a member, see `revocation.disown`; with `results` withdraw its own, too.

        Errors: SwarmError("member") where there is none, or one that was revoked before (but for `results`).
        """
        with transaction(self.engine, True) as connection:
            member = members.revoke(connection, name, again=results)
            alone(connection)  # after the member's row, as in `publish`: else the two wait for each other
            revocation.disown(connection, member)
            if results:
                revocation.withdraw(connection, member)
            repeats.stand_in(connection, member)
            return member

    def ban(self, result: str, why: str) -> list[Row]:
        """Ban the code of the result whose id begins so, see `revocation.ban`; the results of it that stood."""
        with transaction(self.engine, True) as connection:
            alone(connection)
            return queries.several(connection, revocation.ban(connection, result, why))

    def lift(self, result: str) -> list[Row]:
        """Take a ban back; the results that it was of."""
        with transaction(self.engine, True) as connection:
            alone(connection)
            return queries.several(connection, revocation.lift(connection, result))

    # joining

    def join(
        self, invitation: str, name: str, key: str, proof: str, email: str = "", machine: str = ""
    ) -> Member | None:
        """See Swarm."""
        swarm = self.connect().swarm
        _signed(key, calls.joining(swarm, invitation, name, key), proof)
        with transaction(self.engine, True) as connection:
            if self.mail is None:
                return members.admit(connection, invitation, name, key, email, machine)
            code = members.await_code(connection, invitation, name, key, email, machine)
        try:
            self.mail(email, code)  # not in the transaction: a slow mail server must hold up no one else
        except SwarmError:
            with transaction(self.engine, True) as connection:
                members.forget_code(connection, member_of(key))
            raise
        return None

    def verify(self, member: str, code: str) -> Member:
        """See Swarm."""
        with transaction(self.engine, True) as connection:
            found = members.prove(connection, member, code)
        if found is None:
            raise SwarmError("the code is wrong", "code")
        return found

    # members' calls

    @contextmanager
    def _paid(
        self, member: str, said: Callable[[Welcome, Member], None], gpu: str = "", durable: bool = False
    ) -> Iterator[tuple[Connection, Welcome, Member]]:
        """A transaction for a call that `said` finds signed by `member`, who pays for it also where it is refused."""
        refusal: SwarmError | None = None
        with transaction(self.engine, True, durable) as connection:
            welcome = _welcome(connection)
            caller = members.find(connection, member)
            said(welcome, caller)  # before the payment: a forger spends nobody's tokens
            members.spend(connection, caller, self.limits.rate, self.limits.burst, gpu)
            try:
                with connection.begin_nested():
                    yield connection, welcome, caller
            except SwarmError as error:
                refusal = error
        if refusal is not None:
            raise refusal

    def claim(self, member: str, change: Change, klass: Klass, signature: str, id: str, at: float) -> Claimed:
        """See Swarm."""
        check_claim(id, change, klass)

        def said(welcome: Welcome, caller: Member) -> None:
            _signed(caller.key, calls.claiming(welcome.swarm, member, id, at, change, klass), signature)

        with self._paid(member, said, klass.gpu) as (connection, welcome, _):
            found = claims.take(connection, member, id, change, welcome.lease_s)
        if found.state != "granted":
            return found
        try:
            with transaction(self.engine, False) as connection:  # what takes its time must not hold up other writers
                near = advice.newest(connection, change)
        except Unreachable:  # the claim stands without advice
            return found
        return msgspec.structs.replace(found, advice=advice.similar(near, change))

    def renew(self, member: str, claim: str, token: int, signature: str, at: float) -> float:
        """See Swarm."""

        def said(welcome: Welcome, caller: Member) -> None:
            _signed(caller.key, calls.holding("renew", welcome.swarm, member, claim, token, at), signature)

        with self._paid(member, said) as (connection, welcome, _):
            return claims.renew(connection, member, claim, token, welcome.lease_s)

    def release(self, member: str, claim: str, token: int, signature: str, at: float) -> None:
        """See Swarm."""

        def said(welcome: Welcome, caller: Member) -> None:
            _signed(caller.key, calls.holding("release", welcome.swarm, member, claim, token, at), signature)

        with self._paid(member, said) as (connection, _, _):
            claims.release(connection, member, claim, token)

    def publish(self, record: Record, code: dict[str, str] | None = None) -> Stored:
        """See Swarm."""
        body = check_body(record)
        steady(record)

        def said(welcome: Welcome, author: Member) -> None:
            if record.swarm != welcome.swarm:
                raise SwarmError("the record was made for another swarm", "signature")
            check_record(record, author.key)

        with self._paid(record.member, said, durable=True) as (connection, _, author):
            alone(connection)
            return publish.known(connection, record) or publish.take(connection, author, record, body, code)

    # readers' calls

    def code(self, hash: str) -> dict[str, str]:
        """See Swarm."""
        with transaction(self.engine, False) as connection:
            stored = connection.execute(select(codes.c.files).where(codes.c.hash == hash)).scalar()
        if stored is None:
            raise SwarmError("this code is not known here", "missing")
        return unpack(stored, hash)

    def best(self, klass: Klass | None = None, tier: str = "", member: str = "") -> list[Row]:
        """See Swarm."""
        with transaction(self.engine, False) as connection:
            return queries.best(connection, klass, tier, member)

    def result(self, id: str) -> Row | None:
        """See Swarm."""
        with transaction(self.engine, False) as connection:
            return next(iter(queries.result(connection, id)), None)

    def results(self, klass: Klass | None = None, state: str = "", member: str = "", limit: int = 50) -> list[Row]:
        """See Swarm."""
        with transaction(self.engine, False) as connection:
            return queries.newest(connection, klass, state, member, limit)

    def claims(self, contract: str = "", live: bool = True) -> list[Lease]:
        """See Swarm."""
        with transaction(self.engine, False) as connection:
            return claims.held(connection, contract, live)

    def hypotheses(self, klass: Klass | None = None, state: str = "open", limit: int = 50) -> list[Row]:
        """See Swarm."""
        with transaction(self.engine, False) as connection:
            return queries.hypotheses(connection, klass, state, limit)

    def insights(self, topic: str = "", klass: Klass | None = None, limit: int = 50) -> list[Row]:
        """See Swarm."""
        with transaction(self.engine, False) as connection:
            return queries.insights(connection, topic, klass, limit)

    def ask(self, text: str, limit: int = 20) -> list[Row]:
        """See Swarm."""
        with transaction(self.engine, False) as connection:
            return queries.ask(connection, text, limit)

    def leaderboard(self, klass: Klass | None = None) -> list[dict[str, Any]]:
        """See Swarm."""
        with transaction(self.engine, False) as connection:
            return queries.leaderboard(connection, klass)

    def feed(self, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """See Swarm."""
        with transaction(self.engine, False) as connection:
            return queries.feed(connection, after, limit)

    def members(self) -> list[Member]:
        """See Swarm."""
        with transaction(self.engine, False) as connection:
            return members.listed(connection)

    def queue(self, klass: Klass) -> list[Row]:
        """See Swarm."""
        with transaction(self.engine, False) as connection:
            return queries.several(connection, verification.waiting(connection, klass))

    def count(self) -> int:
        """How many records there are."""
        with transaction(self.engine, False) as connection:
            return int(connection.execute(select(func.count()).select_from(records)).scalar() or 0)


def _welcome(connection: Connection) -> Welcome:
    row = connection.execute(select(swarms, now(connection).label("now"))).first()
    if row is None:
        raise SwarmError("there is no swarm in this database; make one: overnight swarm init", "schema")
    if row.version != VERSION:
        raise SwarmError(f"the swarm is of version {row.version}, this program of {VERSION}", "schema")
    return Welcome(swarm=row.id, name=row.name, now=row.now, lease_s=row.lease_s, schema=VERSION)


def _signed(key: str, statement: Any, signature: str) -> None:
    member_of(key)
    try:
        check(key, statement, signature)
    except NotCanonical as error:
        raise SwarmError(f"the call cannot be signed: {error}", "bounds") from error
