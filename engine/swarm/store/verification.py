"""Verification: another member re-runs a would-be best under seeds of its own, and the class's noise decides.

A claim is accepted when it is better than the mean of the verifying trials by no more than SIGMAS times the noise of
one trial against a mean of n: sigma * sqrt(1 + 1 / n). The noise is pooled over the class's accepted verdicts and this
one (the usual pooled variance: the sum of squared deviations over the sum of n - 1), never below FLOOR and never above
CEILING: who pretends to much noise must not make every claim pass.
"""

from math import sqrt
from statistics import fmean
from typing import Any

import msgspec
from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.engine import Connection

from engine.swarm.api import Member, Stored, SwarmError
from engine.swarm.checks import leap, unbelievable
from engine.swarm.records import Change, Klass, Record, Verdict, decoded
from engine.swarm.schema import members, records, results, verdicts
from engine.swarm.store import claims
from engine.swarm.store.clock import now
from engine.swarm.store.ranking import agree, best_metric, best_score, score_of

SIGMAS = 3.0
FLOOR, CEILING = 0.0005, 0.02
"""Shares of the metric: what a change of seed costs on the quietest machine seen, and twice that of the noisiest."""


def judge(connection: Connection, by: Member, record: Record, body: Verdict) -> Stored:
    """Store a verdict and what follows from it. Errors: SwarmError("verdict") for one that proves nothing."""
    row = connection.execute(select(results).where(results.c.id == body.result).with_for_update()).first()
    if row is None:
        raise SwarmError("the result that this verdict is about is not known here", "verdict")
    if row.member == by.id:
        raise SwarmError("nobody verifies a result of its own", "verdict")
    if (row.contract, row.gpu) != (body.klass.contract, body.klass.gpu):
        raise SwarmError(f"this result is of the class {row.gpu}; only its own class can verify it", "verdict")
    if row.code != body.code:
        raise SwarmError("other code was run than the result's", "verdict")
    if row.seed in body.seeds:
        raise SwarmError("the verifying seeds must be others than the result's", "verdict")
    if row.metric is None or row.state == "repeat":
        raise SwarmError("there is no metric to verify", "verdict")
    if row.state == "withdrawn":
        raise SwarmError("the swarm's owner withdrew this result", "verdict")
    agree(connection, body.klass)
    before = connection.execute(
        select(verdicts.c.id).where(verdicts.c.result == body.result, verdicts.c.member == by.id)
    ).first()
    if before is not None:
        raise SwarmError("this member has judged this result already", "verdict")
    mean = fmean(body.metrics)
    squares = sum((metric - mean) ** 2 for metric in body.metrics)
    sigma = noise(connection, body.klass, row.metric, squares, len(body.metrics))
    worse = score_of(mean, body.klass.direction) - score_of(row.metric, body.klass.direction)
    if -worse > leap(row.metric):
        raise SwarmError(f"re-runs that are {-worse:.4f} better than the result itself prove nothing", "verdict")
    accepted = accepts(row.metric, mean, sigma, len(body.metrics), body.klass.direction)
    clock = now(connection)
    stored = {"id": record.id, "result": body.result, "contract": row.contract, "gpu": row.gpu, "member": by.id,
              "mean": mean, "squares": squares, "trials": len(body.metrics), "accepted": accepted,
              "stored": clock}  # fmt: skip
    connection.execute(insert(verdicts).values(stored))
    reason = (
        f"{by.name} measured {mean:.6f} over {len(body.metrics)} seeds, noise {sigma:.6f}:"
        f" {'agrees' if accepted else 'the claim is too good'}"
    )
    state = settle(connection, row, body.klass, by.name, reason)
    return Stored(id=record.id, state=state, reason=reason)


def _change(connection: Connection, result: str) -> Change:
    """The change that a stored result is of."""
    text = connection.execute(select(records.c.record).where(records.c.id == result)).scalar_one()
    return msgspec.convert(decoded(text).body["change"], Change)


def accepts(claimed: float, mean: float, sigma: float, trials: int, direction: str) -> bool:
    """Whether `claimed` is better than the mean of that many re-runs by no more than the noise allows."""
    return score_of(mean, direction) - score_of(claimed, direction) <= SIGMAS * sigma * sqrt(1 + 1 / trials)


