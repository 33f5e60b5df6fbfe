"""Taking records in: checked, stored as they were signed, and read out into the tables that queries use."""

from typing import Any

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from engine.session.fingerprint import fingerprint
from engine.swarm import checks
from engine.swarm.api import Member, Stored, SwarmError
from engine.swarm.canonical import canonical
from engine.swarm.code import pack, unpack
from engine.swarm.records import Hypothesis, Insight, Record, Result, Verdict
from engine.swarm.schema import codes, ideas, members, records, results, standings
from engine.swarm.store import claims, verification
from engine.swarm.store.clock import now
from engine.swarm.store.ranking import RANKED, agree, best_metric, score_of
from engine.swarm.tiers import tier_of


def known(connection: Connection, record: Record) -> Stored | None:
    """What became of a record that came before. Errors: SwarmError("replay") for another one with its id."""
    row = connection.execute(select(records).where(records.c.id == record.id)).first()
    if row is None:
        return None
    if row.record.encode() != canonical(record):
        raise SwarmError("this id belongs to another record; an id is used once", "replay")
    state = connection.execute(select(results.c.state, results.c.reason).where(results.c.id == record.id)).first()
    if state is None:
        return Stored(id=record.id, state="stored", again=True)
    return Stored(id=record.id, state=state.state, reason=state.reason, again=True)


def take(connection: Connection, author: Member, record: Record, body: Any, files: dict[str, str] | None) -> Stored:
    """Store a record of a member in good standing, whose signature and `body` were checked. Errors: SwarmError.

    Nobody else publishes until the transaction ends (see `database.alone`).
    """
    clock = now(connection)
    row = {"id": record.id, "kind": record.kind, "member": record.member, "stored": clock,
           "record": canonical(record).decode()}  # fmt: skip
    inserted = connection.execute(insert(records).values(row).returning(records.c.seq, records.c.stored)).one()
    if isinstance(body, Result):
        return _result(connection, record, body, files, inserted.seq, inserted.stored)
    if isinstance(body, Verdict):
        return verification.judge(connection, author, record, body)
    return _idea(connection, record, body, inserted.seq)


def _result(
    connection: Connection, record: Record, body: Result, files: dict[str, str] | None, seq: int, stored: float
) -> Stored:
    agree(connection, body.klass)
    _keep_code(connection, body.code, files)
    _refuse_borrowed(connection, body, files)
    stands = results.c.state.in_(RANKED).label("stands")
    finished = connection.execute(
        select(results.c.id, stands)
        .where(results.c.contract == body.klass.contract, results.c.fingerprint == body.change.fingerprint)
        .where(results.c.gpu == body.klass.gpu, _stands(record.member))
        .order_by(stands.desc())
        .limit(1)
    ).first()
    if body.claim:
        claims.finish(connection, record.member, body.claim, body.token, body.change, record.id)
    else:
        claims.settle(connection, record.member, record.id, body.change)
    state, reason = "reported", ""
    if banned := _banned(connection, body):
        state, reason = "banned", banned
    elif finished is not None:
        state, reason = "repeat", f"the same code has the result {finished.id} already"
    elif body.status in ("crash", "checks_failed"):
        state = "failed"
    else:
        klass = body.klass
        reason = checks.unbelievable(body.metric, klass.direction, klass.metric, best_metric(connection, klass))
        state = "quarantined" if reason else state
    if checks.disbelieved(state, body.metric, body.klass.metric) and not (finished and finished.stands):
        claims.undo(connection, [record.id])
    believed = body.metric if state == "reported" else None
    row = {
        "id": record.id,
        "seq": seq,
        "contract": body.klass.contract,
        "gpu": body.klass.gpu,
        "tier": tier_of(body.klass.vram_gb),
        "member": record.member,
        "fingerprint": body.change.fingerprint,
        "code": body.code,
        "status": body.status,
        "metric": body.metric,
        "score": None if believed is None else score_of(believed, body.klass.direction),
        "seed": body.seed,
        "state": state,
        "reason": reason,
        "description": body.description,
        "stored": stored,
    }
    connection.execute(insert(results).values(row))
    _count(connection, record.member, body, stored)
    return Stored(id=record.id, state=state, reason=reason)


