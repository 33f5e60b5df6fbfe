"""Results: stored once as they were signed, their code by its content, the unbelievable set aside."""

import msgspec
import pytest

from engine.swarm.api import SwarmError
from engine.swarm.code import hash_of
from engine.swarm.keys import KeyPair
from engine.swarm.records import Change, Hypothesis, Klass
from engine.swarm.store.database import connect
from engine.swarm.store.store import Limits, Store
from tests.swarm.actor import KLASS, change, files, sha
from tests.swarm.crowd import members, refused


def test_a_record_delivered_twice_is_stored_once_and_its_id_is_not_used_for_another(store: Store) -> None:
    (ada,) = members(store, "ada")
    record = ada.result("x", 0.9)
    first, again = store.publish(record, files("x")), store.publish(record, files("x"))
    assert (first.state, first.again, again.state, again.again) == ("reported", False, "reported", True)
    other = ada.record(msgspec.convert(record.body, dict) | {"metric": 0.8}, "result", id=record.id)
    refused(lambda: store.publish(other, files("x")), "replay")
    assert store.count() == 1 and store.results()[0].record.body["metric"] == 0.9


def test_readers_get_the_record_as_it_was_signed(store: Store) -> None:
    (ada,) = members(store, "ada")
    record = ada.result("x", 0.9, description="café ☕ \x1b[31m red", metrics={"mfu": 40.0, "tiny": 1e-300})
    store.publish(record, files("x"))
    row = store.result(record.id)
    assert row is not None and row.record == record and row.key == ada.key.public
    assert store.code(hash_of(files("x"))) == files("x")


