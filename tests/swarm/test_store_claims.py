"""Claims: two keys or none, one holder at a time, a token that fences off whoever slept."""

import time

import pytest
from sqlalchemy import update

from engine.swarm import schema
from engine.swarm.api import SwarmError
from engine.swarm.records import Klass
from engine.swarm.store import claims
from engine.swarm.store.database import transaction
from engine.swarm.store.store import Store
from tests.swarm.actor import CONTRACT, KLASS, change, sha
from tests.swarm.crowd import expire, members


def test_a_claimed_change_is_not_granted_to_another(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    first = ada.claim(change("wider"))
    assert (first.state, first.token) == ("granted", 1)
    second = bob.claim(change("wider"))
    assert (second.state, second.by) == ("taken", "ada")
    assert second.until == pytest.approx(first.until)


def test_the_same_constants_on_the_same_code_are_one_change_though_the_code_is_written_otherwise(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    assert ada.claim(change("one", LR=("0.01", "0.02"))).state == "granted"
    assert bob.claim(change("two", LR=("0.01", "0.02"))).state == "taken"
    assert bob.claim(change("two", LR=("0.01", "0.03"))).state == "granted"
    assert bob.claim(change("three", base="another", LR=("0.01", "0.02"))).state == "granted"


def test_a_change_of_which_one_key_is_held_takes_neither(store: Store) -> None:
    ada, bob, cyd = members(store, "ada", "bob", "cyd")
    ada.claim(change("one", LR=("1", "2")))
    assert bob.claim(change("two", LR=("1", "2"))).state == "taken"
    assert cyd.claim(change("two")).state == "granted"


def test_the_same_claim_again_is_the_same_answer(store: Store) -> None:
    (ada,) = members(store, "ada")
    first = ada.claim(change("x", A=("1", "2")), id="a" * 32)
    again = ada.claim(change("x", A=("1", "2")), id="a" * 32)
    assert (again.state, again.token, again.claim) == ("granted", first.token, first.claim)
    assert again.until >= first.until
    assert ada.claim(change("x", A=("1", "2"))).by == "yourself"


def test_an_expired_lease_is_taken_over_and_the_late_result_is_refused_by_its_token(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    old = ada.claim(change("x"))
    expire(store)
    new = bob.claim(change("x"))
    assert (new.state, new.token) == ("granted", old.token + 1)
    for late in (lambda: ada.tell("x", 0.9, old), lambda: ada.renew(old.claim, old.token),
                 lambda: ada.release(old.claim, old.token)):  # fmt: skip
        with pytest.raises(SwarmError) as caught:
            late()
        assert caught.value.code == "token"
    assert store.results() == []
    assert bob.tell("x", 0.95, new).state == "reported"


def test_whoever_took_over_is_not_robbed_by_an_old_token_of_its_own(store: Store) -> None:
    (ada,) = members(store, "ada")
    old = ada.claim(change("x"))
    expire(store)
    new = ada.claim(change("x"))
    assert new.token == old.token + 1
    with pytest.raises(SwarmError, match="token is old"):
        ada.tell("x", 0.9, old)


def test_a_lease_that_ran_out_and_that_nobody_took_is_renewed_and_its_result_is_taken(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    held = ada.claim(change("x"))
    expire(store)
    until = ada.renew(held.claim, held.token)
    assert until > store.connect().now
    assert bob.claim(change("x")).state == "taken"
    expire(store)
    assert ada.tell("x", 0.9, held).state == "reported"


def test_a_finished_change_is_done_for_all_and_for_ever(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    stored = ada.tell("x", 0.9, ada.claim(change("x")))
    expire(store)
    answer = bob.claim(change("x"))
    assert (answer.state, answer.by, answer.result) == ("done", "ada", stored.id)


def test_what_was_run_alone_is_done_too_even_under_somebodys_lease(store: Store) -> None:
    ada, bob, cyd = members(store, "ada", "bob", "cyd")
    held = ada.claim(change("x"))
    stored = bob.tell("x", 0.9)
    assert stored.state == "reported"
    assert ada.tell("x", 0.9, held, seed=2).state == "repeat"
    other = cyd.claim(change("y"))
    bob.tell("y", 0.91)
    cyd.release(other.claim, other.token)
    assert cyd.claim(change("y")).state == "done"


def test_a_claim_given_back_is_free_at_once(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    held = ada.claim(change("x"))
    ada.release(held.claim, held.token)
    assert bob.claim(change("x")).state == "granted"
    assert [lease.name for lease in store.claims()] == ["bob"]


def test_a_result_of_another_change_than_the_claimed_one_is_refused(store: Store) -> None:
    (ada,) = members(store, "ada")
    held = ada.claim(change("x"))
    with pytest.raises(SwarmError, match="not of the change that was claimed"):
        ada.tell("y", 0.9, held)
    assert ada.tell("x", 0.9, held).state == "reported"


def test_nobody_renews_releases_or_finishes_anothers_claim(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    held = ada.claim(change("x"))
    for theft in (lambda: bob.renew(held.claim, held.token), lambda: bob.release(held.claim, held.token),
                  lambda: bob.tell("x", 0.9, held)):  # fmt: skip
        with pytest.raises(SwarmError) as caught:
            theft()
        assert caught.value.code == "token"
    assert store.claims()[0].live


def test_the_same_change_under_another_contract_is_another(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    ada.claim(change("x"))
    other = sha("another contract")
    klass = Klass(contract=other, gpu=KLASS.gpu)
    wanted = type(change("x"))(contract=other, fingerprint=sha("x"), base=sha("base"), description="x")
    assert bob.claim(wanted, klass).state == "granted"
    with pytest.raises(SwarmError, match="two contracts"):
        bob.claim(wanted)
    assert {lease.name for lease in store.claims(CONTRACT)} == {"ada"}


def test_one_member_cannot_hold_the_whole_space(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    for number in range(claims.MOST_HELD):
        assert ada.claim(change(f"c{number}")).state == "granted"
    with pytest.raises(SwarmError) as caught:
        ada.claim(change("one more"))
    assert caught.value.code == "rate"
    assert bob.claim(change("one more")).state == "granted"


def test_what_sounds_alike_is_told_and_blocks_nothing(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    ada.tell("raise the learning rate of the matrices to 0.05", 0.9)
    told = bob.claim(change("raise the learning rate of the matrices to 0.06"))
    assert told.state == "granted"
    assert "ada tried" in told.advice[0] and "0.900000" in told.advice[0]
    assert bob.claim(change("something else altogether")).advice == ()
    store.revoke("ada", results=True)
    doubted = bob.claim(change("raise the learning rate of the matrices to 0.07")).advice
    assert "withdrawn" in doubted[0] and "withdrawn" not in told.advice[0], "it says what speaks against it"


def test_a_members_clock_decides_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob = members(store, "ada", "bob")
    now = store.connect().now
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    held = ada.claim(change("x"))
    assert held.until == pytest.approx(now + 900, abs=60)
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    assert bob.claim(change("x")).state == "taken"
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    assert ada.tell("x", 0.9, held).state == "reported"
    assert store.results()[0].stored == pytest.approx(now, abs=60)


def test_a_store_whose_clock_was_set_back_shuts_nobody_out(store: Store) -> None:
    (ada,) = members(store, "ada")
    ada.claim(change("x"))
    with transaction(store.engine, True) as connection:
        connection.execute(update(schema.members).values(budget=1.0, budget_at=schema.members.c.budget_at + 3600))
    assert ada.claim(change("y")).state == "granted"
