"""Verification: by another of the class, under other seeds, within the class's noise; nobody lifts its own."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.swarm.api import SwarmError
from engine.swarm.records import Klass
from engine.swarm.store import verification
from engine.swarm.store.database import transaction
from engine.swarm.store.store import Store
from tests.swarm.actor import KLASS, change
from tests.swarm.crowd import judge, members, refused


def test_a_would_be_best_waits_is_re_run_and_stands_at_the_mean_of_the_re_runs(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    id = ada.tell("x", 0.9).id
    assert [row.record.id for row in store.queue(KLASS)] == [id]
    stored = judge(bob, id, "x", 0.9005, 0.9011, 0.9002)
    assert stored.state == "verified"
    row = store.best(KLASS)[0]
    assert (row.state, row.by) == ("verified", "bob") and row.verified == pytest.approx(0.9006)
    assert row.decided == pytest.approx(store.connect().now, abs=60)
    assert store.queue(KLASS) == []
    board = store.leaderboard(KLASS)[0]
    assert (board["name"], board["verified"]) == ("ada", pytest.approx(0.9006))


def test_a_claim_that_re_runs_do_not_bear_out_is_refuted_and_says_by_whom(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    honest = bob.tell("honest", 0.93)
    id = ada.tell("lucky", 0.9).id
    assert judge(bob, id, "lucky", 0.95, 0.951, 0.9495).state == "refuted"
    row = store.result(id)
    assert row is not None and (row.state, row.by) == ("refuted", "bob") and "0.950" in row.reason
    assert [row.record.id for row in store.best(KLASS)] == [honest.id]


def test_who_refutes_alone_is_not_the_last_word_and_a_second_one_is(store: Store) -> None:
    ada, bob, cyd, dan = members(store, "ada", "bob", "cyd", "dan")
    good = ada.tell("good", 0.9).id
    assert judge(bob, good, "good", 0.95, 0.95).state == "refuted"  # a lie
    assert [row.record.id for row in store.queue(KLASS)] == [good]
    assert judge(cyd, good, "good", 0.9, 0.9001).state == "quarantined"
    assert [row.record.id for row in store.queue(KLASS)] == [good]
    assert judge(dan, good, "good", 0.9002, 0.9).state == "verified"
    bad = ada.tell("bad", 0.88).id
    judge(bob, bad, "bad", 0.95, 0.951)
    assert judge(cyd, bad, "bad", 0.95, 0.9501).state == "refuted"
    assert store.queue(KLASS) == []
    assert [row.record.id for row in store.best(KLASS)] == [good]


def test_a_change_whose_result_was_refuted_can_be_tried_by_others_until_its_author_is_borne_out(store: Store) -> None:
    ada, bob, cyd, dan = members(store, "ada", "bob", "cyd", "dan")
    of, alike = change("x", LR=("1", "2")), change("y", LR=("1", "2"))
    id = ada.tell("x", 0.9, ada.claim(of), change=of).id
    assert bob.claim(of).state == bob.claim(alike).state == "done"
    judge(bob, id, "x", 0.95, 0.951)
    assert ada.claim(of).state == "done", "nobody tries its own once more"
    for wanted in (of, alike):
        held = bob.claim(wanted)
        assert held.state == "granted"
        bob.release(held.claim, held.token)
    judge(cyd, id, "x", 0.9001, 0.9)
    assert bob.claim(of).state == bob.claim(alike).state == "done", "a second member is asked; nobody need try anew"
    judge(dan, id, "x", 0.9001, 0.9)
    again = bob.claim(alike)
    assert (again.state, again.result) == ("done", id)


def test_a_refuted_change_that_another_tries_and_tells_is_done_again(store: Store) -> None:
    ada, bob, cyd = members(store, "ada", "bob", "cyd")
    judge(bob, ada.tell("x", 0.9).id, "x", 0.95, 0.951)
    mine = bob.tell("x", 0.95, bob.claim(change("x")), seed=2)
    assert mine.state == "reported" and cyd.claim(change("x")).result == mine.id


@pytest.mark.parametrize("metric", [0.01, 0.0, -1.0])
def test_a_number_that_no_re_run_can_bear_out_keeps_nobody_from_the_change_and_a_jump_does(
    store: Store, metric: float
) -> None:
    ada, bob, cyd = members(store, "ada", "bob", "cyd")
    for claim in (ada.claim(change("x")), None):  # the second is a repeat of ada's own, of which nobody thinks more
        assert ada.tell("x", metric, claim).state == ("quarantined" if claim else "repeat")
        held = bob.claim(change("x"))
        assert held.state == "granted"
        bob.release(held.claim, held.token)
    assert bob.tell("x", 0.95, bob.claim(change("x"))).state == "reported"
    assert cyd.claim(change("x")).by == "bob"
    assert ada.tell("jump", 0.7).state == "quarantined" and bob.claim(change("jump")).state == "done"


def test_a_verified_result_stands_above_a_better_one_that_nobody_re_ran(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    first = ada.tell("x", 0.92).id
    judge(bob, first, "x", 0.9201, 0.9199)
    better = ada.tell("y", 0.91).id
    assert [row.record.id for row in store.best(KLASS)] == [first]
    assert [row.record.id for row in store.queue(KLASS)] == [better]


def test_what_would_not_be_the_best_is_not_worth_a_re_run(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    judge(bob, ada.tell("x", 0.9).id, "x", 0.9, 0.9001)
    ada.tell("worse", 0.95)
    assert store.queue(KLASS) == []


def test_one_member_cannot_fill_the_queue_nor_send_others_after_the_impossible(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    bob.tell("honest", 0.95)
    for number in range(6):
        ada.tell(f"near{number}", 0.94 - number / 1000)
        ada.tell(f"jump{number}", 0.7 + number / 1000)
        ada.tell(f"impossible{number}", 0.01)
    waiting = store.queue(KLASS)
    assert [row.record.body["description"] for row in waiting] == ["near5", "honest", "jump0"]


def test_a_flood_of_one_member_keeps_no_other_from_being_re_run(store: Store) -> None:
    ada, bob, fool = members(store, "ada", "bob", "fool")
    bob.tell("honest", 0.95)
    jump = ada.tell("jump", 0.8).id
    for number in range(70):
        fool.tell(f"impossible{number}", 0.01)
        fool.tell(f"jump{number}", 0.81)
    assert jump in {row.record.id for row in store.queue(KLASS)}


def test_what_failed_its_checks_is_not_lifted_by_a_verdict(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    id = ada.tell("x", 0.9, status="checks_failed").id
    refused(lambda: judge(bob, id, "x", 0.9, 0.9001), "verdict")
    row = store.result(id)
    assert row is not None and row.state == "failed" and not store.best(KLASS)


def test_a_jump_that_re_runs_bear_out_is_believed(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    ada.tell("before", 0.95)
    jump = ada.tell("after", 0.8)
    assert jump.state == "quarantined"
    assert judge(bob, jump.id, "after", 0.8004, 0.7996).state == "verified"
    assert [row.record.id for row in store.best(KLASS)] == [jump.id]


def test_what_proves_nothing_is_refused(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    id = ada.tell("x", 0.9, seed=7).id
    other = Klass(contract=KLASS.contract, gpu="cpu")
    turned = msgspec.structs.replace(KLASS, direction="higher")
    refused(lambda: judge(ada, id, "x", 0.9, 0.9), "verdict")
    refused(lambda: judge(bob, id, "x", 0.9, 0.9, seeds=(7, 8)), "verdict")
    refused(lambda: judge(bob, id, "y", 0.9, 0.9), "verdict")
    refused(lambda: judge(bob, id, "x", 0.9, 0.9, klass=other), "verdict")
    refused(lambda: judge(bob, "0" * 32, "x", 0.9, 0.9), "verdict")
    refused(lambda: judge(bob, id, "x", 0.01, 0.01), "verdict")
    refused(lambda: judge(bob, id, "x", 0.75, 0.75), "verdict")
    refused(lambda: judge(bob, id, "x", 0.9, 0.9, klass=turned), "bounds")
    refused(lambda: judge(bob, id, "x", 0.9), "bounds")
    refused(lambda: judge(bob, id, "x", 0.9, 0.9, seeds=(3, 3)), "bounds")
    row = store.result(id)
    assert row is not None and row.state == "reported"


def test_a_member_judges_a_result_once_and_in_doubt_it_is_set_aside(store: Store) -> None:
    ada, bob, cyd, dan = members(store, "ada", "bob", "cyd", "dan")
    id = ada.tell("x", 0.9).id
    assert judge(bob, id, "x", 0.95, 0.95).state == "refuted"
    refused(lambda: judge(bob, id, "x", 0.95, 0.95), "verdict")
    assert judge(cyd, id, "x", 0.9, 0.9001).state == "quarantined"
    assert judge(dan, id, "x", 0.9001, 0.9).state == "verified"


def test_who_pretends_to_much_noise_does_not_make_every_claim_pass(store: Store) -> None:
    ada, bob, cyd = members(store, "ada", "bob", "cyd")
    id = ada.tell("x", 0.9).id
    judge(bob, id, "x", 0.6, 1.3)
    lie = ada.tell("lie", 0.85).id
    assert judge(cyd, lie, "lie", 0.95, 0.9501).state == "refuted"


def test_the_noise_is_learnt_from_the_classes_verdicts(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    with transaction(store.engine, False) as connection:
        assert verification.noise(connection, KLASS, 1.0) == verification.FLOOR
    for number in range(4):
        judge(bob, ada.tell(f"c{number}", 0.9).id, f"c{number}", 0.895, 0.905)
    with transaction(store.engine, False) as connection:
        assert verification.noise(connection, KLASS, 0.9) == pytest.approx(0.00707, rel=0.01)
    shaky = ada.tell("shaky", 0.9).id
    assert judge(bob, shaky, "shaky", 0.919, 0.9189, 0.9191).state == "verified"


def test_verdicts_are_not_results_and_crashes_have_nothing_to_verify(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    crash = ada.tell("x", None)
    with pytest.raises(SwarmError, match="no metric"):
        judge(bob, crash.id, "x", 0.9, 0.9)
    assert ada.claim(change("x")).state == "done"


@given(st.floats(0.6, 2.0), st.lists(st.floats(0.6, 2.0), min_size=2, max_size=5))
def test_the_rule_of_acceptance_is_one_sided(claimed: float, metrics: list[float]) -> None:
    """Pure arithmetic: a mean that is not worse than the claim is always within the rule."""
    mean = sum(metrics) / len(metrics)
    assert verification.accepts(claimed, mean, 0.0, len(metrics), "lower") == (mean - claimed <= 0)
    assert verification.accepts(claimed, mean, 0.0, len(metrics), "higher") == (claimed - mean <= 0)
