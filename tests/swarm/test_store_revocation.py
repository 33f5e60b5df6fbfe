"""Revocation: what one who is trusted no more said counts as far as others bear it out, or not at all."""

import threading

import pytest
from sqlalchemy import text

from engine.swarm.records import Hypothesis
from engine.swarm.store.database import alone, connect, transaction
from engine.swarm.store.members import find, spend
from engine.swarm.store.store import Store
from tests.swarm.actor import KLASS, Actor, change
from tests.swarm.conftest import FAST
from tests.swarm.crowd import judge, members, refused
from tests.swarm.membering import until
from tests.swarm.postgres import Server

WAIT_S = 60.0


def test_what_a_revoked_member_said_stays_and_nothing_more_is_taken(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    ada.tell("x", 0.9)
    held = ada.claim(change("y", LR=("1", "2")))
    store.revoke("ada")
    assert not store.claims() and bob.claim(change("y", LR=("1", "2"))).state == "granted", "its leases end with it"
    for call in (lambda: ada.tell("z", 0.8), lambda: ada.claim(change("z")),
                 lambda: ada.renew(held.claim, held.token)):  # fmt: skip
        refused(call, "revoked")
    assert [(row.name, row.state) for row in store.results()] == [("ada", "quarantined")]
    assert {member.name: bool(member.revoked) for member in store.members()} == {"ada": True, "bob": False}
    refused(lambda: Actor(store, "ada", ada.key).join(store.invite()), "revoked")


def test_the_ideas_of_a_revoked_member_are_handed_to_nobody_any_more(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    for one in (ada, bob):
        one.say(f"{one.name} is wide awake")
        store.publish(one.record(Hypothesis(text=f"{one.name} would go wide"), "hypothesis"))
    store.revoke("ada")
    assert [row.name for row in (*store.insights(), *store.hypotheses(), *store.ask("wide"))] == ["bob"] * 4
    assert {entry["name"] for entry in store.feed()} == {"ada", "bob"}, "what was said stays"


def test_hypotheses_that_a_revoked_member_marked_are_as_the_others_left_them(store: Store) -> None:
    ada, bob, fool = members(store, "ada", "bob", "fool")

    def mark(by: Actor, about: str, state: str) -> None:
        store.publish(by.record(Hypothesis(text=state, state=state, about=about), "hypothesis"))

    one, two, three = (
        store.publish(ada.record(Hypothesis(text=text), "hypothesis")).id for text in ("one", "two", "three")
    )
    mark(bob, two, "tested")
    mark(bob, three, "claimed")
    for about in (one, two, three):
        mark(fool, about, "dropped")
    mark(bob, three, "tested")
    assert not store.hypotheses()
    store.revoke("fool")
    assert {row.record.id: row.state for row in store.hypotheses(state="")} == {
        one: "open", two: "tested", three: "tested"
    }  # fmt: skip


def test_the_verdicts_of_a_revoked_member_count_no_more(store: Store) -> None:
    ada, liar, second, cyd = members(store, "ada", "liar", "second", "cyd")
    good = ada.tell("good", 0.9, ada.claim(change("good"))).id
    judge(liar, good, "good", 0.97, 0.971)
    false = second.tell("false", 0.85).id
    judge(liar, false, "false", 0.85, 0.8501)
    fair = ada.tell("fair", 0.92).id
    judge(liar, fair, "fair", 0.92, 0.9201)
    judge(cyd, fair, "fair", 0.9202, 0.9204)
    jump = ada.tell("jump", 0.7).id
    judge(liar, jump, "jump", 0.7, 0.7001)
    assert store.best(KLASS)[0].record.id == jump and cyd.claim(change("good")).state == "granted"
    (held,) = store.claims()
    cyd.release(held.claim, held.token)
    store.revoke("liar")
    states = {row.record.id: (row.state, row.by) for row in store.results()}
    assert states == {
        good: ("reported", ""),
        false: ("reported", ""),
        fair: ("verified", "cyd"),
        jump: ("quarantined", ""),
    }
    best = store.best(KLASS)[0]
    assert best.record.id == fair and best.verified == pytest.approx(0.9203)
    assert {row.record.id for row in store.queue(KLASS)} == {good, false, jump}, "others look again"
    assert cyd.claim(change("good")).result == good
    assert len(store.feed()) == 9, "what was said stays"


def test_what_nobody_else_measured_is_set_aside_with_its_author_until_somebody_does(store: Store) -> None:
    ada, fool, bob = members(store, "ada", "fool", "bob")
    honest = ada.tell("honest", 0.95).id
    alone, known = fool.tell("alone", 0.9).id, fool.tell("known", 0.93).id
    judge(bob, known, "known", 0.9301, 0.9302)
    store.revoke("fool")
    assert [row.record.id for row in store.best(KLASS)] == [known], "what another measured stands"
    row = store.result(alone)
    assert row is not None and row.state == "quarantined" and "fool, who was revoked" in row.reason
    assert bob.claim(change("alone")).state == "done", "it is to be re-run, not tried anew"
    assert alone in {waits.record.id for waits in store.queue(KLASS)}
    judge(ada, alone, "alone", 0.9, 0.9001)
    assert [row.record.id for row in store.best(KLASS)] == [alone]
    store.revoke("ada")
    assert [row.record.id for row in store.best(KLASS)] == [known], "nobody in good standing measured it any more"
    again = store.result(honest)
    assert again is not None and again.state == "quarantined"


def test_a_cheat_that_re_runs_bore_out_is_withdrawn_at_the_owners_word_and_its_change_is_free(store: Store) -> None:
    fool, bob, cyd = members(store, "fool", "bob", "cyd")
    cheat = fool.tell("cheat", 0.9, fool.claim(change("cheat"))).id
    judge(bob, cheat, "cheat", 0.9001, 0.9002)
    honest = bob.tell("honest", 0.95).id
    store.revoke("fool")
    assert [row.record.id for row in store.best(KLASS)] == [cheat]
    refused(lambda: store.revoke("fool"), "member")
    store.revoke("fool", results=True)
    row = store.result(cheat)
    assert row is not None and (row.state, row.verified) == ("withdrawn", None) and "withdrew" in row.reason
    assert [row.record.id for row in store.best(KLASS)] == [honest]
    assert store.queue(KLASS)[0].record.id == honest and len(store.queue(KLASS)) == 1
    refused(lambda: judge(cyd, cheat, "cheat", 0.9, 0.9001), "verdict")
    assert cyd.claim(change("cheat")).state == "granted"
    store.revoke("bob")
    assert {row.record.id: row.state for row in store.results()} == {cheat: "withdrawn", honest: "quarantined"}
    refused(lambda: store.revoke("nobody", results=True), "member")


def test_what_is_set_aside_is_re_run_best_first_so_that_a_discard_hides_no_best(store: Store) -> None:
    fool, bob = members(store, "fool", "bob")
    good = fool.tell("good", 0.9).id
    fool.tell("discard", 0.97)
    bob.tell("own", 0.93)
    store.revoke("fool")
    waiting = store.queue(KLASS)
    assert [(row.name, row.record.id == good) for row in waiting] == [("bob", False), ("fool", True)]


def test_all_that_a_withdrawn_member_told_is_free_to_be_tried_also_its_crashes(store: Store) -> None:
    fool, bob = members(store, "fool", "bob")
    of = change("twice", LR=("1", "2"))
    crash = fool.tell("crash", None, fool.claim(change("crash"))).id
    fool.tell("twice", 0.9, fool.claim(change("twice")))
    assert fool.tell("twice", 0.9, change=of).state == "repeat"
    store.revoke("fool", results=True)
    assert {row.state for row in store.results()} == {"withdrawn"} and store.result(crash) is not None
    for wanted in (change("crash"), change("alike", LR=("1", "2")), of):
        held = bob.claim(wanted)
        assert held.state == "granted", held
        bob.release(held.claim, held.token)
    assert bob.tell("twice", 0.95, bob.claim(of), change=of).state == "reported"


def test_what_a_revoked_member_alone_measured_is_no_yardstick_for_what_its_verdicts_decided(store: Store) -> None:
    ada, bob, fool = members(store, "ada", "bob", "fool")
    bob.tell("honest", 0.97)
    fool.tell("lie", 0.89)
    jump = ada.tell("jump", 0.82).id
    judge(fool, jump, "jump", 0.82, 0.8201)
    store.revoke("fool")
    row = store.result(jump)
    assert row is not None and row.state == "quarantined" and "0.1500" in row.reason


def test_a_number_that_nobody_can_believe_blocks_no_change_once_its_false_judge_is_revoked(store: Store) -> None:
    ada, bob, fool = members(store, "ada", "bob", "fool")
    impossible = ada.tell("x", 0.01, ada.claim(change("x"))).id
    judge(fool, impossible, "x", 0.97, 0.971)
    store.revoke("fool")
    row = store.result(impossible)
    assert row is not None and row.state == "quarantined" and bob.claim(change("x")).state == "granted"


def test_a_member_who_is_revoked_while_its_call_is_under_way_pays_for_nothing(store: Store) -> None:
    (fool,) = members(store, "fool")
    with transaction(store.engine, False) as connection:
        caller = find(connection, fool.key.member)
    assert store.revoke("FOOL").name == "fool", "letters of either size are one name"

    def call() -> None:
        with transaction(store.engine, True) as connection:
            spend(connection, caller, FAST.rate, FAST.burst)

    refused(call, "revoked")


def test_a_member_in_the_middle_of_publishing_can_be_revoked(postgres: Server) -> None:
    """Both lock its row and the line of writers: in one order, else the database would end one of them."""
    store = Store(connect(postgres.emptied()), FAST)
    store.create("lab")
    (fool,) = members(store, "fool")
    failed: list[BaseException] = []

    def revoke() -> None:
        try:
            store.revoke("fool")
        except BaseException as error:
            failed.append(error)

    owner = threading.Thread(target=revoke)
    blocked = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with transaction(store.engine, True) as connection:
        spend(connection, find(connection, fool.key.member), FAST.rate, FAST.burst)
        owner.start()
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            until(lambda: other.execute(blocked).scalar_one())
        alone(connection)
    owner.join(WAIT_S)
    assert not failed and store.members()[0].revoked
    store.engine.dispose()
