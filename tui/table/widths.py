"""How wide a table's columns are. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tui.fitting import width_of
from tui.runs import Run
from tui.table.source import Column

GAP = 2
"""Blank cells between two columns."""


def wanted(columns: Sequence[Column], rows: Sequence[Sequence[Run]], before: Sequence[int] = ()) -> list[int]:
    """The width that each column's sampled content asks for.

    `before` are widths given earlier: a column never gets narrower by a new sample, so a table that is followed does
    not jump about.
    """
    widths: list[int] = []
    for place, column in enumerate(columns):
        width = max(column.least, width_of(column.title))
        for row in rows:
            if place < len(row):
                width = max(width, width_of(row[place][0]))
        if column.most:
            width = min(width, max(column.most, column.least, width_of(column.title)))
        if place < len(before):
            width = max(width, before[place])
        widths.append(width)
    return widths


def arrange(columns: Sequence[Column], asked: Sequence[int], room: int) -> list[int]:
    """The widths in `room` cells: stretching columns share what is left over.

    Where there is too little room only stretching columns give way, down to their least width; the table is then
    wider than the room and has to be scrolled, so that nothing is unreachable. Columns behind count only where
    there is room for all.
    """
    widths = list(asked)
    stretching = [place for place, column in enumerate(columns) if column.stretch]
    whole = total(widths) <= room
    left = room - total([width for column, width in zip(columns, widths, strict=True) if whole or not column.behind])
    for share, place in enumerate(stretching):
        part = left // (len(stretching) - share) if left > 0 else left
        new = max(columns[place].least, widths[place] + part)
        left -= new - widths[place]
        widths[place] = new
    return widths


def total(widths: Sequence[int]) -> int:
    """Cells of a whole row, gaps included."""
    return sum(widths) + GAP * max(0, len(widths) - 1)


class Stop(NamedTuple):
    """A place to scroll sideways to: the column beside the first one, and how many of its cells are scrolled past."""

    column: int
    skip: int = 0


class Piece(NamedTuple):
    """A column as it is drawn: its place, the cells of it left out on the left, and the cells drawn."""

    column: int
    skip: int
    width: int


def pieces(columns: Sequence[Column], widths: Sequence[int], room: int, stop: Stop) -> tuple[list[Piece], bool]:
    """What is drawn in `room` cells scrolled to `stop`, and whether the last column is there to its end.

    The first column stays. A column that does not fit is left out whole; only text may be shortened, to its least
    width: half a number would be another number.
    """
    drawn = [Piece(0, 0, min(widths[0], room))] if widths else []
    left = room - sum(piece.width for piece in drawn)
    for place in range(stop.column, len(widths)):
        skip = stop.skip if place == stop.column else 0
        width, left = widths[place] - skip, left - GAP
        if width > left:
            text = columns[place].stretch or not columns[place].right
            if left > 0 and (place == stop.column or (text and left >= columns[place].least)):
                drawn.append(Piece(place, skip, left))
            return drawn, False
        drawn.append(Piece(place, skip, width))
        left -= width
    return drawn, True


def stops(columns: Sequence[Column], widths: Sequence[int], asked: Sequence[int], room: int) -> list[Stop]:
    """Where scrolling sideways halts: at the start of each column, and within one wider than the room.

    The first stop is the unscrolled table, drawn with `widths`; the others have the widths `asked` for. The last one
    shows the table's end.
    """
    found = [Stop(1)]
    if total(asked) <= room or len(widths) < 2:
        return found
    beside = max(1, room - asked[0] - GAP)
    for place in range(1, len(asked)):
        starts = range(0, max(1, asked[place] - beside + 1), max(1, beside // 2))
        within = [Stop(place, skip) for skip in starts]
        if asked[place] > beside and within[-1].skip + beside < asked[place]:
            within.append(Stop(place, asked[place] - beside))
        for stop in within:
            if stop == Stop(1) and widths[1] >= asked[1]:
                continue  # the unscrolled table shows it already
            found.append(stop)
            if pieces(columns, asked, room, stop)[1]:
                return found
    return found
