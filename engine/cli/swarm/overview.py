"""swarm overview: everything that the console's swarm screen shows, in one document."""

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from engine.cli.output import Output, safe
from engine.cli.swarm import rows
from engine.cli.swarm.belonging import add_swarm, belonging, class_of, membership_of
from engine.cli.swarm.standing import is_revoked, taken_and_given
from engine.cli.trouble import DONE
from engine.session.journal import read
from engine.swarm.api import Lease, Member, Row, Swarm, SwarmError, Unreachable
from engine.swarm.records import Hypothesis, Klass, Result

MOST, FEED = 100, 300
"""Rows of each part, and of the feed, from which the members' pace is taken as well."""
HOUR_S, LEAST_S = 3600.0, 600.0
"""A pace is that of the last hour; of a shorter time, but not of a moment, where the feed goes back no further."""

Documents = list[dict[str, Any]]


class Place(msgspec.Struct, frozen=True):
    """A line of the leaderboard as the swarm tells it; one of other types is left out."""

    contract: str
    gpu: str
    member: str
    name: str
    results: int
    keeps: int
    last: float
    direction: str = "lower"
    verified: float | None = None
    reported: float | None = None


class News(msgspec.Struct, frozen=True):
    """An entry of the feed as the swarm tells it."""

    id: str
    kind: str
    at: float
    name: str
    text: str = ""
    state: str = ""
    metric: float | None = None
    gpu: str = ""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_swarm(parser)
    parser.epilog = "It is made for programs: --json. For people there are status, leaderboard, claims and the others."


def run(args: argparse.Namespace, out: Output) -> int:
    """From the session alone, and from the swarm where it answers."""
    paths, membership = membership_of(args)
    state = read(paths.journal)
    klass = class_of(paths, state)
    document: dict[str, Any] = {
        "session": paths.name, "swarm": membership.title, "where": membership.where, "name": membership.name,
        "class": klass, **taken_and_given(paths, membership, state), "reachable": True, "revoked": False,
        "trouble": "",
    }  # fmt: skip
    try:
        document |= gathered(belonging(args).swarm, membership.swarm, membership.member, klass)
        document["revoked"] = any(one["revoked"] for one in document["members"] if one["own"])
    except Unreachable as error:
        document |= {"reachable": False, "trouble": str(error)}
    except SwarmError as error:
        if not is_revoked(error):
            raise
        document |= {"reachable": False, "revoked": True, "trouble": str(error)}
    counts = ", ".join(f"{len(part)} {name}" for name, part in document.items() if name in _PARTS)
    out.result(document, safe(f"{membership.title}: {counts or document['trouble']}; --json has it all"))
    return DONE


_PARTS = ("members", "leaderboard", "feed", "claims", "hypotheses", "queue")


def gathered(swarm: Swarm, id: str, own: str, klass: Klass | None) -> dict[str, Any]:
    """What the swarm with this id holds, as member `own` of the class sees it. Errors: SwarmError."""
    welcome = swarm.connect()
    feed = _told(swarm.feed(0, FEED), News)[::-1]
    best, newest = swarm.best(None)[:MOST], swarm.results(klass, limit=MOST)
    queue = rows.checked(swarm.queue(klass) if klass else [], id)
    known = [(row, body) for row, body in [*rows.checked([*best, *newest], id), *queue] if isinstance(body, Result)]
    ideas = [row for state in ("open", "claimed") for row in swarm.hypotheses(klass, state, MOST)]
    return {
        "now": welcome.now,
        "members": [_member(one, own, feed, welcome.now, welcome.lease_s) for one in swarm.members()[: 2 * MOST]],
        "leaderboard": [_place(one, own, known, klass) for one in _told(swarm.leaderboard(None), Place)[: 2 * MOST]],
        "feed": [msgspec.to_builtins(one) for one in feed[:MOST]],
        "claims": [_lease(one, own) for one in swarm.claims(klass.contract if klass else "")[:MOST]],
        "hypotheses": [
            {"id": row.record.id, "name": row.name, "at": row.stored, "state": row.state, "text": body.text,
             "evidence": body.evidence, "priority": body.priority}
            for row, body in rows.checked(ideas, id) if isinstance(body, Hypothesis)
        ],
        "queue": [_waiting(row, body, own) for row, body in queue[:MOST] if isinstance(body, Result)],
    }  # fmt: skip


def _told(entries: Iterable[Mapping[str, Any]], kind: type[Any]) -> list[Any]:
    """The entries that are what they should be; they are not signed, so nothing is taken for granted."""
    found = []
    for entry in entries:
        try:
            found.append(msgspec.convert(entry, kind))
        except msgspec.ValidationError:
            continue
    return found


def _member(one: Member, own: str, feed: list[News], now: float, lease_s: float) -> dict[str, Any]:
    return {
        "name": one.name, "machine": one.machine, "gpu": one.gpu, "joined": one.joined, "seen": one.seen,
        "revoked": one.revoked, "results": one.results, "own": one.id == own,
        "alive": not one.revoked and now - one.seen <= lease_s, "rate": pace(one, feed, now),
    }  # fmt: skip


def pace(one: Member, feed: list[News], now: float) -> float:
    """Results an hour, of the last hour; `feed` has the newest first."""
    back = now - feed[-1].at if len(feed) >= FEED else HOUR_S
    window = max(LEAST_S, min(HOUR_S, back, now - one.joined))
    told = sum(news.kind == "result" and news.name == one.name and now - news.at <= window for news in feed)
    return told * HOUR_S / window


def _place(one: Place, own: str, known: list[tuple[Row, Result]], klass: Klass | None) -> dict[str, Any]:
    """With the result that stands behind it, where that is among the known ones."""
    best = one.verified if one.verified is not None else one.reported
    found = next(
        ((row, body) for row, body in known if best is not None and row.record.member == one.member
         and (body.klass.contract, body.klass.gpu) == (one.contract, one.gpu)
         and best == (row.verified if row.verified is not None else body.metric)),
        None,
    )  # fmt: skip
    return {
        **msgspec.to_builtins(one), "own": one.member == own,
        "own_class": klass is not None and (one.contract, one.gpu) == (klass.contract, klass.gpu),
        "result": found[0].record.id if found else "", "description": found[1].description if found else "",
        "by": found[0].by if found else "", "reason": found[0].reason if found else "",
    }  # fmt: skip


def _lease(lease: Lease, own: str) -> dict[str, Any]:
    return {"id": lease.claim, "name": lease.name, "description": lease.description, "until": lease.until,
            "live": lease.live, "own": lease.member == own}  # fmt: skip


def _waiting(row: Row, body: Result, own: str) -> dict[str, Any]:
    return {"id": row.record.id, "name": row.name, "at": row.stored, "metric": body.metric, "state": row.state,
            "reason": row.reason, "description": body.description, "own": row.record.member == own}  # fmt: skip
