"""Plots and the numbers behind them: always the size that was asked for, nothing invented, extremes kept."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session.braille import Canvas
from tui.braille import Curve, Mark, bar, curves_plot, results_plot, sparkline
from tui.fitting import width_of
from tui.runs import line_width, plain
from tui.series import Point, decimate, label, robust_span, smooth, span_of, staircase, ticks

quick = settings(max_examples=80, deadline=None)
values = st.floats(-1e6, 1e6, allow_nan=False)
any_values = st.floats(allow_nan=True, allow_infinity=True)
series = st.lists(values, max_size=200).map(lambda ys: [Point(float(x), y) for x, y in enumerate(ys)])
statuses = st.sampled_from(["keep", "discard", "crash", "checks_failed", "something else"])


@quick
@given(series, st.integers(4, 60))
def test_thinned_points_keep_order_ends_and_extremes(points: list[Point], limit: int) -> None:
    thin = decimate(points, limit)
    assert len(thin) <= limit
    rest = iter(points)
    assert all(point in rest for point in thin), "a subsequence of the points"
    if points:
        assert thin[0] == points[0] and thin[-1] == points[-1]
        assert min(p.y for p in thin) == min(p.y for p in points)
        assert max(p.y for p in thin) == max(p.y for p in points)


def test_a_single_result_has_room_for_the_next_run_on_its_axis() -> None:
    foot = plain(results_plot([Mark(1.0, 0.99, "keep")], 60, 12, x_title="run")[-1])
    assert foot.split() == ["1", "run", "2"]


@quick
@given(series, st.booleans())
def test_the_staircase_never_gets_worse(points: list[Point], lower: bool) -> None:
    corners = staircase(points, len(points) + 5.0, lower=lower)
    sign = 1 if lower else -1
    assert all(sign * b.y <= sign * a.y and b.x >= a.x for a, b in pairwise(corners))
    if points:
        assert corners[-1] == (len(points) + 5.0, min(p.y for p in points) if lower else max(p.y for p in points))


@quick
@given(st.lists(values, min_size=1), st.integers(1, 12))
def test_ticks_lie_within_the_range_and_their_labels_differ(ys: list[float], count: int) -> None:
    span = span_of(ys)
    found = ticks(span, count)
    room = (span.high - span.low) * 1e-6
    assert all(span.low - room <= tick <= span.high + room for tick in found)
    assert found == sorted(found)
    assert len(found) <= count + 1


def test_labels_have_the_digits_that_tell_them_apart() -> None:
    assert [label(tick, 0.02) for tick in ticks(span_of([0.95, 1.01]), 3)] == ["0.96", "0.98", "1.00"]
    assert label(1500.0, 500) == "1500"


def test_one_wild_value_does_not_flatten_the_rest() -> None:
    span = robust_span([1.0, 1.01, 1.02, 0.99, 1.03, 900.0], [0.99])
    assert span.high < 2
    assert span.low <= 0.99


@pytest.mark.parametrize("values", [[-1.7e308, 1.7e308], [1.7e308], [5.0, -1.7e308]])
def test_the_largest_numbers_there_are_do_not_break_a_plot(values: list[float]) -> None:
    assert ticks(span_of(values), 4) and ticks(robust_span(values), 4)
    marks = [Mark(float(x), y, "keep") for x, y in enumerate(values)]
    assert len(results_plot(marks, 60, 12, x_title="run", y_title="val_bpb")) == 12


def test_smoothing_a_constant_changes_nothing() -> None:
    assert all(math.isclose(value, 3.0) for value in smooth([3.0] * 20))


@quick
@given(
    st.lists(st.tuples(st.integers(1, 500), st.none() | any_values, statuses), max_size=40),
    st.integers(0, 90),
    st.integers(0, 30),
)
def test_a_results_plot_has_exactly_the_size(
    rows: list[tuple[int, float | None, str]], width: int, height: int
) -> None:
    marks = [Mark(float(x), y, status) for x, y, status in sorted(rows, key=lambda row: row[0])]
    lines = results_plot(marks, width, height, x_title="run", y_title="val_bpb")
    assert len(lines) == height
    assert all(line_width(line) == width for line in lines)


@quick
@given(st.lists(series, max_size=3), st.integers(0, 90), st.integers(0, 30))
def test_a_curves_plot_has_exactly_the_size(curves: list[list[Point]], width: int, height: int) -> None:
    named = [Curve(points, "curve", f"run {number}") for number, points in enumerate(curves)]
    lines = curves_plot(named, width, height, x_title="step", y_title="loss")
    assert len(lines) == height
    assert all(line_width(line) == width for line in lines)


def test_kept_discarded_and_crashed_are_told_apart_by_glyph() -> None:
    marks = [Mark(1, 1.0, "keep"), Mark(2, 1.1, "discard"), Mark(3, None, "crash"), Mark(4, 0.9, "keep")]
    text = "\n".join(plain(line) for line in results_plot(marks, 40, 10))
    assert text.count("●") == 2
    assert text.count("·") == 1
    assert text.count("×") == 1


def test_a_value_off_the_plot_is_pinned_to_its_edge() -> None:
    marks = [Mark(float(x), 1.0 + x % 5 * 0.01, "discard") for x in range(1, 20)] + [Mark(20, 50.0, "discard")]
    lines = results_plot(marks, 40, 10)
    assert "▲" in plain(lines[0])


def test_a_line_of_dots_is_a_line() -> None:
    canvas = Canvas(2, 1)
    canvas.line((0, 0), (3, 3), "curve")
    assert canvas.lines() == [[("⠑⢄", "curve")]]


@quick
@given(st.lists(any_values, max_size=60), st.integers(0, 40))
def test_sparklines_have_exactly_the_width(ys: list[float], width: int) -> None:
    assert width_of(sparkline(ys, width)) == width


def test_sparklines_keep_a_fixed_scale_and_gaps() -> None:
    assert sparkline([0, 50, math.nan, 100], 5, low=0, high=100) == " ▁▅ █"
    assert sparkline([5, 5], 2, low=0, high=100) == "▁▁"


@quick
@given(any_values, st.integers(0, 40))
def test_bars_have_exactly_the_width(share: float, width: int) -> None:
    assert width_of(bar(share, width)) == width


def test_bars_fill() -> None:
    assert (bar(0, 4), bar(0.5, 4), bar(1, 4)) == ("░░░░", "██░░", "████")
