"""What a run says of itself against what was seen from outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.loop.claims import FROM_MB, SLACK_S, flags, unused, vram


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


@pytest.mark.parametrize(
    ("printed", "seen", "flagged"),
    [
        (45_060.0, 46_900.0, False),  # context and allocator on top
        (45_060.0, 62_000.0, False),  # an allocator that keeps what it had
        (20_000.0, 45_000.0, True),
        (45_000.0, 40_000.0, True),
        (300.0, 1_100.0, False),  # mostly context
        (1_147.6, 2_670.0, False),  # these three as measured on an H100: 4, 16 and 24 GB tiers
        (9_856.0, 11_202.0, False),
        (18_912.0, 21_270.0, False),
        (700.0, 3_700.0, False),
        (700.0, 3_900.0, True),
        (3_000.0, 2_200.0, True),
        (None, 45_000.0, False),
        (45_000.0, None, False),
    ],
)
def test_a_printed_peak_that_the_driver_did_not_see_is_flagged(
    printed: float | None, seen: float | None, flagged: bool
) -> None:
    assert vram(printed, seen) == (("vram_disagrees",) if flagged else ())


@given(st.floats(FROM_MB, 2e5), st.floats(0, 600), st.floats(1.0, 1.9))
def test_a_true_peak_with_its_context_and_allocator_is_never_flagged(peak: float, context: float, kept: float) -> None:
    assert vram(peak, peak * kept + context) == ()


def test_a_run_that_took_no_memory_of_its_gpu_did_not_train_there() -> None:
    assert unused(0.0, None) == unused(0.0, 30.0) == ("gpu_unused",)
    assert unused(0.0, 900.0) == unused(12.0, 30.0) == unused(None, None) == ()
