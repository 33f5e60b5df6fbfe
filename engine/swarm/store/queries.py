"""What readers ask of the store: rows with the signed records themselves, to be checked again."""

from typing import Any

from sqlalchemy import Select, and_, case, func, or_, select
from sqlalchemy.engine import Connection

from engine.swarm.api import Row
from engine.swarm.records import Klass, decoded
from engine.swarm.schema import ideas, members, records, results, standings
from engine.swarm.store.ranking import RANKED, metric_of

MOST = 500
"""Rows of one answer."""
SHARE, AMONG = 8, 2000
"""Of each member so many ideas stand before the next so many of anybody; among so many the choice is made."""
ASKED = 8
"""Words of a question that are looked for."""


def _rows(connection: Connection, wanted: Select[Any]) -> list[Row]:
    """Rows of results or ideas joined with their record and author."""
    return [
        Row(
            record=decoded(row.record),
            key=row.key,
            name=row.name,
            stored=row.stored,
            state=row.state,
            reason=getattr(row, "reason", "") or "",
            by=getattr(row, "decided_by", "") or "",
            decided=getattr(row, "decided", 0.0) or 0.0,
            verified=getattr(row, "verified", None),
        )
        for row in connection.execute(wanted)
    ]


def _results() -> Select[Any]:
    return (
        select(
            records.c.record,
            records.c.stored,
            members.c.key,
            members.c.name,
            results.c.state,
            results.c.reason,
            results.c.decided_by,
            results.c.decided,
            results.c.verified,
        )
        .join_from(results, records, records.c.id == results.c.id)
        .join(members, members.c.id == results.c.member)
    )


def best(connection: Connection, klass: Klass | None, tier: str, member: str) -> list[Row]:
    """The best of a class, or of each class (of a tier); of one member where it is named. Verified stand first."""
    wanted = select(standings.c.contract, standings.c.gpu).distinct().limit(MOST)
    if klass is not None:
        wanted = wanted.where(standings.c.contract == klass.contract, standings.c.gpu == klass.gpu)
    if tier:
        wanted = wanted.where(standings.c.tier == tier)
    if member:
        wanted = wanted.where(standings.c.member == member)
    classes = wanted.order_by(standings.c.contract, standings.c.gpu).subquery()
    tops = []
    for state in RANKED:  # one look into an index for each class and state
        of_class = and_(results.c.contract == classes.c.contract, results.c.gpu == classes.c.gpu)
        top = select(results.c.id).where(of_class, results.c.state == state, results.c.score.is_not(None))
        if member:
            top = top.where(results.c.member == member)
        tops.append(top.order_by(results.c.score).limit(1).correlate(classes).scalar_subquery())
    ids = connection.execute(select(func.coalesce(*tops)).select_from(classes)).scalars()
    return several(connection, [id for id in ids if id is not None])


def newest(connection: Connection, klass: Klass | None, state: str, member: str, limit: int) -> list[Row]:
    """Results, the newest first."""
    wanted = _results().order_by(results.c.seq.desc()).limit(min(max(limit, 1), MOST))
    if klass is not None:
        wanted = wanted.where(results.c.contract == klass.contract, results.c.gpu == klass.gpu)
    if state:
        wanted = wanted.where(results.c.state == state)
    if member:
        wanted = wanted.where(results.c.member == member)
    return _rows(connection, wanted)


def result(connection: Connection, id: str) -> list[Row]:
    """One result, or none."""
    return _rows(connection, _results().where(results.c.id == id))


def several(connection: Connection, ids: list[str]) -> list[Row]:
    """These results, in this order."""
    rows = {row.record.id: row for row in _rows(connection, _results().where(results.c.id.in_(ids)))}
    return [rows[id] for id in ids if id in rows]


def _ideas(kind: str) -> Select[Any]:
    """Those of members in good standing: a flood of words ends with its author's revocation, the feed keeps them."""
    return (
        select(records.c.record, records.c.stored, members.c.key, members.c.name, ideas.c.state)
        .join_from(ideas, records, records.c.id == ideas.c.id)
        .join(members, members.c.id == records.c.member)
        .where(ideas.c.kind == kind, members.c.revoked == 0)
    )


def _fits(wanted: Select[Any], klass: Klass | None) -> Select[Any]:
    """Ideas of no class fit all; those of a contract fit its GPUs."""
    if klass is None:
        return wanted
    mine = and_(ideas.c.contract == klass.contract, ideas.c.gpu.in_(("", klass.gpu)))
    return wanted.where(or_(ideas.c.contract == "", mine))


