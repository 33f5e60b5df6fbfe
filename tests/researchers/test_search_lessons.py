"""What is learnt follows from the data: the same change reads differently after other results."""

from pathlib import Path

from engine.researchers.base import Message
from engine.researchers.search.values import Value
from tests.researchers.playing import Play


def asked(play: Play, text: str) -> dict[str, str]:
    """Let the operator's try be carried out; what was learnt from it."""
    play.step(Message(f"m{len(play.results)}", f"try {text}", "ann"))
    return play.results[-1].asi


def by_rate(table: dict[float, float | None], default: float = 9.0):  # type: ignore[no-untyped-def]
    def objective(values: dict[str, Value]) -> float | None:
        rate = values["MATRIX_LR"]
        assert isinstance(rate, float)
        return table.get(rate, default)

    return objective


def test_a_gain_says_by_how_much_and_where_to_go_on(tmp_path: Path) -> None:
    play = Play(tmp_path, by_rate({0.02: 2.0, 0.04: 1.9, 0.08: 1.85}))
    learnt = asked(play, "MATRIX_LR=0.04")
    assert learnt["result"] == "val_bpb 1.900000, 0.100000 better than run 1's 2.000000; keep"
    assert learnt["next_action_hint"] == "raising MATRIX_LR 0.02→0.04 has helped (last gain 0.1): go on to 0.08"
    learnt = asked(play, "MATRIX_LR=0.08")
    assert "raising MATRIX_LR 0.02→0.08 has helped 2 times in a row (last gain 0.05)" in learnt["next_action_hint"]


def test_one_worse_side_points_to_the_other(tmp_path: Path) -> None:
    play = Play(tmp_path, by_rate({0.02: 2.0, 0.04: 2.1}))
    learnt = asked(play, "MATRIX_LR=0.04")
    assert learnt["result"] == "val_bpb 2.100000, 0.100000 worse than run 1's 2.000000; discard"
    assert learnt["next_action_hint"] == (
        "0.04 is worse than 0.02 for MATRIX_LR; below 0.02 nothing worse is known: try 0.01"
    )


def test_two_worse_sides_hold_the_best_between_them(tmp_path: Path) -> None:
    play = Play(tmp_path, by_rate({0.02: 2.0, 0.04: 2.1, 0.01: 2.5}))
    asked(play, "MATRIX_LR=0.04")
    hint = asked(play, "MATRIX_LR=0.01")["next_action_hint"]
    assert hint.startswith("both 0.01 and 0.04 are worse than 0.02: the best MATRIX_LR lies between them")
    assert hint.endswith("if anything, try 0.025")  # a parabola through the three


def test_a_kept_step_back_is_known_to_be_worse(tmp_path: Path) -> None:
    play = Play(tmp_path, by_rate({0.02: 2.0, 0.04: 1.9, 0.08: 2.5}))
    asked(play, "MATRIX_LR=0.04")
    hint = asked(play, "MATRIX_LR=0.08")["next_action_hint"]
    assert hint.startswith("both 0.02 and 0.08 are worse than 0.04")


def test_a_crash_is_named_and_keeps_away_from_there(tmp_path: Path) -> None:
    play = Play(tmp_path, by_rate({0.02: 2.0, 0.15: None}))
    learnt = asked(play, "MATRIX_LR=0.15")
    assert learnt["result"].startswith("crash")
    assert "0.15 is worse than 0.02 (could not run) for MATRIX_LR; below 0.02" in learnt["next_action_hint"]


def test_no_difference_says_so(tmp_path: Path) -> None:
    learnt = asked(Play(tmp_path, lambda values: 2.0), "MATRIX_LR=0.04")
    assert "the same as run 1's 2.000000" in learnt["result"]
    assert learnt["next_action_hint"] == ("MATRIX_LR makes no difference between 0.02 and 0.04: change something else")


def test_choices_name_what_is_left(tmp_path: Path) -> None:
    play = Play(tmp_path, lambda values: 2.0 if values["PATTERN"] == "SSSL" else 2.2)
    assert asked(play, "PATTERN=SL")["next_action_hint"] == "SL is worse than SSSL for PATTERN; untried: L"
    assert asked(play, "PATTERN=L")["next_action_hint"] == (
        "SL and L are worse than SSSL for PATTERN, and every value is tried: leave it at SSSL"
    )
