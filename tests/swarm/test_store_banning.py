"""A ban: no result of code that cheats counts, whoever told it or will, until the swarm's owner lifts it."""

import pytest

from engine.swarm.api import SwarmError
from engine.swarm.foreign import fetch
from engine.swarm.store.store import Store
from tests.swarm.actor import KLASS, change
from tests.swarm.crowd import judge, members, refused


def states(store: Store) -> dict[str, str]:
    return {row.record.id: row.state for row in store.results()}


def test_a_verified_cheat_is_banned_with_all_who_told_it_before_and_after(store: Store) -> None:
    fool, bob, cyd = members(store, "fool", "bob", "cyd")
    cheat = fool.tell("cheat", 0.9, fool.claim(change("cheat"))).id
    judge(bob, cheat, "cheat", 0.9001, 0.9002)
    copied = bob.tell("cheat", 0.9003).id
    honest = cyd.tell("honest", 0.95).id
    assert [row.record.id for row in store.best(KLASS)] == [cheat]
    assert [row.record.id for row in store.ban(cheat[:8], "it reads the validation shard")] == [cheat, copied]
    assert states(store) == {cheat: "banned", copied: "banned", honest: "reported"}
    row = store.result(cheat)
    assert row is not None and "reads the validation shard" in row.reason and row.verified is None
    assert [row.record.id for row in store.best(KLASS)] == [honest]
    assert [row.record.id for row in store.queue(KLASS)] == [honest]
    later = cyd.tell("cheat", 0.8999)
    assert later.state == "banned" and "reads the validation shard" in later.reason
    assert store.best(KLASS)[0].record.id == honest
    assert cyd.claim(change("cheat")).state == "done", "nobody tries it again"
    refused(lambda: judge(cyd, cheat, "cheat", 0.9, 0.9001), "verdict")
    with pytest.raises(SwarmError, match="reads the validation shard"):
        fetch(store, cheat, store.connect().swarm)
    assert store.ban(cheat, "again") == [], "it is banned already"


def test_neither_a_revocation_nor_a_withdrawal_takes_a_ban_back(store: Store) -> None:
    fool, bob = members(store, "fool", "bob")
    cheat = fool.tell("cheat", 0.9).id
    judge(bob, cheat, "cheat", 0.9001, 0.9002)
    store.ban(cheat, "it cheats")
    store.revoke("bob")
    store.revoke("fool", results=True)
    assert states(store) == {cheat: "banned"}


def test_a_ban_that_is_lifted_leaves_what_the_verdicts_say(store: Store) -> None:
    ada, bob, cyd = members(store, "ada", "bob", "cyd")
    first = ada.tell("x", 0.9).id
    judge(bob, first, "x", 0.9001, 0.9002)
    again = bob.tell("x", 0.9001).id
    crash = ada.tell("y", None).id
    for id in (first, crash):
        store.ban(id, "it cheats")
    assert {row.record.id for row in store.lift(again)} == {first, again} and len(store.lift(crash)) == 1
    assert states(store) == {first: "verified", again: "repeat", crash: "failed"}
    best = store.best(KLASS)[0]
    assert best.record.id == first and best.verified == pytest.approx(0.90015)
    assert cyd.claim(change("x")).state == "done" and store.lift(first) == []


def test_what_is_to_be_banned_is_named_by_the_beginning_of_its_id(store: Store) -> None:
    (ada,) = members(store, "ada")
    for text in "abcdefghijklmnopq":  # seventeen: two begin alike
        ada.tell(text, 0.95)
    ids = [row.record.id for row in store.results()]
    alike = next(id[0] for id in ids if sum(other[0] == id[0] for other in ids) > 1)
    for wrong in ("", "zz", "%", alike):
        refused(lambda wrong=wrong: store.ban(wrong, "it cheats"), "missing")  # type: ignore[misc]
    assert "banned" not in states(store).values()
