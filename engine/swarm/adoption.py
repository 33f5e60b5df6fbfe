"""What a session would take from its swarm by itself: a verified best to adopt, a would-be best to re-run."""

import secrets

from engine.session.state import better
from engine.swarm.api import Row, Swarm, SwarmError
from engine.swarm.collective import Foreign, Standing
from engine.swarm.foreign import result_of, with_code
from engine.swarm.records import Result

SEEDS = 3
"""Trials of a verification."""
LARGEST_SEED = 2**31 - 1


def to_adopt(best: Row | None, standing: Standing, member: str, swarm: str) -> Result | None:
    """The class's best where it is verified, another's, not had yet, and beats the champion by more than the noise."""
    if not standing.adopt or best is None or best.state != "verified" or best.record.member == member:
        return None
    try:
        body = result_of(best, swarm)
    except SwarmError:
        return None
    metric = best.verified if best.verified is not None else body.metric
    if metric is None or best.record.id in standing.adopted or body.change.fingerprint in standing.tried:
        return None
    if (body.klass.contract, body.klass.gpu) != (standing.klass.contract, standing.klass.gpu):
        return None
    if standing.metric is None:
        return body
    won = abs(metric - standing.metric)
    return body if better(metric, standing.metric, standing.klass.direction) and won > standing.margin else None


def to_verify(queue: tuple[Row, ...], standing: Standing, swarm: Swarm, name: str) -> Foreign | None:
    """The first result that waits for a re-run, that this session has not re-run yet, and that is no worse than what
    the session measured itself: where nothing is verified yet all results wait, and most would not be the best.

    Errors: SwarmError.
    """
    if not standing.verify:
        return None
    for row in queue:
        if row.record.id not in standing.rerun:
            try:
                metric = result_of(row, name).metric
                own, direction = standing.metric, standing.klass.direction
                if metric is None or (own is not None and better(own, metric, direction)):
                    continue
                return with_code(swarm, row, name)
            except SwarmError as error:
                if error.code == "unreachable":
                    raise
    return None


def fresh_seeds(other: int) -> list[int]:
    """Seeds that nobody could foresee, none of them `other`."""
    found: list[int] = []
    while len(found) < SEEDS:
        seed = secrets.randbelow(LARGEST_SEED) + 1
        if seed != other and seed not in found:
            found.append(seed)
    return found
