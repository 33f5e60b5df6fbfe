"""The policy of one result against the champion."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.loop.judgement import Result, Verdict, impossible, judge
from engine.session.flags import explain
from engine.session.settings import Gate, Metric

LOWER, HIGHER = Metric(), Metric("score", "", "higher")
CHAMPION = Result(1.0, {"peak_vram_mb": 100.0})
METRICS = st.floats(0.01, 10, allow_nan=False)


def of(metric: float, gate: Gate | None = None, lines: int = 0, vram: float = 100.0, *flags: str) -> Verdict:
    return judge(Result(metric, {"peak_vram_mb": vram}, flags, lines), CHAMPION, LOWER, gate or Gate())


@pytest.mark.parametrize(
    ("metric", "lines", "status"),
    [
        (0.99, 0, "keep"),
        (1.0, 0, "discard"),
        (1.01, 0, "discard"),
        (1.0, 3, "discard"),
        (1.0, -1, "keep"),
        (1.001, -50, "discard"),
        (0.999, 20, "discard"),  # 0.001 for 20 lines is not worth it …
        (0.999, 19, "keep"),  # … and for 19 it is
    ],
)
def test_better_is_kept_and_equal_or_worse_is_not(metric: float, lines: int, status: str) -> None:
    # a gain of exactly 20 × 5e-5 is at the edge, which floats do not meet: ask for a hair more
    gate = Gate(gain_per_line=5.0001e-5)
    assert of(metric, gate, lines).status == status


@pytest.mark.parametrize(
    ("metric", "lines", "status"),
    [(0.995, 0, "discard"), (1.005, 0, "discard"), (1.005, -1, "keep"), (0.995, -1, "keep"), (1.02, -9, "discard")],
)
def test_equal_within_keeps_only_what_is_simpler(metric: float, lines: int, status: str) -> None:
    assert of(metric, Gate(equal_within=0.01), lines).status == status


@pytest.mark.parametrize(
    ("vram", "metric", "status"),
    [(150.0, 0.995, "keep"), (151.0, 0.995, "discard"), (151.0, 0.98, "keep"), (9e9, 0.98, "keep")],
)
def test_much_more_memory_needs_a_gain_that_is_worth_it(vram: float, metric: float, status: str) -> None:
    assert of(metric, vram=vram).status == status


def test_memory_nobody_measured_is_not_held_against_a_result() -> None:
    assert judge(Result(0.999), CHAMPION, LOWER, Gate()).status == "keep"
    assert judge(Result(0.999, {"peak_vram_mb": 5.0}), Result(1.0), LOWER, Gate()).status == "keep"


@pytest.mark.parametrize(
    ("metric", "flag"), [(0.0, "not_positive"), (-2.0, "not_positive"), (math.inf, "not_finite"), (0.85, "jump")]
)
def test_claims_that_cannot_be_are_flagged_and_offered_for_approval(metric: float, flag: str) -> None:
    found = of(metric)
    assert (found.status, found.flags) == ("discard", (flag,))
    assert "keep it by hand if it is true" in found.reason


def test_a_jump_of_zero_turns_the_doubt_off() -> None:
    assert of(0.2, Gate(jump=0.0)).status == "keep"


def test_flags_of_the_measuring_discard_even_the_best_result() -> None:
    found = of(0.95, None, 0, 100.0, "clock_disagrees")
    assert (found.status, found.flags) == ("discard", ("clock_disagrees",))
    assert "more training seconds than the wall clock saw" in found.reason


def test_where_higher_is_better_zero_and_less_are_ordinary_values() -> None:
    assert impossible(Result(-3.0), HIGHER, -3.05, 0.1) == ()
    assert judge(Result(-2.95), Result(-3.0), HIGHER, Gate()).status == "keep"
    assert impossible(Result(-3.0), HIGHER, -4.0, 0.1) == ("jump",)


def test_unknown_flags_are_told_as_they_are() -> None:
    assert explain(("jump", "strange")) == "the gain is larger than gate.jump in one step; strange"


@given(METRICS, METRICS, st.integers(-40, 40), st.sampled_from([0.0, 0.01]))
def test_a_keep_is_better_or_else_equal_and_simpler(new: float, old: float, lines: int, within: float) -> None:
    found = judge(Result(new, net_lines=lines), Result(old), LOWER, Gate(equal_within=within))
    if found.status == "keep":
        assert new < old or (abs(new - old) <= within and lines < 0)
        assert old - new <= 0.1
    else:
        assert found.status == "discard" and found.reason


@given(METRICS, METRICS, st.integers(-40, 40))
def test_the_direction_is_the_only_difference_between_lower_and_higher(new: float, old: float, lines: int) -> None:
    low = judge(Result(new, net_lines=lines), Result(old), LOWER, Gate())
    high = judge(Result(-new, net_lines=lines), Result(-old), HIGHER, Gate())
    assert low.status == high.status


@given(st.lists(st.floats(0, 0.01), max_size=30))
def test_simplifications_within_equal_never_end_further_from_the_best_than_equal(steps: list[float]) -> None:
    best = standing = 1.0
    gate = Gate(equal_within=0.01)
    for step in steps:
        metric = standing + step
        if judge(Result(metric, net_lines=-1), Result(standing), LOWER, gate, best).status == "keep":
            standing, best = metric, min(best, metric)
    assert standing - 1.0 <= gate.equal_within + 1e-12
