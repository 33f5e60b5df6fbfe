"""Repeats: an honest measurement of the same code takes the place of one that counts no more."""

import pytest

from engine.swarm.store.store import Store
from tests.swarm.actor import KLASS, change
from tests.swarm.crowd import judge, members


@pytest.mark.parametrize("results", [False, True])
def test_the_shared_baseline_that_a_liar_told_first_is_the_next_ones(store: Store, results: bool) -> None:
    liar, ada, bob = members(store, "liar", "ada", "bob")
    first = liar.tell("base", 0.9).id
    mine, later = ada.tell("base", 0.95), bob.tell("base", 0.951)
    assert (mine.state, later.state) == ("repeat", "repeat")
    store.revoke("liar", results=results)
    states = {row.record.id: row.state for row in store.results()}
    assert states == {first: "withdrawn" if results else "quarantined", mine.id: "reported", later.id: "repeat"}
    best = store.best(KLASS)[0]
    assert best.record.id == mine.id and store.leaderboard(KLASS)[0]["reported"] == 0.95
    assert bob.claim(change("base")).state == "done"
    judge(bob, mine.id, "base", 0.9502, 0.9503)
    assert store.best(KLASS)[0].state == "verified"


def test_what_stands_keeps_its_place_and_revoked_ones_and_crashes_take_none(store: Store) -> None:
    liar, friend, ada, bob = members(store, "liar", "friend", "ada", "bob")
    known = liar.tell("known", 0.94).id
    judge(bob, known, "known", 0.9401, 0.9402)
    again = ada.tell("known", 0.9402).id
    alone = liar.tell("alone", 0.93).id
    copied = friend.tell("alone", 0.9301).id
    crash = ada.tell("alone", None).id
    store.revoke("friend")
    store.revoke("liar")
    states = {row.record.id: row.state for row in store.results()}
    assert (states[known], states[again]) == ("verified", "repeat")
    assert (states[alone], states[copied]) == ("quarantined", "repeat") and states[crash] in ("repeat", "failed")
    store.revoke("liar", results=True)
    states = {row.record.id: row.state for row in store.results()}
    assert (states[known], states[again]) == ("withdrawn", "reported")


def test_a_repeat_that_nobody_can_believe_blocks_nothing(store: Store) -> None:
    liar, fool, bob = members(store, "liar", "fool", "bob")
    liar.tell("x", 0.9)
    fool.tell("x", 0.01)
    store.revoke("liar", results=True)
    assert [row.state for row in store.results()] == ["quarantined", "withdrawn"]
    assert bob.claim(change("x")).state == "granted"