def noise(connection: Connection, klass: Klass, metric: float, squares: float = 0.0, trials: int = 1) -> float:
    """The standard deviation of one trial in this class, pooled over its verdicts and one more; `metric`: its scale."""
    found = connection.execute(
        select(func.sum(verdicts.c.squares), func.sum(verdicts.c.trials - 1)).where(
            verdicts.c.contract == klass.contract, verdicts.c.gpu == klass.gpu, verdicts.c.accepted
        )
    ).one()
    freedom = (found[1] or 0) + trials - 1
    pooled = sqrt(((found[0] or 0.0) + squares) / freedom) if freedom > 0 else 0.0
    return min(CEILING * abs(metric), max(FLOOR * abs(metric), pooled))


def settle(connection: Connection, result: Any, klass: Klass, by: str, reason: str) -> str:
    """The state of `result`, a row, by the majority of its verdicts; in doubt it is set aside, and without any left it
    is what it was at first. What is refuted can be claimed again."""
    rows = connection.execute(select(verdicts).where(verdicts.c.result == result.id)).all()
    for_it = [row for row in rows if row.accepted]
    against = len(rows) - len(for_it)
    state = "verified" if len(for_it) > against else "refuted" if against > len(for_it) else "quarantined"
    trials = sum(row.trials for row in for_it)
    mean = sum(row.mean * row.trials for row in for_it) / trials if trials else None
    ranked = mean if state == "verified" else None
    if not rows:
        doubt = _unsaid(connection, result.member) or unbelievable(
            result.metric, klass.direction, klass.metric, best_metric(connection, klass)
        )
        state, reason = ("quarantined", doubt) if doubt else ("reported", reason)
        ranked = None if doubt else result.metric
    changed = {
        "state": state,
        "reason": reason,
        "decided_by": by,
        "decided": now(connection),
        "verified": mean if state == "verified" else None,
        "score": None if ranked is None else score_of(ranked, klass.direction),
    }
    connection.execute(update(results).where(results.c.id == result.id).values(changed))
    if state == "refuted":
        claims.undo(connection, result.id)
    elif result.state == "refuted":  # it is done after all
        claims.settle(connection, result.member, result.id, _change(connection, result.id))
    return state


def _unsaid(connection: Connection, author: str) -> str:
    """Why nothing is believed on the word of this member alone; "" for one in good standing."""
    row = connection.execute(select(members.c.name, members.c.revoked).where(members.c.id == author)).one()
    return f"{row.name}, who was revoked, measured it, and nobody else has" if row.revoked else ""


QUEUE, LOOKED_AT = 3, 60
"""How many results of a kind wait to be re-run at once, and among how many the queue chooses."""


def waiting(connection: Connection, klass: Klass) -> list[str]:
    """Ids of the results that would be the class's best, were they verified, the best first; then the newest jumps, and
    last those that one member alone refuted: a second one is asked, for the first may err or lie.

    One of a member at a time: nobody can fill the queue and keep the others' GPUs busy.
    """
    standing = best_score(connection, klass, "verified")
    mine = (
        select(results.c.id, results.c.member, results.c.metric)
        .where(results.c.contract == klass.contract, results.c.gpu == klass.gpu)
        .limit(LOOKED_AT)
    )
    hopeful = mine.where(results.c.state == "reported", results.c.score.is_not(None)).order_by(results.c.score)
    if standing is not None:
        hopeful = hopeful.where(results.c.score < standing)
    jumps = mine.where(results.c.state == "quarantined").order_by(results.c.seq.desc())
    judged = select(func.count()).where(verdicts.c.result == results.c.id).correlate(results).scalar_subquery()
    doubted = mine.where(results.c.state == "refuted", judged == 1)
    if standing is not None:
        doubted = doubted.where((results.c.metric if klass.direction == "lower" else -results.c.metric) < standing)
    doubted = doubted.order_by(results.c.seq.desc())
    return [id for wanted in (hopeful, jumps, doubted) for id in _one_of_each(connection, wanted, klass)]


def _one_of_each(connection: Connection, wanted: Select[Any], klass: Klass) -> list[str]:
    """Ids of `wanted`, one a member, less those whose metric no re-run could make believable."""
    found: dict[str, str] = {}
    for row in connection.execute(wanted):
        if not unbelievable(row.metric, klass.direction, klass.metric, None):
            found.setdefault(row.member, row.id)
    return list(found.values())[:QUEUE]