def test_code_is_kept_once_and_a_record_without_it_is_asked_to_bring_it(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    assert "send it" in refused(lambda: store.publish(ada.result("x", 0.9)), "code")
    store.publish(ada.result("x", 0.9), files("x"))
    assert store.publish(bob.result("x", 0.91)).state == "repeat"
    refused(lambda: store.code("0" * 64), "missing")


@pytest.mark.parametrize("code", ["code", "bounds"])
def test_code_that_is_not_what_the_record_names_is_refused_with_all_of_it(store: Store, code: str) -> None:
    (ada,) = members(store, "ada")
    if code == "code":
        refused(lambda: store.publish(ada.result("x", 0.9), files("y")), "code")
    else:
        evil = {"../train.py": "x"}
        refused(lambda: store.publish(ada.result("x", 0.9, code=hash_of(evil)), evil), "bounds")
    assert store.count() == 0 and store.results() == []


def test_the_same_code_again_is_a_repeat_and_never_the_best(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    ada.tell("x", 0.9)
    assert bob.tell("x", 0.85).state == "repeat"
    assert [row.name for row in store.best()] == ["ada"]


def test_a_crash_or_a_lie_told_first_keeps_nobody_elses_measurement_out_of_the_ranking(store: Store) -> None:
    ada, bob, cyd = members(store, "ada", "bob", "cyd")
    assert [ada.tell("x", None).state, ada.tell("y", 0.01).state] == ["failed", "quarantined"]
    assert ada.tell("y", 0.9).state == "repeat", "nobody mends a lie of its own so"
    assert [bob.tell("x", 0.95).state, bob.tell("y", 0.94).state] == ["reported", "reported"]
    assert cyd.tell("y", 0.93).state == "repeat"
    assert ada.tell("x", 0.9501).state == "repeat"
    assert [row.record.body["metric"] for row in store.best(KLASS)] == [0.94]


@pytest.mark.parametrize(("metric", "why"), [(0.0, "not positive"), (-1.0, "not positive"), (0.01, "below 0.5"),
                                             (0.7, "in one step")])  # fmt: skip
def test_what_cannot_be_is_set_aside_and_is_not_the_best(store: Store, metric: float, why: str) -> None:
    ada, bob = members(store, "ada", "bob")
    ada.tell("honest", 0.9)
    stored = bob.tell("too good", metric)
    assert stored.state == "quarantined" and why in stored.reason
    assert [row.record.body["metric"] for row in store.best(KLASS)] == [0.9]
    assert [row.name for row in store.results(state="quarantined")] == ["bob"]


def test_nan_and_infinity_cannot_even_be_signed_and_are_refused_unsigned(store: Store) -> None:
    (ada,) = members(store, "ada")
    good = ada.result("x", 0.9)
    for metric in (float("nan"), float("inf")):
        bad = msgspec.structs.replace(good, body={**good.body, "metric": metric})
        assert "finite" in refused(lambda bad=bad: store.publish(bad, files("x")), "bounds")


def test_crashes_are_kept_and_not_ranked(store: Store) -> None:
    (ada,) = members(store, "ada")
    assert ada.tell("x", None).state == "failed"
    assert store.best() == [] and len(store.results()) == 1
    assert ada.claim(change("x")).state == "done"


def test_who_turns_the_metric_round_is_refused(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    ada.tell("x", 0.9)
    klass = msgspec.structs.replace(KLASS, direction="higher")
    assert "lower is better" in refused(lambda: bob.tell("y", 3.0, klass=klass), "bounds")
    assert [row.name for row in store.best()] == ["ada"]


def test_higher_is_better_where_the_contract_says_so(store: Store) -> None:
    (ada,) = members(store, "ada")
    klass = Klass(contract=KLASS.contract, gpu="cpu", metric="score", direction="higher")
    for number, metric in enumerate((3.0, 3.05, 2.0)):
        ada.tell(f"c{number}", metric, klass=klass)
    assert [row.record.body["metric"] for row in store.best(klass)] == [3.05]
    assert store.leaderboard(klass)[0]["reported"] == 3.05
    assert ada.tell("jump", 4.0, klass=klass).state == "quarantined"


def test_what_a_jump_is_goes_by_the_metrics_size(store: Store) -> None:
    (ada,) = members(store, "ada")
    for contract, best, fair, jump in (
        ("bpb", 0.99, 0.891, 0.78),
        ("short budget", 6.3, 5.7, 5.0),
        ("loss", 40.0, 36.5, 32.0),
    ):
        klass = Klass(contract=sha(contract), gpu="cpu")
        told = [
            ada.tell(
                f"{contract} {metric}", metric, klass=klass, change=changed(f"{contract} {metric}", klass.contract)
            )
            for metric in (best, fair, jump)
        ]
        assert [one.state for one in told] == ["reported", "reported", "quarantined"]


def changed(text: str, contract: str) -> Change:
    return msgspec.structs.replace(change(text), contract=contract)


def test_forged_foreign_and_edited_records_are_refused(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    record = ada.result("x", 0.9)
    edited = msgspec.structs.replace(record, body={**record.body, "metric": 0.89})
    forged = msgspec.structs.replace(bob.result("x", 0.9), member=ada.key.member)
    elsewhere = ada.key.signed(msgspec.structs.replace(record, swarm="0" * 32))
    stranger = KeyPair.make().signed(record)
    for bad, code in ((edited, "signature"), (forged, "signature"), (elsewhere, "signature"), (stranger, "member")):
        refused(lambda bad=bad: store.publish(bad, files("x")), code)
    assert store.count() == 0


def test_a_record_that_would_read_back_as_another_is_refused(store: Store) -> None:
    (ada,) = members(store, "ada")
    whole = ada.key.signed(msgspec.structs.replace(ada.result("x", 0.9), at=5))
    assert "reads back" in refused(lambda: store.publish(whole, files("x")), "bounds")


def test_too_large_and_unknown_fields_are_refused(store: Store) -> None:
    (ada,) = members(store, "ada")
    refused(lambda: ada.tell("x", 0.9, description="x" * 5000), "size")
    refused(lambda: ada.tell("x", 0.9, asi={f"k{n}": "y" * 3900 for n in range(20)}), "size")
    record = ada.result("x", 0.9)
    more = ada.key.signed(msgspec.structs.replace(record, body={**record.body, "rank": 1}))
    refused(lambda: store.publish(more, files("x")), "bounds")
    big = {"train.py": "x" * (1 << 21)}
    refused(lambda: store.publish(ada.result("x", 0.9, code=hash_of(big)), big), "size")


def test_who_floods_is_slowed_also_by_what_is_refused_and_others_are_not(url: str) -> None:
    store = Store(connect(url), Limits(rate=0.001, burst=5))
    store.create("lab")
    ada, bob = members(store, "ada", "bob")
    for number in range(5):
        refused(lambda n=number: store.publish(ada.result(f"c{n}", 0.9)), "code")
    refused(lambda: ada.tell("x", 0.9), "rate")
    assert bob.tell("x", 0.9).state == "reported"
    store.engine.dispose()


def test_a_forger_spends_nobody_elses_tokens(url: str) -> None:
    store = Store(connect(url), Limits(rate=0.001, burst=3))
    store.create("lab")
    (ada,) = members(store, "ada")
    for _ in range(10):
        forged = msgspec.structs.replace(ada.result("x", 0.9), signature="0" * 128)
        refused(lambda forged=forged: store.publish(forged, files("x")), "signature")
    assert ada.tell("x", 0.9).state == "reported"
    store.engine.dispose()


def test_best_is_of_a_class_a_tier_and_a_member(store: Store) -> None:
    ada, bob = members(store, "ada", "bob")
    small = Klass(contract=KLASS.contract, gpu="NVIDIA GeForce RTX 4090", vram_gb=24.0)
    ada.tell("a", 0.95)
    ada.tell("b", 0.93)
    bob.tell("c", 0.94)
    bob.tell("d", 1.05, klass=small)
    assert [row.record.body["metric"] for row in store.best(KLASS)] == [0.93]
    assert sorted(row.record.body["metric"] for row in store.best()) == [0.93, 1.05]
    assert [row.record.body["metric"] for row in store.best(tier="<=24")] == [1.05]
    assert [row.record.body["metric"] for row in store.best(tier=">48")] == [0.93]
    assert store.best(tier="<=16") == []
    assert [row.record.body["metric"] for row in store.best(KLASS, member=bob.key.member)] == [0.94]
    board = store.leaderboard(KLASS)
    assert [(row["name"], row["reported"], row["results"]) for row in board] == [("ada", 0.93, 2), ("bob", 0.94, 1)]


def test_the_feed_tells_all_in_order_and_goes_on_where_one_stopped(store: Store) -> None:
    (ada,) = members(store, "ada")
    for number in range(5):
        ada.tell(f"c{number}", 0.9)
    ada.say("wider is better")
    first = store.feed(limit=3)
    assert [entry["text"] for entry in first] == ["c3", "c4", "wider is better"]
    seqs = [entry["seq"] for entry in store.feed(after=1, limit=100)]
    assert seqs == sorted(seqs) and store.feed(after=seqs[-1]) == []
    assert [entry["kind"] for entry in first] == ["result", "result", "insight"]


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "%", "_", "' OR 1=1 --", "\\"])
def test_any_text_may_be_asked_for(store: Store, text: str) -> None:
    (ada,) = members(store, "ada")
    ada.say("plain words")
    try:
        found = store.ask(text)
    except SwarmError as error:
        assert error.code == "bounds"
    else:
        assert found == []
    assert len(store.ask("PLAIN")) == 1


def test_a_question_of_many_words_finds_what_speaks_of_some_of_them_of_every_kind(store: Store) -> None:
    from engine.swarm.records import Hypothesis

    (ada,) = members(store, "ada")
    ada.tell("raise MATRIX_LR", 0.9)
    store.publish(ada.record(Hypothesis(text="MATRIX_LR and EMBEDDING_LR belong together"), "hypothesis"))
    for number in range(6):
        ada.say(f"MATRIX_LR {number}", topic="rates")
    ada.say("a higher MATRIX_LR wants a warmup")
    ada.say("of something else")
    rows = store.ask("how much higher should MATRIX_LR be", limit=6)
    assert rows[0].record.body["text"] == "a higher MATRIX_LR wants a warmup", "the most words first"
    assert [row.record.kind for row in rows] == ["insight"] * 4 + ["hypothesis", "result"]
    assert "of something else" not in [row.record.body.get("text") for row in store.ask("MATRIX_LR of rates")]
    assert store.ask(" ") == []


def test_numbers_that_no_column_holds_are_refused_in_words(store: Store) -> None:
    refused(lambda: store.feed(after=1 << 80), "bounds")


def test_an_insight_by_topic_and_a_hypothesis_by_its_state(store: Store) -> None:
    from engine.swarm.records import Hypothesis

    ada, bob = members(store, "ada", "bob")
    ada.say("matrix rates matter", topic="LR")
    ada.say("elsewhere", topic="LR", klass=Klass(contract=sha("other"), gpu="cpu"))
    first = store.publish(ada.record(Hypothesis(text="try SwiGLU", priority=2), "hypothesis"))
    store.publish(ada.record(Hypothesis(text="urgent", priority=1), "hypothesis"))
    assert [row.record.body["text"] for row in store.insights("lr", KLASS)] == ["matrix rates matter"]
    assert [row.record.body["text"] for row in store.hypotheses(KLASS)] == ["urgent", "try SwiGLU"]
    store.publish(bob.record(Hypothesis(text="done", state="tested", about=first.id), "hypothesis"))
    assert [row.record.body["text"] for row in store.hypotheses(KLASS)] == ["urgent"]
    assert [row.record.body["text"] for row in store.hypotheses(KLASS, "tested")] == ["try SwiGLU"]
    assert store.feed()[-1]["text"] == f"{first.id[:8]} is tested now: done", "a feed says which"
    refused(lambda: store.publish(bob.record(Hypothesis(text="x", about="0" * 32), "hypothesis")), "bounds")


def test_a_flood_of_one_members_ideas_crowds_nobody_elses_out(store: Store) -> None:
    ada, bob, loud = members(store, "ada", "bob", "loud")
    for one in (ada, bob):
        one.say(f"{one.name} learnt")
        store.publish(one.record(Hypothesis(text=f"{one.name} would"), "hypothesis"))
    for n in range(30):
        loud.say(f"spam {n}")
        store.publish(loud.record(Hypothesis(text=f"try spam {n}", priority=1), "hypothesis"))
    insights = [row.record.body["text"] for row in store.insights(limit=12)]
    assert insights == [*(f"spam {n}" for n in range(29, 21, -1)), "bob learnt", "ada learnt", "spam 21", "spam 20"]
    urgent = [row.record.body["text"] for row in store.hypotheses(limit=11)]
    assert urgent[:8] == [f"try spam {n}" for n in range(29, 21, -1)] and urgent[8:10] == ["bob would", "ada would"]
    assert len(store.insights("spam", limit=100)) == 30 and len(store.hypotheses(limit=100)) == 32
