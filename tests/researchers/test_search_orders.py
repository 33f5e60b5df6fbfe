"""What the operator may say to the search, what is answered, and that a try is neither lost nor made twice."""

from pathlib import Path

import pytest

from engine.researchers.base import Message, ResearcherFailed
from engine.researchers.search.orders import Order, understand
from tests.researchers.playing import Play, bowl

COUNT = iter(range(10**6))


def said(text: str) -> Message:
    return Message(f"m{next(COUNT)}", text, "ann")


def answer(play: Play, text: str) -> str:
    message = said(text)
    return play.researcher.propose(play.brief(message)).answers[message.id]


@pytest.mark.parametrize(
    ("text", "orders"),
    [
        ("try A=1", [Order("try", ("A",), ("1",))]),
        ("Try A = 0.5.", [Order("try", ("A",), ("0.5",))]),
        ("try A=1, B=2 C=(1, 2) and D=x", [Order("try", ("A", "B", "C", "D"), ("1", "2", "(1, 2)", "x"))]),
        ("freeze A\nunfreeze B, C", [Order("freeze", ("A",)), Order("unfreeze", ("B", "C"))]),
        ("please try A=1", None),
        ("try A", None),
        ("try A==1", None),
        ("freeze", None),
        ("freeze A\nthanks", None),
        ("", None),
    ],
)
def test_a_message_is_taken_apart(text: str, orders: list[Order] | None) -> None:
    assert understand(text) == orders


def test_a_try_comes_next_and_only_once(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    proposal = play.step(said("try MATRIX_LR=0.1"))
    assert proposal.asi["arch_change"] == "MATRIX_LR 0.02→0.1"
    assert proposal.asi["hypothesis"] == "the operator asked for MATRIX_LR=0.1"
    assert all(play.step().asi["arch_change"] != proposal.asi["arch_change"] for _ in range(5))


def test_several_tries_are_queued_in_order(tmp_path: Path) -> None:
    play = Play(tmp_path, lambda values: 2.0)
    message = said("try MATRIX_LR=0.1, DEPTH=7, PATTERN=SL")
    first = play.step(message)
    assert first.answers[message.id] == (
        'MATRIX_LR=0.1 comes next. DEPTH=7 is queued, number 2 in line. PATTERN="SL" is queued, number 3 in line.'
    )
    changes = [first, play.step(), play.step(), play.step()]
    assert [item.asi["arch_change"] for item in changes[:3]] == [
        "MATRIX_LR 0.02→0.1",
        "DEPTH 4→7",
        'PATTERN "SSSL"→"SL"',
    ]
    assert "asked" not in changes[3].asi["hypothesis"]


def test_a_try_survives_an_engine_killed_after_its_proposal_and_is_not_doubled(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    message = said("try DEPTH=7")
    for _ in range(3):
        proposal = play.researcher.propose(play.brief(message))
        play.restart()
        assert proposal.asi["arch_change"] == "DEPTH 4→7"
        assert proposal.answers[message.id] == "DEPTH=7 comes next."
    play.carry_out(proposal)
    assert all(play.step().params.get("DEPTH", ("", ""))[1] != "7" for _ in range(4))


def test_a_try_is_not_lost_with_an_interrupted_run(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    proposal = play.researcher.propose(play.brief(said("try DEPTH=7")))
    play.carry_out(proposal, "interrupted")
    play.restart()
    assert play.step().asi["arch_change"] == "DEPTH 4→7"
    assert play.step().asi["arch_change"] != "DEPTH 4→7"


def test_a_try_that_the_engine_refuses_is_given_up_with_its_reason(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    play.researcher.propose(play.brief(said("try DEPTH=7")))
    other = play.researcher.propose(play.brief(refusals=("too deep",)))
    assert other.asi["arch_change"] != "DEPTH 4→7"
    assert other.remarks == ["DEPTH=7 could not be tried: too deep"]


def test_a_value_outside_the_declared_range_is_tried_and_said_to_be(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    message = said("try MATRIX_LR=0.5")
    proposal = play.step(message)
    assert proposal.asi["arch_change"] == "MATRIX_LR 0.02→0.5"
    assert proposal.answers[message.id] == (
        "MATRIX_LR=0.5 comes next (outside the declared range 0.002–0.2, tried because you asked)."
    )
    for _ in range(8):
        play.step()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("try HEAD_DIM=33", "HEAD_DIM=33 is not tried: HEAD_DIM must be even."),
        ("try MATRIX_LR=0.02", "MATRIX_LR is 0.02 already, so there is nothing to try."),
        ("try NOTHING=1", "NOTHING is not a constant I can change; there are: MATRIX_LR, BETAS, WARMUP, DEPTH"),
        ("try MATRIX_LR=fast", "MATRIX_LR=fast is not tried: fast is not a value I can read."),
        ("try DEPTH=2.5", "DEPTH=2.5 is not tried: expected a whole number in 1–8."),
        ("try PATTERN=3", 'PATTERN=3 is not tried: expected something like "SSSL".'),
        ("try DEPTH=__import__('os').getpid()", "is not a value I can read."),
        ("freeze NOTHING", "NOTHING is not a constant I can change"),
        ("unfreeze DEPTH", "DEPTH is not frozen."),
        ("be bold", "I understand: try NAME=VALUE"),
    ],
)
def test_what_cannot_be_done_is_answered_with_the_reason(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in answer(Play(tmp_path, bowl), text)


def test_a_value_tried_on_this_champion_is_answered_with_its_result(tmp_path: Path) -> None:
    play = Play(tmp_path, lambda values: 2.0 if values["DEPTH"] == 4 else 3.0)
    play.step(said("try DEPTH=7"))
    assert answer(play, "try DEPTH=7") == ("DEPTH=7 was tried on this champion already, in run 2 (3.000000).")


def test_a_frozen_constant_stays_through_restarts_until_unfrozen(tmp_path: Path) -> None:
    play = Play(tmp_path, lambda values: 2.0 if values["DEPTH"] == 4 else 3.0)
    assert answer(play, "freeze MATRIX_LR, WARMUP") == (
        "MATRIX_LR stays at 0.02 until you unfreeze it. WARMUP stays at 0.0 until you unfreeze it."
    )
    play.restart()
    for _ in range(15):
        assert not {"MATRIX_LR", "WARMUP"} & play.step().params.keys()
    assert answer(play, "unfreeze MATRIX_LR") == "MATRIX_LR is free to change again."
    assert any("MATRIX_LR" in play.step().params for _ in range(10))


def test_a_damaged_record_of_orders_is_told_and_not_overwritten(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    record = tmp_path / ".overnight" / "search.json"
    record.write_text("{torn")
    with pytest.raises(ResearcherFailed, match=r"search\.json: cannot be read"):
        play.step()
    assert record.read_text() == "{torn"
