"""What a member reads in its swarm: open hypotheses, insights, what others tried; as lines of text, which are data."""

import msgspec

from engine.session.inert import inert
from engine.swarm.api import Row, Swarm, SwarmError
from engine.swarm.checks import disbelieved, read
from engine.swarm.collective import Hints, words
from engine.swarm.foreign import result_of
from engine.swarm.keys import check_record
from engine.swarm.records import Hypothesis, Insight, Klass, Result

IDEAS, TRIED, KNOWN, DONE = 8, 12, 64, 500
"""How many hypotheses, insights and tries of others are told; how many ideas of a kind and results are known."""
LINE = 400
_DOUBT = {
    "quarantined": "; nobody else has measured it, and it is not believed so far",
    "refuted": "; others measured it and refuted it",
    "withdrawn": "; withdrawn by the swarm's owner",
    "banned": "; the swarm's owner banned this code, so build nothing on it",
}


class Reading(msgspec.Struct, frozen=True):
    """One look at the swarm: hints, the best result of the class, what waits to be verified, the hypotheses that are
    open and those that somebody tests now (texts by id)."""

    hints: Hints
    best: Row | None
    queue: tuple[Row, ...]
    open: dict[str, str]
    claimed: dict[str, str]
    best_metric: float | None
    banned: dict[str, str] = {}
    """Own results whose code the owner banned: by id what is said of it."""


def look(swarm: Swarm, klass: Klass, member: str, id: str, topics: frozenset[str] = frozenset()) -> Reading:
    """Read what is new for a session of this class that is at these `topics` (see `words`). Errors: SwarmError."""
    results = _checked(swarm.results(klass, limit=DONE), id)
    hypotheses = _ideas(swarm.hypotheses(klass, "open", KNOWN), id)
    insights = _ideas([row for row in swarm.insights("", klass, KNOWN) if row.record.member != member], id)
    banned = {row.record.id for row, _ in results if row.state == "banned"}  # what such code taught misleads, too
    insights = [one for one in insights if not (isinstance(one[1], Insight) and banned.intersection(one[1].results))]
    insights.sort(key=lambda told: _off(told[1], topics))  # among equals the newest stay first
    bests = _checked(swarm.best(klass), id)
    others = [(row, body) for row, body in results if row.record.member != member][:TRIED]
    open_ones = [(row.record.id[:8], _idea(row, body)) for row, body in hypotheses[:IDEAS]]
    sections = (
        ("The best of this class", tuple(_best(row, body) for row, body in bests)),
        ("Open hypotheses; name the id of one that you test", tuple(f"[{short}] {said}" for short, said in open_ones)),
        ("Insights, those on what you tried lately first", tuple(_idea(*told) for told in insights[:IDEAS])),
        ("What others tried lately, the newest first", tuple(_try(row, body) for row, body in others)),
    )
    best = bests[0] if bests else None
    return Reading(
        hints=Hints(
            sections=tuple((title, lines) for title, lines in sections if lines),
            done=frozenset(
                body.change.fingerprint
                for row, body in results
                if row.record.member == member or not disbelieved(row.state, body.metric, body.klass.metric)
            ),
        ),
        best=best[0] if best else None,
        queue=tuple(row for row in swarm.queue(klass) if row.record.member != member),
        open=_texts(hypotheses),
        claimed=_texts(_ideas(swarm.hypotheses(klass, "claimed", KNOWN), id)),
        best_metric=best[1].metric if best else None,
        banned={
            row.record.id: f"run {body.run} ({row.reason})"
            for row, body in _checked(swarm.results(klass, "banned", member, KNOWN), id)
            if row.record.member == member  # in a night more results come than are known
        },
    )


def _checked(rows: list[Row], id: str) -> list[tuple[Row, Result]]:
    """Those that are what their members signed."""
    found = []
    for row in rows:
        try:
            found.append((row, result_of(row, id)))
        except SwarmError:
            continue
    return found


def _ideas(rows: list[Row], id: str) -> list[tuple[Row, Hypothesis | Insight]]:
    """The hypotheses and insights that are what their members signed."""
    found = []
    for row in rows:
        try:
            if row.record.swarm != id:
                continue
            check_record(row.record, row.key)
            body = read(row.record)
        except SwarmError:
            continue
        if isinstance(body, Hypothesis | Insight):
            found.append((row, body))
    return found


def _texts(ideas: list[tuple[Row, Hypothesis | Insight]]) -> dict[str, str]:
    return {row.record.id: body.text for row, body in ideas}


def _idea(row: Row, body: Hypothesis | Insight) -> str:
    """A hypothesis or insight as a line."""
    urgent = f", priority {body.priority}" if isinstance(body, Hypothesis) else ""
    evidence = f"; evidence: {body.evidence}" if body.evidence else ""
    return line(f"{body.text} ({row.name}{urgent}{evidence})")


def _off(body: Hypothesis | Insight, topics: frozenset[str]) -> tuple[bool, bool]:
    """How far from the topics an insight is; what a person wrote goes before what an experiment left."""
    said = f"{body.topic} {body.text}" if isinstance(body, Insight) else body.text
    return topics.isdisjoint(words(said)), isinstance(body, Insight) and bool(body.results)


def _try(row: Row, body: Result) -> str:
    return line(f"{row.name}: {body.description} → {weighed(row, body)}")


def _best(row: Row, body: Result) -> str:
    return line(f"{outcome(row, body)} by {row.name}, {row.state}: {body.description}")


def outcome(row: Row, body: Result) -> str:
    """A result in a few words: its status and metric."""
    metric = row.verified if row.verified is not None else body.metric
    return body.status if metric is None else f"{body.klass.metric} {metric:.6f}, {body.status}"


def weighed(row: Row, body: Result) -> str:
    """`outcome`, for a researcher: with what speaks against it."""
    return outcome(row, body) + _DOUBT.get(row.state, "")


def line(text: str) -> str:
    """Somebody's text as one harmless line of bounded length."""
    flat = " ".join(inert(text, newlines=True).split())
    return flat if len(flat) <= LINE else flat[: LINE - 1] + "…"
