"""Members by name, time that passes at once, and refusals by their code."""

from collections.abc import Callable

import pytest
from sqlalchemy import update

from engine.swarm import schema
from engine.swarm.api import SwarmError
from engine.swarm.store.database import transaction
from engine.swarm.store.store import Store
from tests.swarm.actor import Actor


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
