"""Median, MAD and confidence."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session.stats import confidence, mad, meaning, median

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@settings(deadline=None)
@given(VALUES)
def test_half_of_the_values_lie_on_each_side_of_the_median_and_within_the_mad(values: list[float]) -> None:
    middle, scatter = median(values), mad(values)
    assert 2 * sum(v <= middle for v in values) >= len(values)
    assert 2 * sum(v >= middle for v in values) >= len(values)
    assert 2 * sum(abs(v - middle) <= scatter for v in values) >= len(values)


@settings(deadline=None)
@given(VALUES, st.randoms(use_true_random=False))
def test_order_does_not_matter(values: list[float], rng: random.Random) -> None:
    mixed = list(values)
    rng.shuffle(mixed)
    assert (median(mixed), mad(mixed)) == (median(values), mad(values))


def test_confidence_is_the_way_come_in_units_of_the_scatter() -> None:
    metrics = [1.00, 0.99, 0.98, 1.01, 1.00]
    assert mad(metrics) == pytest.approx(0.01)
    assert confidence(metrics, 1.00, 0.98) == pytest.approx(2.0)


def test_confidence_is_none_for_fewer_than_three_or_without_scatter() -> None:
    assert confidence([1.0, 0.9], 1.0, 0.9) is None
    assert confidence([1.0, 1.0, 1.0, 0.9], 1.0, 0.9) is None


@pytest.mark.parametrize(
    ("figure", "words"),
    [(None, ""), (0.0, "noise"), (0.99, "noise"), (1.0, "marginal"), (1.99, "marginal"), (2.0, "likely real")],
)
def test_the_figure_in_words(figure: float | None, words: str) -> None:
    assert meaning(figure) == words


def test_no_values_have_no_median() -> None:
    with pytest.raises(ValueError, match="no values"):
        median([])
