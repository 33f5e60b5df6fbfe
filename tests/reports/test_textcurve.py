"""A curve in characters."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.reports.textcurve import drawn


@settings(max_examples=100)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=200),
    st.integers(1, 1000),
    st.integers(10, 80),
    st.integers(1, 8),
)
def test_any_curve_fits_its_frame(losses: list[float], stride: int, width: int, height: int) -> None:
    rows = drawn([(at * stride, loss) for at, loss in enumerate(losses)], width, height)
    assert len(rows) == height + 1
    assert all(len(row) <= 10 + max(width, 12) + 14 for row in rows)


def test_a_falling_loss_falls() -> None:
    rows = drawn([(step, 10 - step / 10) for step in range(100)], width=10, height=2)
    bars = [sum(" ▁▂▃▄▅▆▇█".index(row.ljust(20)[10 + x]) for row in rows[:2]) for x in range(10)]
    assert bars == sorted(bars, reverse=True) and bars[0] > bars[-1]


def test_one_point_is_no_curve() -> None:
    assert drawn([(1, 2.0)]) == []
