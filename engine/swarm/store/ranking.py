"""What is best: a query over what was reported and verified; nobody writes it."""

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from engine.swarm.api import SwarmError
from engine.swarm.records import Klass
from engine.swarm.schema import contracts, results

RANKED = ("verified", "reported")
"""In this order: a verified result stands above every unverified one."""


def score_of(metric: float, direction: str) -> float:
    """What is ranked, lower first, whatever the metric's direction."""
    return metric if direction == "lower" else -metric


def metric_of(score: float, direction: str) -> float:
    """The metric again."""
    return score if direction == "lower" else -score


def agree(connection: Connection, klass: Klass) -> None:
    """One contract has one metric, in one direction: else who turns it round would be the best.

    Errors: SwarmError("bounds").
    """
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = {"contract": klass.contract, "metric": klass.metric, "direction": klass.direction}
    connection.execute(dialect.insert(contracts).values(row).on_conflict_do_nothing(index_elements=["contract"]))
    known = connection.execute(select(contracts).where(contracts.c.contract == klass.contract)).one()
    if (known.metric, known.direction) != (klass.metric, klass.direction):
        raise SwarmError(
            f"in this contract {known.metric} counts, {known.direction} is better; this record says {klass.metric},"
            f" {klass.direction}",
            "bounds",
        )


def best_score(connection: Connection, klass: Klass, state: str) -> float | None:
    """The best score of a class in one state (served by the index `results_ranked`)."""
    found = select(func.min(results.c.score)).where(
        results.c.contract == klass.contract, results.c.gpu == klass.gpu, results.c.state == state
    )
    return connection.execute(found).scalar()


def best_metric(connection: Connection, klass: Klass) -> float | None:
    """The class's best metric, verified or not."""
    scores = [s for state in RANKED if (s := best_score(connection, klass, state)) is not None]
    return metric_of(min(scores), klass.direction) if scores else None
