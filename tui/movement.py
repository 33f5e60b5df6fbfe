"""The keys that move within a pane, one table for every widget that scrolls, remappable by their ids."""

from __future__ import annotations

from typing import NamedTuple

from textual.binding import Binding


class Move(NamedTuple):
    """A way to move: its stable id, the keys it has by default, what it is called, and what the widget is told."""

    id: str
    keys: tuple[str, ...]
    title: str
    where: str


MOVES = (
    Move("move.down", ("j", "down"), "one line down", "down"),
    Move("move.up", ("k", "up"), "one line up", "up"),
    Move("move.half_down", ("ctrl+d",), "half a page down", "half_down"),
    Move("move.half_up", ("ctrl+u",), "half a page up", "half_up"),
    Move("move.page_down", ("pagedown",), "a page down", "page_down"),
    Move("move.page_up", ("pageup",), "a page up", "page_up"),
    Move("move.start", ("g", "home"), "to the start", "start"),
    Move("move.end", ("G", "end"), "to the end", "end"),
    Move("move.left", ("h", "left"), "to the left", "left"),
    Move("move.right", ("l", "right"), "to the right", "right"),
)


def bindings() -> list[Binding]:
    """A binding for each move, calling `action_move(where)` of the focused widget."""
    return [Binding(",".join(m.keys), f"move('{m.where}')", m.title, show=False, id=m.id) for m in MOVES]


def lines_of(where: str, page: int) -> int | None:
    """How many lines a move goes down (negative: up) where a page has `page` lines; None where it is no such move."""
    half = max(1, page // 2)
    whole = max(1, page - 1)
    return {"down": 1, "up": -1, "half_down": half, "half_up": -half, "page_down": whole, "page_up": -whole}.get(where)


def thumb(top: float, shown: float, total: float, height: int) -> tuple[int, int]:
    """First row and number of rows of a scrollbar's thumb in `height` rows; (0, 0) where everything is shown."""
    if total <= shown or height < 2:
        return 0, 0
    length = max(1, min(height - 1, round(height * shown / total)))
    share = min(1.0, max(0.0, top / (total - shown)))
    start = round(share * (height - length))
    # The very ends are shown only when they are reached.
    if top > 0 and start == 0 and height - length > 1:
        start = 1
    if top < total - shown and start == height - length and start > 0:
        start -= 1
    return start, length
