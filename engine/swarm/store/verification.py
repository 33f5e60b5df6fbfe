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
from engine.swarm.checks import LEAST_BPB, disbelieved, leap, unbelievable
from engine.swarm.records import Change, Klass, Record, Verdict, decoded
from engine.swarm.schema import contracts, members, records, results, verdicts
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
    if row.metric is None or row.state in ("repeat", "failed"):
        raise SwarmError("there is no metric to verify", "verdict")
    if row.state in ("withdrawn", "banned"):
        raise SwarmError(f"this result counts no more: {row.reason}", "verdict")
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


def change_of(connection: Connection, result: str) -> Change:
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
        doubt = _distrust(connection, result.member) or unbelievable(
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
        claims.undo(connection, [result.id])
    elif result.state in ("refuted", "repeat") and not disbelieved(
        state, result.metric, klass.metric
    ):  # it is done after all
        claims.settle(connection, result.member, result.id, change_of(connection, result.id))
    return state


def anew(connection: Connection, row: Any, reason: str) -> str:
    """Settle a result, a row, by the verdicts that are left; its state."""
    known = connection.execute(select(contracts).where(contracts.c.contract == row.contract)).one()
    klass = Klass(contract=row.contract, gpu=row.gpu, metric=known.metric, direction=known.direction)
    last = (
        select(members.c.name)
        .join(verdicts, verdicts.c.member == members.c.id)
        .where(verdicts.c.result == row.id)
        .order_by(verdicts.c.stored.desc())
        .limit(1)
    )
    return settle(connection, row, klass, connection.execute(last).scalar() or "", reason)


def _distrust(connection: Connection, author: str) -> str:
    """Why nothing is believed on the word of this member alone; "" for one in good standing."""
    row = connection.execute(select(members.c.name, members.c.revoked).where(members.c.id == author)).one()
    return unsaid(row.name) if row.revoked else ""


def unsaid(name: str) -> str:
    """Why a result of this revoked member is set aside."""
    return f"{name}, who was revoked, measured it, and nobody else has"


QUEUE, LOOKED_AT = 3, 2000
"""How many results of a kind wait to be re-run at once, and among how many that nobody has looked at yet is chosen."""


def waiting(connection: Connection, klass: Klass) -> list[str]:
    """Ids of the results that would be the class's best, were they verified, the best first; then those that are set
    aside, jumps and what only a revoked member measured, and last those that one member alone refuted, the newest
    first: a second one is asked, for the first may err or lie.

    One of a member at a time, its best: nobody can fill the queue and keep the others' GPUs busy, and none of those is
    looked at whose metric no re-run could make believable. What counts in the class says its contract, not `klass`.
    """
    known = connection.execute(select(contracts).where(contracts.c.contract == klass.contract)).first()
    if known is None:
        return []
    score = results.c.metric if known.direction == "lower" else -results.c.metric
    hopes = [results.c.contract == klass.contract, results.c.gpu == klass.gpu, results.c.metric > 0]
    if known.metric == "val_bpb":
        hopes.append(results.c.metric >= LEAST_BPB)
    hopeful = [results.c.state == "reported"]
    standing = best_score(connection, klass, "verified")
    if standing is not None:
        hopes.append(score < standing)
        hopeful.append(results.c.score < standing)  # the same once more, for the index
    judged = select(func.count()).where(verdicts.c.result == results.c.id).correlate(results).scalar_subquery()
    mine = select(results.c.id, results.c.seq, results.c.member, score.label("score")).where(*hopes)
    unseen = mine.where(*hopeful).order_by(results.c.score).limit(LOOKED_AT)
    aside = mine.where(results.c.state == "quarantined")
    doubted = mine.where(results.c.state == "refuted", judged == 1)
    asked = (_one_of_each(unseen), _one_of_each(aside), _one_of_each(doubted, newest=True))
    return [id for wanted in asked for id in connection.execute(wanted).scalars()]


def _one_of_each(wanted: Select[Any], newest: bool = False) -> Select[Any]:
    """Ids of the best of `wanted` of each member: the best of these first, or the newest."""
    each = wanted.subquery()
    place = func.row_number().over(partition_by=each.c.member, order_by=[each.c.score, each.c.seq]).label("place")
    of_all = select(each, place).subquery()
    order = of_all.c.seq.desc() if newest else of_all.c.score
    return select(of_all.c.id).where(of_all.c.place == 1).order_by(order, of_all.c.seq).limit(QUEUE)
