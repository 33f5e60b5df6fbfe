"""Statistics of a segment: median, MAD and the confidence figure. Crashes are left out by the caller."""

from __future__ import annotations

from collections.abc import Sequence

LIKELY, MARGINAL = 2.0, 1.0


def median(values: Sequence[float]) -> float:
    """Middle value, or the mean of the middle two. ValueError when `values` is empty."""
    if not values:
        raise ValueError("the median of no values")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return float(ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)


def mad(values: Sequence[float]) -> float:
    """Median absolute deviation from the median, unscaled. ValueError when `values` is empty."""
    ordered = sorted(values)  # so that the deviations come as two ordered halves, which sort at once
    middle = median(ordered)
    return median([abs(value - middle) for value in ordered])


def confidence(metrics: Sequence[float], baseline: float, best: float) -> float | None:
    """|best − baseline| / MAD(metrics): how far the segment came, in units of its own scatter.

    None with fewer than three metrics or when the MAD is 0. It describes the session, not one change.
    """
    if len(metrics) < 3:
        return None
    scatter = mad(metrics)
    return abs(best - baseline) / scatter if scatter > 0 else None


def meaning(figure: float | None) -> str:
    """The figure in words: "likely real" (≥ 2), "marginal" (1 to 2), "noise" (< 1), "" when there is none."""
    if figure is None:
        return ""
    if figure >= LIKELY:
        return "likely real"
    return "marginal" if figure >= MARGINAL else "noise"
