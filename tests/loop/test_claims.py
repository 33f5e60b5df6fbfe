"""What a run says of itself against what was seen from outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.loop.claims import SLACK_S, flags


def test_agreeing_figures_raise_no_flag() -> None:
    assert flags("val_bpb", {"val_bpb": 1.2345678}, {"val_bpb": 1.234568, "training_seconds": 10.0}, 12.0) == ()


def test_a_metric_line_that_is_not_what_the_log_says_is_flagged() -> None:
    assert flags("val_bpb", {"val_bpb": 0.9}, {"val_bpb": 1.2}, 12.0) == ("log_disagrees",)
    assert flags("val_bpb", {"val_bpb": 0.9}, {"val_loss": 1.2}, 12.0) == ()


def test_a_benchmark_without_a_summary_is_taken_at_its_word() -> None:
    assert flags("val_bpb", {"val_bpb": 0.9}, {}, 0.1) == ()


@pytest.mark.parametrize("where", ["metrics", "summary"])
def test_more_training_than_the_clock_saw_is_flagged_wherever_it_is_claimed(where: str) -> None:
    claim = {"training_seconds": 300.0}
    metrics, summary = (claim, {}) if where == "metrics" else ({}, claim)
    assert flags("val_bpb", metrics, summary, 20.0) == ("clock_disagrees",)
    assert flags("val_bpb", metrics, summary, 300.0 - SLACK_S) == ()


def test_both_lies_are_told() -> None:
    found = flags("score", {"score": 1.0, "training_seconds": 99.0}, {"score": 2.0}, 1.0)
    assert found == ("log_disagrees", "clock_disagrees")


@given(st.floats(1e-6, 1e6))
def test_six_printed_decimals_of_a_metric_agree_with_it(metric: float) -> None:
    assert flags("m", {"m": metric}, {"m": float(f"{metric:.6f}")}, 1.0) == ()