def _banned(connection: Connection, body: Result) -> str:
    """Why no result of this code counts; "" where its owner has nothing against it."""
    same = and_(results.c.contract == body.klass.contract, results.c.fingerprint == body.change.fingerprint)
    said = select(results.c.reason).where(same, results.c.state == "banned")
    plain = said.order_by(func.length(results.c.reason)).limit(1)  # without what was withdrawn, besides, of one author
    return connection.execute(plain).scalar() or ""


def _stands(member: str) -> Any:
    """Results of which another of the same code is a repeat. One that failed or is not believed hides nobody else's: a
    broken machine, or a lie told first, must not keep honest measurements out of the ranking."""
    return or_(
        results.c.state.in_(RANKED),
        and_(results.c.member == member, results.c.state != "failed"),
    )


def _keep_code(connection: Connection, hash: str, files: dict[str, str] | None) -> None:
    if connection.execute(select(codes.c.hash).where(codes.c.hash == hash)).first() is not None:
        if files is not None:
            pack(files, hash)  # a lie is refused also where it would not be stored
        return
    if files is None:
        raise SwarmError("the code of this result is not here yet; send it with the record", "code")
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = {"hash": hash, "files": pack(files, hash)}
    connection.execute(dialect.insert(codes).values(row).on_conflict_do_nothing(index_elements=[codes.c.hash]))


def _refuse_borrowed(connection: Connection, body: Result, files: dict[str, str] | None) -> None:
    """Whoever told of other code under a change's fingerprint would have that change pass for done, and the honest
    result of it for a repeat. Errors: SwarmError("code")."""
    told = select(results.c.id).where(
        results.c.contract == body.klass.contract,
        results.c.fingerprint == body.change.fingerprint,
        results.c.code == body.code,
    )
    if connection.execute(told.limit(1)).first() is not None:
        return
    if files is None:
        files = unpack(
            connection.execute(select(codes.c.files).where(codes.c.hash == body.code)).scalar_one(), body.code
        )
    if fingerprint(files) != body.change.fingerprint:
        raise SwarmError(
            "the fingerprint of this change is not that of its code: it is forged, or the member is of another version",
            "code",
        )


def _count(connection: Connection, member: str, body: Result, stored: float) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    kept = int(body.status == "keep")
    row = {
        "contract": body.klass.contract,
        "gpu": body.klass.gpu,
        "member": member,
        "tier": tier_of(body.klass.vram_gb),
        "direction": body.klass.direction,
        "results": 1,
        "keeps": kept,
        "last": stored,
    }
    added = {"results": standings.c.results + 1, "keeps": standings.c.keeps + kept, "last": stored}
    keys = [standings.c.contract, standings.c.gpu, standings.c.member]
    connection.execute(dialect.insert(standings).values(row).on_conflict_do_update(index_elements=keys, set_=added))
    changed = {"results": members.c.results + 1, "gpu": body.klass.gpu}
    connection.execute(update(members).where(members.c.id == member).values(changed))


def _idea(connection: Connection, record: Record, body: Any, seq: int) -> Stored:
    assert isinstance(body, Hypothesis | Insight)
    if isinstance(body, Hypothesis) and body.about:
        changed = update(ideas).where(ideas.c.id == body.about, ideas.c.kind == "hypothesis")
        if connection.execute(changed.values(state=body.state)).rowcount != 1:
            raise SwarmError("the hypothesis whose state this changes is not known here", "bounds")
        return Stored(id=record.id, state=body.state)
    klass = body.klass
    state = body.state if isinstance(body, Hypothesis) else "stored"
    row = {
        "id": record.id,
        "seq": seq,
        "kind": record.kind,
        "contract": klass.contract if klass else "",
        "gpu": klass.gpu if klass else "",
        "topic": body.topic if isinstance(body, Insight) else "",
        "text": body.text,
        "priority": body.priority if isinstance(body, Hypothesis) else 3,
        "state": state,
    }
    connection.execute(insert(ideas).values(row))
    return Stored(id=record.id, state=state)
