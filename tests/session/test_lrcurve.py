"""What a learning-rate test is read as: on quadratics, whose stable rate is known, and on curves that tell nothing."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session import lrcurve
from engine.session.lrcurve import Diverging, Sweep, against, longest_fall, rates, read
from engine.session.lrtest import LrTest, rounded

STEPS = 100


def quadratic(curvatures: list[float], low: float, high: float, seed: int, noise: float = 0.02) -> Sweep:
    """Gradient descent on ½ Σ λ θ² with noisy gradients, its rate raised: stable below 2 / max(λ)."""
    rng = random.Random(seed)
    theta = [1.0 for _ in curvatures]
    points: list[tuple[float, float]] = []
    diverging = Diverging()
    for rate in rates(low, high, STEPS):
        moved = [t - rate * c * (t + noise * rng.gauss(0, 1)) for t, c in zip(theta, curvatures, strict=True)]
        theta = moved
        loss = 0.5 * sum(c * t * t for t, c in zip(theta, curvatures, strict=True))
        points.append((rate, loss))
        if diverging.now(loss):
            return Sweep(seed, tuple(points), "diverged")
    return Sweep(seed, tuple(points))


@settings(max_examples=40, deadline=None)
@given(
    steepness=st.floats(1e-3, 1e3),
    others=st.lists(st.floats(0.02, 1.0), max_size=4),
    seed=st.integers(0, 10**6),
    noise=st.floats(0.005, 0.05),
)
def test_on_a_quadratic_the_known_stable_rate_lies_between_every_suggestion_and_divergence(
    steepness: float, others: list[float], seed: int, noise: float
) -> None:
    stable = 2 / steepness
    curvatures = [steepness, *(steepness * other for other in others)]
    reading = read([quadratic(curvatures, stable / 200, stable * 50, seed + nth, noise) for nth in range(2)])
    assert reading.clear and not reading.warnings
    assert reading.edge is not None and reading.lowest is not None
    assert stable <= reading.edge <= 5 * stable
    assert reading.lowest <= 1.3 * stable
    for suggestion in reading.suggestions:
        assert stable / 200 <= suggestion.at < stable, suggestion
        assert suggestion.low <= suggestion.high


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(1e-2, 1e2), st.floats(-50, 50))
def test_a_scale_of_the_rates_scales_the_suggestions_and_one_of_the_losses_does_not(
    factor: float, stretch: float, shift: float
) -> None:
    plain = quadratic([1.0, 0.3], 0.01, 100, 5)
    moved = Sweep(5, tuple((x * factor, y * stretch + max(0.0, shift)) for x, y in plain.points), "diverged")
    for one, other in zip(read([plain]).suggestions, read([moved]).suggestions, strict=True):
        assert other.name == one.name
        if shift <= 0:
            assert other.at == pytest.approx(one.at * factor, rel=1e-6)


def test_noise_without_a_fall_is_told_as_such() -> None:
    fooled = 0
    for seed in range(40):
        rng = random.Random(seed)
        points = tuple((x, 4 + rng.gauss(0, 0.3)) for x in rates(0.01, 100, STEPS))
        reading = read([Sweep(seed, points)])
        fooled += reading.clear
        assert reading.clear or any("too noisy" in text for text in reading.warnings)
    assert fooled <= 2


def test_a_loss_that_still_falls_at_the_end_asks_for_a_higher_end() -> None:
    points = tuple((x, 5 - math.log10(x)) for x in rates(0.01, 100, STEPS))
    reading = read([Sweep(1, points)])
    assert reading.edge is None and any("raise --max" in text for text in reading.warnings)


def test_a_loss_that_only_rises_asks_for_a_lower_beginning() -> None:
    points = tuple((x, 5 + math.log10(x)) for x in rates(0.01, 100, STEPS))
    assert any("lower --min" in text for text in read([Sweep(1, points)]).warnings)


def test_seeds_that_do_not_agree_are_told() -> None:
    reading = read([quadratic([1.0], 0.001, 1000, 1), quadratic([100.0], 0.001, 1000, 2)])
    assert any("do not agree" in text for text in reading.warnings)
    steepest = reading.suggestion("steepest")
    assert steepest is not None and steepest.high > lrcurve.APART * steepest.low


@pytest.mark.parametrize("points", [(), ((0.1, 1.0),), tuple((x, 1.0) for x in rates(0.1, 1, 11))])
def test_too_few_points_suggest_nothing(points: tuple[tuple[float, float], ...]) -> None:
    reading = read([Sweep(1, points)])
    assert not reading.suggestions and "are needed" in reading.warnings[0]
    assert not read([]).suggestions


def test_a_training_that_ended_by_itself_is_not_taken_for_divergence() -> None:
    points = quadratic([1.0], 0.01, 1.0, 3).points
    reading = read([Sweep(3, points, "stopped")])
    assert reading.edge is None and "ended by itself" in reading.warnings[-1]


def test_what_is_no_number_ends_a_sweep() -> None:
    points = quadratic([1.0], 0.01, 1.0, 3).points
    broken = Sweep(3, (*points, (1.1, math.nan), (1.2, 0.0)), "diverged")
    assert len(read([broken]).curve) == len(points)


def test_divergence_is_seen_at_once_where_the_loss_is_no_number_and_not_in_noise() -> None:
    assert Diverging().now(math.nan) and Diverging().now(math.inf)
    rng, steady = random.Random(2), Diverging()
    assert not any(steady.now(4 + rng.gauss(0, 0.1)) for _ in range(500))
    rising = Diverging()
    assert [rising.now(loss) for loss in (4.0, 4.0, 4.0, 4.0, 4.0, 3.0, 3.0)] == [False] * 7
    assert any(rising.now(9.0) for _ in range(5))


def test_what_the_other_groups_learn_is_taken_out_by_the_control() -> None:
    """The others' fall lies at the lowest rates, where it would be taken for the steepest."""
    xs = rates(0.01, 100, STEPS)
    rng = random.Random(4)
    shared = [4 + 3 * math.exp(-at / 4) + rng.gauss(0, 0.2) for at in range(STEPS)]
    gain = [1 / (1 + (1 / x) ** 2) - (max(0.0, math.log10(x / 10)) ** 2) for x in xs]
    raised = Sweep(4, tuple((x, y - g) for x, y, g in zip(xs, shared, gain, strict=True)))
    control = Sweep(4, tuple((x, y) for x, y in zip(xs, shared, strict=True)))
    naive, paired = read([raised]).suggestion("steepest"), read([against(raised, control)]).suggestion("steepest")
    assert naive is not None and naive.at < 0.05
    assert paired is not None and 0.2 < paired.at < 3


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=30))
def test_the_longest_fall_is_as_long_as_the_plain_way_finds(values: list[int]) -> None:
    first, last = longest_fall([float(v) for v in values])
    best = [1] * len(values)
    start = list(range(len(values)))
    for at, value in enumerate(values):
        for before in range(at):
            if values[before] > value and best[before] + 1 > best[at]:
                best[at], start[at] = best[before] + 1, start[before]
    assert best[last] == max(best)
    assert first <= last and (first == last or values[first] > values[last])


def test_numbers_are_told_in_the_constants_own_unit() -> None:
    test = LrTest(1, "c", "matrix", {"MATRIX_LR": 0.012}, ())
    assert test.of() == "MATRIX_LR" and test.values(2.0) == {"MATRIX_LR": "0.024"}
    assert LrTest(1, "c", "all", {"A_LR": 0.1, "B_LR": 3}, ()).values(0.5) == {"A_LR": "0.05", "B_LR": "1.5"}
    assert LrTest(1, "c", "odd", {}, ()).of() == "times the present rate of odd"
    assert rounded(0.0123456) == "0.0123"
