"""Members by name, time that passes at once, and refusals by their code."""

from collections.abc import Callable

import pytest
from sqlalchemy import update

from engine.swarm import schema
from engine.swarm.api import Stored, SwarmError
from engine.swarm.code import hash_of
from engine.swarm.records import Record, Verdict
from engine.swarm.store.database import transaction
from engine.swarm.store.store import Store
from tests.swarm.actor import KLASS, Actor, files


def members(store: Store, *names: str) -> list[Actor]:
    """Members who have joined."""
    found = [Actor(store, name) for name in names]
    for actor in found:
        actor.join(store.invite())
    return found


def expire(store: Store) -> None:
    """All leases run out: as if their time had passed."""
    with transaction(store.engine, True) as connection:
        connection.execute(update(schema.claims).values(until=schema.claims.c.until - 10_000))


def refused(call: Callable[[], object], code: str) -> str:
    """The call is refused for this reason; what is said of it."""
    with pytest.raises(SwarmError) as caught:
        call()
    assert caught.value.code == code, caught.value
    return str(caught.value)


def verdict(by: Actor, result: str, text: str, *metrics: float, **more: object) -> Record:
    """What re-runs of a result of `files(text)` gave."""
    own = {"result": result, "klass": KLASS, "seeds": tuple(range(100, 100 + len(metrics))), "metrics": metrics,
           "code": hash_of(files(text))}  # fmt: skip
    return by.record(Verdict(**{**own, **more}), "verdict")  # type: ignore[arg-type]


def judge(by: Actor, result: str, text: str, *metrics: float, **more: object) -> Stored:
    """Publish that."""
    return by.swarm.publish(verdict(by, result, text, *metrics, **more))
