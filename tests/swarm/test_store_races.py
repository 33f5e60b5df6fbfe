"""Many processes on one store: each change is published exactly once, and the dead hold nothing for long."""

import time

import pytest
from sqlalchemy import func, select

from engine.swarm import schema
from engine.swarm.store.database import connect, transaction
from engine.swarm.store.store import Store
from tests.swarm.actor import Actor, change
from tests.swarm.conftest import FAST
from tests.swarm.racing import begin, race, ready

PROCESSES, CHANGES = 8, 500
SHORT_S, WAIT_S = 2.0, 60.0


@pytest.mark.timeout(600)  # 4,000 claims: half a minute on a quiet machine of two cores
def test_eight_processes_publish_each_of_500_changes_exactly_once(url: str, store: Store) -> None:
    found = race(url, store, PROCESSES, CHANGES)
    assert (found.granted, found.refused) == (CHANGES, CHANGES * (PROCESSES - 1))
    results = schema.results
    with transaction(store.engine, False) as connection:
        rows = connection.execute(select(func.count(), func.count(results.c.fingerprint.distinct()))).one()
        states = set(connection.execute(select(results.c.state)).scalars())
        open_ones = connection.execute(select(func.count()).where(schema.claims.c.result == "")).scalar()
    assert tuple(rows) == (CHANGES, CHANGES)
    assert (states, open_ones) == ({"reported"}, 0)
    assert store.count() == CHANGES
    assert sum(member.results for member in store.members()) == CHANGES


def test_what_a_killed_process_holds_is_taken_over_after_its_lease(url: str) -> None:
    store = Store(connect(url), FAST)
    store.create("lab", lease_s=SHORT_S)
    holder = begin(url, store, "sleeper", "hold", "x")
    try:
        ready(holder)
        assert holder.stdin is not None and holder.stdout is not None
        holder.stdin.write("go\n")
        holder.stdin.flush()
        _, claim, token = holder.stdout.readline().split()
        bob = Actor(store, "bob")
        bob.join(store.invite())
        lease = store.claims()[0]
        assert (lease.claim, lease.name, str(lease.token)) == (claim, "sleeper", token)
    finally:
        holder.kill()
        holder.wait()
    until, deadline = lease.until, time.monotonic() + WAIT_S
    while (answer := bob.claim(change("x"))).state == "taken" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer.state == "granted"
    assert answer.until - SHORT_S >= until - 0.01  # not before its end, by the store's clock
    assert answer.token == int(token) + 1
    assert bob.tell("x", 0.9, answer).state == "reported"
    store.engine.dispose()
