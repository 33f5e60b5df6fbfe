"""What a member says of an experiment passes the store's own checks, whatever the researcher wrote."""

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.swarm import checks, telling
from engine.swarm.api import SwarmError
from engine.swarm.canonical import canonical
from engine.swarm.collective import ALONE
from engine.swarm.keys import KeyPair
from engine.swarm.records import Hypothesis, Insight, Record
from tests.swarm.membering import account, intent

KEY = KeyPair.make()
TEXTS = st.text(st.characters(exclude_categories=()), max_size=300) | st.just("x" * 9000)


def ids(*parts: object) -> str:
    return KEY.member[:24] + f"{hash(parts) & 0xFFFFFFFF:08x}"


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(TEXTS, TEXTS, max_size=30),
    TEXTS,
    st.none() | st.floats(),
    st.dictionaries(TEXTS, st.floats(), max_size=5),
)
def test_every_record_is_within_bounds_and_reads_back_as_it_was_signed(
    asi: dict[str, str], description: str, metric: float | None, metrics: dict[str, float]
) -> None:
    told = account(2, "x", metric, asi=asi)
    told.experiment.description, told.experiment.metrics = description, metrics
    for record in telling.records(told, "a" * 32, ids):
        signed = KEY.signed(record)
        checks.read(signed)
        again = msgspec.json.decode(msgspec.json.encode(signed), type=Record)
        assert canonical(again) == canonical(signed)


def test_a_result_is_alone_or_carries_its_claim_and_a_crash_has_no_metric() -> None:
    alone = telling.result(account(2, "wider", 0.99, ALONE))
    assert alone.alone and not alone.claim and alone.token == 0
    claimed = telling.result(account(2, "wider", 0.99, "b" * 32, 3))
    assert (claimed.claim, claimed.token, claimed.alone) == ("b" * 32, 3, False)
    assert telling.result(account(2, "wider", None)).status == "crash"
    assert telling.result(account(2, "wider", math.nan)).metric is None


def test_a_result_names_the_weights_that_are_kept_by_their_hash_and_nothing_else() -> None:
    (kept, *_), (none, *_) = (
        telling.records(msgspec.structs.replace(account(2, "wider"), weights=weights), "a" * 32, ids)
        for weights in ("e" * 64, "")
    )
    assert (checks.read(kept).weights, checks.read(none).weights) == ("e" * 64, "")
    kept.body["weights"] = "https://elsewhere.example/model.pt"
    with pytest.raises(SwarmError, match="weights is a sha256"):
        checks.read(kept)


def test_a_result_is_of_the_change_that_was_claimed_to_the_letter() -> None:
    params = {"ALPHA": ("0.1", "0.2" + "0" * 5000)}
    wish = intent(2, "wider", params=params)
    told = account(2, "wider")
    told.experiment.params = params
    claimed = telling.change(wish.klass, wish.fingerprint, wish.base, wish.params, wish.description)
    assert telling.result(told).change == claimed


def test_hints_and_lessons_become_hypotheses_and_insights_each_hint_once() -> None:
    asi = {"learned": "width pays", "hypothesis": "wider is better", "next_action_hint": "go to 512"}
    result, insight, hypothesis = telling.records(account(2, "wider", asi=asi), "a" * 32, ids)
    lesson = msgspec.convert(insight.body, Insight)
    assert "width pays" in lesson.text and lesson.results == (result.id,) and "wider is better" in lesson.evidence
    assert msgspec.convert(hypothesis.body, Hypothesis).text == "go to 512"
    again = msgspec.structs.replace(account(3, "wider still", asi=asi), hints_before=frozenset({"go to 512"}))
    assert [record.kind for record in telling.records(again, "a" * 32, ids)] == ["result", "insight"]


def test_a_hypothesis_is_cited_by_its_short_id() -> None:
    known = ["0123abcd" + "0" * 24, "ffff0000" + "1" * 24]
    assert telling.cited(["tests hypothesis [0123abcd], see there"], known) == known[:1]
    assert telling.cited(["0123abcde is another word"], known) == []


def test_a_hypothesis_proposes_the_value_that_stands_by_itself_and_not_what_was_done_or_may_be() -> None:
    def proposed(text: str, new: str, old: str = "0.3", name: str = "RATE") -> bool:
        return telling.proposing({name: (old, new)}, {"a": text}) == ["a"]

    text = "raising RATE 0.1→0.2 has helped (its range is 0.05–0.9): go on to 0.4"
    assert proposed(text, "0.4") and not any(proposed(text, other) for other in ("0.2", "0.1", "0.05", "0.9", "0", "4"))
    assert proposed("RATE 0.3→0.2 next", "0.2") and not proposed("RATE 0.1→0.2 next", "0.2")
    assert proposed("untried for RATE: (0.9, 0.95), (0.7, 0.95)", "(0.7, 0.95)")
    assert not proposed("LEARNING_RATE 0.4 is best", "0.4") and not proposed("try RATE 0.4.", "0.45")
    assert proposed("try RATE 0.4.", "0.4") and telling.proposing({}, {"a": text}) == []
