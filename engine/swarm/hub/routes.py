"""The table of calls: from it come the handlers, the OpenAPI page and the client's addresses."""

from collections.abc import Callable
from typing import Any, NamedTuple

from engine.swarm.api import Claimed, Lease, Member, Row, Stored, SwarmError, Welcome
from engine.swarm.hub import messages as m
from engine.swarm.records import Klass
from engine.swarm.store.store import Store


class Route(NamedTuple):
    """`takes` is read from the query of a GET and the body of a POST. `open`: needs no member's signature."""

    name: str
    method: str
    takes: type[Any]
    gives: Any
    call: Callable[[Store, Any], Any]
    summary: str
    open: bool = False

    @property
    def path(self) -> str:
        """Where it is."""
        return f"/v1/{self.name}"


def _renew(store: Store, a: m.Hold) -> m.Until:
    return m.Until(until=store.renew(a.member, a.claim, a.token, a.signature, a.at))


def _release(store: Store, a: m.Hold) -> m.Nothing:
    store.release(a.member, a.claim, a.token, a.signature, a.at)
    return m.Nothing()


def _join(store: Store, a: m.Join) -> m.Joined:
    return m.Joined(member=store.join(a.invitation, a.name, a.key, a.proof, a.email, a.machine))


def _result(store: Store, a: m.OneResult) -> Row:
    row = store.result(a.id)
    if row is None:
        raise SwarmError("there is no result of this id", "missing")
    return row


ROUTES: tuple[Route, ...] = (
    Route("connect", "GET", m.Nothing, Welcome, lambda s, a: s.connect(), "which swarm this is, and its clock", True),
    Route("join", "POST", m.Join, m.Joined, _join, "become a member, with an invitation and a key", True),
    Route(
        "verify", "POST", m.Verify, Member, lambda s, a: s.verify(a.member, a.code), "give the e-mailed code back", True
    ),
    Route(
        "claim",
        "POST",
        m.Claim,
        Claimed,
        lambda s, a: s.claim(a.member, a.change, a.klass, a.signature, a.id, a.at),
        "claim a change before it is run",
        True,
    ),
    Route("renew", "POST", m.Hold, m.Until, _renew, "extend a claim's lease", True),
    Route("release", "POST", m.Hold, m.Nothing, _release, "give a claim back", True),
    Route(
        "publish",
        "POST",
        m.Publish,
        Stored,
        lambda s, a: s.publish(a.record, a.code),
        "store a signed record: a result, a hypothesis, an insight, a verdict",
        True,
    ),
    Route("code", "GET", m.Code, dict[str, str], lambda s, a: s.code(a.hash), "the files of a result, by their hash"),
    Route("result", "GET", m.OneResult, Row, _result, "one result"),
    Route(
        "best_result",
        "GET",
        m.Best,
        list[Row],
        lambda s, a: s.best(a.klass, a.tier, a.member),
        "the best of each class",
    ),
    Route(
        "results",
        "GET",
        m.Results,
        list[Row],
        lambda s, a: s.results(a.klass, a.state, a.member, a.limit),
        "results, the newest first",
    ),
    Route("claims", "GET", m.Leases, list[Lease], lambda s, a: s.claims(a.contract, a.live), "who tries what now"),
    Route(
        "hypotheses",
        "GET",
        m.Hypotheses,
        list[Row],
        lambda s, a: s.hypotheses(a.klass, a.state, a.limit),
        "what is worth trying, the most urgent first",
    ),
    Route(
        "insights",
        "GET",
        m.Insights,
        list[Row],
        lambda s, a: s.insights(a.topic, a.klass, a.limit),
        "what was learnt, the newest first",
    ),
    Route("ask", "GET", m.Ask, list[Row], lambda s, a: s.ask(a.text, a.limit), "what speaks of a text"),
    Route(
        "leaderboard",
        "GET",
        m.OfClass,
        list[dict[str, Any]],
        lambda s, a: s.leaderboard(a.klass),
        "each class's members by their best",
    ),
    Route(
        "feed", "GET", m.Feed, list[dict[str, Any]], lambda s, a: s.feed(a.after, a.limit), "what happened, in order"
    ),
    Route("members", "GET", m.Nothing, list[Member], lambda s, a: s.members(), "who is in the swarm"),
    Route(
        "queue",
        "GET",
        m.Waiting,
        list[Row],
        lambda s, a: s.queue(Klass(contract=a.contract, gpu=a.gpu)),
        "results that wait to be verified by their class",
    ),
)
