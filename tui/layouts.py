"""Where the panes stand at a given size of the screen. Pure.

One pane below 100 columns, two columns below 140, all main panes at once from there on; too few rows count as a
narrow screen, so that no pane is squeezed to nothing.
"""

from __future__ import annotations

from typing import NamedTuple

WIDE, MIDDLE = 140, 100
_WIDE_ROWS, _MIDDLE_ROWS = 26, 14
GAP = 1


class Rect(NamedTuple):
    """A place in cells, from the body's left top."""

    x: int
    y: int
    width: int
    height: int


def mode(width: int, height: int) -> str:
    """ "one", "two" or "all" for a body of this size."""
    if width >= WIDE and height >= _WIDE_ROWS:
        return "all"
    return "two" if width >= MIDDLE and height >= _MIDDLE_ROWS else "one"


def places(width: int, height: int, front: str, beside: str, *, zoomed: bool = False) -> dict[str, Rect]:
    """The panes that are shown and where. `front` is the one in focus, `beside` the right column's in two columns."""
    kind = mode(width, height)
    if zoomed or kind == "one":
        return {front: Rect(0, 0, width, height)}
    if kind == "two":
        left = (width - GAP) * 55 // 100
        upper, lower = _rows(height, (3, 2))
        return {
            "experiments": Rect(0, 0, left, upper),
            "notes": Rect(0, upper, left, lower),
            beside: Rect(left + GAP, 0, width - left - GAP, height),
        }
    left, middle, right = _columns(width, (44, 30, 26))
    found: dict[str, Rect] = {}
    x = 0
    for names, weights, column in (
        (("experiments", "chart"), (3, 2), left),
        (("runlog", "diff"), (1, 1), middle),
        (("gpu", "notes", "researcher"), (5, 6, 6), right),
    ):
        y = 0
        for name, rows in zip(names, _rows(height, weights), strict=True):
            found[name] = Rect(x, y, column, rows)
            y += rows
        x += column + GAP
    return found


def _rows(height: int, weights: tuple[int, ...]) -> list[int]:
    whole, used, out = sum(weights), 0, []
    for place, weight in enumerate(weights):
        rows = height - used if place == len(weights) - 1 else height * weight // whole
        out.append(rows)
        used += rows
    return out


def _columns(width: int, weights: tuple[int, int, int]) -> tuple[int, int, int]:
    room = width - 2 * GAP
    left, middle = room * weights[0] // 100, room * weights[1] // 100
    return left, middle, room - left - middle
