"""A curve in characters, for where no picture can be drawn. Pure."""

import math
from collections.abc import Sequence

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def drawn(points: Sequence[tuple[int, float]], width: int = 60, height: int = 6) -> list[str]:
    """`points` (step, loss) as lines of block characters, the axis' ends written beside; [] with fewer than two.

    Each column is the mean of its share of the steps; the scale goes from the lowest column to the highest.
    """
    if len(points) < 2:
        return []
    first, last = points[0][0], points[-1][0]
    columns: list[list[float]] = [[] for _ in range(width)]
    for step, loss in points:
        columns[min(width - 1, (step - first) * width // max(1, last - first))].append(loss)
    means: list[float] = []
    for column in columns:
        means.append(sum(column) / len(column) if column else means[-1])
    low, high = min(means), max(means)
    span = high - low if high > low and math.isfinite(high - low) else math.inf  # flat, where there is no other way
    levels = [1 + round(min(1.0, (mean - low) / span) * (height * 8 - 1)) if span < math.inf else 1 for mean in means]
    rows = []
    for row in range(height - 1, -1, -1):
        cells = "".join(_EIGHTHS[min(8, max(0, level - 8 * row))] for level in levels)
        label = f"{high:.5g}" if row == height - 1 else f"{low:.5g}" if row == 0 else ""
        rows.append(f"{label:>9} {cells}".rstrip())
    rows.append(f"{'step':>9} {first:<{width // 2}}{last:>{width - width // 2}}")
    return rows
