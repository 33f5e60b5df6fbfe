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
    for wrong in ("", "zz", "%", "a\0", "\ud800", "a" * 90_000, alike):
        refused(lambda wrong=wrong: store.ban(wrong, "it cheats"), "missing")  # type: ignore[misc]
    assert "banned" not in states(store).values()


def test_a_lie_told_first_hides_no_honest_result_once_a_ban_is_lifted(store: Store) -> None:
    liar, ada, bob = members(store, "liar", "ada", "bob")
    lie, honest = liar.tell("x", 0.1).id, ada.tell("x", 0.95).id
    false = ada.tell("y", 0.8).id
    judge(bob, false, "y", 0.97, 0.971)
    fair, again = bob.tell("y", 0.97).id, bob.tell("y", 0.96).id
    before = states(store)
    assert before == {lie: "quarantined", honest: "reported", false: "refuted", fair: "reported", again: "repeat"}
    for id in (lie, again):
        store.ban(id, "it cheats")
        store.lift(id)
    assert states(store) == before and store.best(KLASS)[0].record.id == honest


def test_what_was_withdrawn_before_or_during_a_ban_is_withdrawn_after_it(store: Store) -> None:
    fool, late, bob, cyd = members(store, "fool", "late", "bob", "cyd")
    ids = [fool.tell("x", 0.9).id, late.tell("y", 0.91).id, fool.tell("z", None).id]
    for id, text in zip(ids[:2], "xy", strict=True):
        judge(bob, id, text, 0.9, 0.9101)
    copied = bob.tell("x", 0.9001).id
    store.revoke("fool", results=True)
    for id in ids:
        store.ban(id, "it cheats")
    for _ in range(2):
        store.revoke("late", results=True)
    row = store.result(ids[1])
    assert row is not None and row.reason.count("withdrew what late measured") == 1, "the owner may say it twice"
    assert set(states(store).values()) == {"banned"} and bob.tell("x", 0.9).reason.endswith("owner: it cheats")
    for id in ids:
        store.lift(id)
    found = {row.record.id: (row.state, row.reason) for row in store.results()}
    assert {found[id] for id in (ids[0], ids[2])} == {("withdrawn", "the swarm's owner withdrew what fool measured")}
    assert found[ids[1]][0] == "withdrawn" and found[copied][0] == "reported"
    assert {text: cyd.claim(change(text)).state for text in "xyz"} == {"x": "done", "y": "granted", "z": "granted"}


def test_code_that_only_refuted_results_are_of_is_free_again_once_a_ban_is_lifted(store: Store) -> None:
    ada, bob, cyd = members(store, "ada", "bob", "cyd")
    first, again = ada.tell("x", 0.8).id, ada.tell("x", 0.81).id
    judge(bob, first, "x", 0.97, 0.971)
    store.ban(again, "it cheats")
    assert cyd.claim(change("x")).state == "done"
    store.lift(first)
    assert states(store) == {first: "refuted", again: "repeat"} and cyd.claim(change("x")).state == "granted"