def _shared(kind: str, wanted: Select[Any], *order: Any) -> Select[Any]:
    """The first AMONG of `wanted`, ideas of this kind, in this order, but so that no member crowds out the others:
    SHARE of each, then the next SHARE of each …"""
    chosen = wanted.with_only_columns(ideas.c.id, ideas.c.priority, ideas.c.seq, records.c.member)
    first = chosen.order_by(*order).limit(AMONG).subquery()
    own = [first.c.priority, first.c.seq.desc()]  # insights have one priority
    nth = func.row_number().over(partition_by=first.c.member, order_by=own)
    turns = select(first.c.id, ((nth - 1) // SHARE).label("turn")).subquery()
    return _ideas(kind).join(turns, turns.c.id == ideas.c.id).order_by(turns.c.turn, *order)


def hypotheses(connection: Connection, klass: Klass | None, state: str, limit: int) -> list[Row]:
    """Hypotheses that fit, the most urgent first, then the newest; see `_shared`."""
    wanted = _fits(_ideas("hypothesis"), klass)
    if state:
        wanted = wanted.where(ideas.c.state == state)
    wanted = _shared("hypothesis", wanted, ideas.c.priority, ideas.c.seq.desc())
    return _rows(connection, wanted.limit(min(max(limit, 1), MOST)))


def insights(connection: Connection, topic: str, klass: Klass | None, limit: int) -> list[Row]:
    """Insights that fit, the newest first, see `_shared`; `topic` is looked for in topic and text."""
    wanted = _fits(_ideas("insight"), klass)
    if topic:
        wanted = wanted.where(or_(_has(ideas.c.topic, topic), _has(ideas.c.text, topic)))
    wanted = _shared("insight", wanted, ideas.c.seq.desc())
    return _rows(connection, wanted.limit(min(max(limit, 1), MOST)))


def _has(column: Any, text: str) -> Any:
    return func.lower(column).contains(text.lower(), autoescape=True)


def ask(connection: Connection, text: str, limit: int) -> list[Row]:
    """What speaks of any word of `text`: insights, hypotheses, then results, none of them crowding out the others.

    Of each kind those with the most of the words stand first, then the newest. Words of less than three letters count
    only where there are no others.
    """
    most, every = min(max(limit, 1), MOST), list(dict.fromkeys(text.split()))
    words = ([word for word in every if len(word) > 2] or every)[:ASKED]
    if not words:
        return []

    def speaking(wanted: Select[Any], seq: Any, *columns: Any) -> list[Row]:
        told = [or_(*(_has(column, word) for column in columns)) for word in words]
        score = sum((case((one, 1), else_=0) for one in told[1:]), case((told[0], 1), else_=0))
        return _rows(connection, wanted.where(or_(*told)).order_by(score.desc(), seq.desc()).limit(most))

    kinds = [
        speaking(_ideas("insight"), ideas.c.seq, ideas.c.topic, ideas.c.text),
        speaking(_ideas("hypothesis"), ideas.c.seq, ideas.c.text),
        speaking(_results(), results.c.seq, results.c.description),
    ]
    share = -(-most // len(kinds))
    room = most - sum(len(rows[:share]) for rows in kinds)
    found: list[Row] = []
    for rows in kinds:
        more = rows[share : share + max(0, room)]
        room -= len(more)
        found += [*rows[:share], *more]
    return found[:most]


def leaderboard(connection: Connection, klass: Klass | None) -> list[dict[str, Any]]:
    """For each class its members with their best, verified ones first: served by one index look-up a member."""
    own = and_(
        results.c.contract == standings.c.contract,
        results.c.gpu == standings.c.gpu,
        results.c.member == standings.c.member,
    )
    bests = {
        state: select(func.min(results.c.score))
        .where(own, results.c.state == state)
        .correlate(standings)
        .scalar_subquery()
        .label(state)
        for state in RANKED
    }
    wanted = select(standings, members.c.name, bests["verified"], bests["reported"]).join(
        members, members.c.id == standings.c.member
    )
    if klass is not None:
        wanted = wanted.where(standings.c.contract == klass.contract, standings.c.gpu == klass.gpu)
    rows = connection.execute(wanted.order_by(standings.c.last.desc()).limit(MOST)).all()
    found = []
    for row in rows:
        scores = {state: getattr(row, state) for state in RANKED}
        shown = {state: metric_of(s, row.direction) for state, s in scores.items() if s is not None}
        found.append(
            {
                "contract": row.contract,
                "gpu": row.gpu,
                "tier": row.tier,
                "member": row.member,
                "name": row.name,
                "results": row.results,
                "keeps": row.keeps,
                "last": row.last,
                "direction": row.direction,
                "verified": shown.get("verified"),
                "reported": shown.get("reported"),
            }
        )

    def place(entry: dict[str, Any]) -> tuple[Any, ...]:
        sign = 1 if entry["direction"] == "lower" else -1
        best = entry["verified"] if entry["verified"] is not None else entry["reported"]
        return (entry["contract"], entry["gpu"], entry["verified"] is None, best is None, sign * (best or 0.0))

    return sorted(found, key=place)


def feed(connection: Connection, after: int, limit: int) -> list[dict[str, Any]]:
    """What was stored after the sequence number `after`, in order; with 0 the newest."""
    most = min(max(limit, 1), MOST)
    wanted = (
        select(
            records.c.seq,
            records.c.id,
            records.c.kind,
            records.c.stored,
            records.c.record,
            members.c.name,
            results.c.state,
            results.c.metric,
            results.c.gpu,
        )
        .join(members, members.c.id == records.c.member)
        .join(results, results.c.id == records.c.id, isouter=True)
    )
    wanted = (
        wanted.where(records.c.seq > after).order_by(records.c.seq) if after else wanted.order_by(records.c.seq.desc())
    )
    rows = connection.execute(wanted.limit(most)).all()
    found = [
        {
            "seq": row.seq,
            "id": row.id,
            "kind": row.kind,
            "at": row.stored,
            "name": row.name,
            "state": row.state or "",
            "metric": row.metric,
            "gpu": row.gpu or "",
            "text": _line(row.record),
        }
        for row in rows
    ]
    return found if after else found[::-1]


def _line(record: str) -> str:
    body = decoded(record).body
    if about := str(body.get("about") or ""):
        return f"{about[:8]} is {body.get('state')} now: {body.get('evidence') or body.get('text')}"[:300]
    return str(body.get("description") or body.get("text") or body.get("result") or "")[:300]
