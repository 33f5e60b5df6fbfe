"""What a member reads in its swarm: open hypotheses, insights, what others tried; as lines of text, which are data."""

import msgspec

from engine.session.inert import inert
from engine.swarm.api import Row, Swarm, SwarmError
from engine.swarm.checks import read
from engine.swarm.collective import Hints
from engine.swarm.foreign import result_of
from engine.swarm.keys import check_record
from engine.swarm.records import Hypothesis, Insight, Klass, Result

IDEAS, TRIED, CLAIMED, DONE = 8, 12, 64, 500
"""How many hypotheses, insights and tries of others are told, and how many claimed hypotheses and results are known."""
LINE = 400


class Reading(msgspec.Struct, frozen=True):
    """One look at the swarm: hints, the best result of the class, what waits to be verified, ids of the hypotheses that
    are open and of those that somebody tests now."""

    hints: Hints
    best: Row | None
    queue: tuple[Row, ...]
    open_ids: tuple[str, ...]
    claimed_ids: tuple[str, ...]
    best_metric: float | None


def look(swarm: Swarm, klass: Klass, member: str, id: str) -> Reading:
    """Read what is new for a session of this class. Errors: SwarmError."""
    results = _checked(swarm.results(klass, limit=DONE), id)
    hypotheses = swarm.hypotheses(klass, "open", IDEAS)
    insights = [row for row in swarm.insights("", klass, 2 * IDEAS) if row.record.member != member][:IDEAS]
    bests = _checked(swarm.best(klass), id)
    others = [(row, body) for row, body in results if row.record.member != member][:TRIED]
    open_ones = [(row, said) for row in hypotheses if (said := _idea(row, id))]
    sections = (
        ("The best of this class", tuple(_best(row, body) for row, body in bests)),
        ("Open hypotheses; name the id of one that you test", tuple(f"[{r.record.id[:8]}] {s}" for r, s in open_ones)),
        ("Insights", tuple(said for row in insights if (said := _idea(row, id)))),
        ("What others tried lately, the newest first", tuple(_try(row, body) for row, body in others)),
    )
    best = bests[0] if bests else None
    return Reading(
        hints=Hints(
            sections=tuple((title, lines) for title, lines in sections if lines),
            done=frozenset(body.change.fingerprint for _, body in results),
        ),
        best=best[0] if best else None,
        queue=tuple(row for row in swarm.queue(klass) if row.record.member != member),
        open_ids=tuple(row.record.id for row, _ in open_ones),
        claimed_ids=tuple(row.record.id for row in swarm.hypotheses(klass, "claimed", CLAIMED)),
        best_metric=best[1].metric if best else None,
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


def _idea(row: Row, id: str) -> str:
    """A hypothesis or insight as a line; "" for one that its member did not sign."""
    try:
        if row.record.swarm != id:
            return ""
        check_record(row.record, row.key)
        body = read(row.record)
    except SwarmError:
        return ""
    if not isinstance(body, Hypothesis | Insight):
        return ""
    urgent = f", priority {body.priority}" if isinstance(body, Hypothesis) else ""
    evidence = f"; evidence: {body.evidence}" if body.evidence else ""
    return line(f"{body.text} ({row.name}{urgent}{evidence})")


def _try(row: Row, body: Result) -> str:
    return line(f"{row.name}: {body.description} → {outcome(row, body)}")


def _best(row: Row, body: Result) -> str:
    return line(f"{outcome(row, body)} by {row.name}, {row.state}: {body.description}")


def outcome(row: Row, body: Result) -> str:
    """A result in a few words: its status and metric."""
    metric = row.verified if row.verified is not None else body.metric
    return body.status if metric is None else f"{body.klass.metric} {metric:.6f}, {body.status}"


def line(text: str) -> str:
    """Somebody's text as one harmless line of bounded length."""
    flat = " ".join(inert(text, newlines=True).split())
    return flat if len(flat) <= LINE else flat[: LINE - 1] + "…"
