"""How wide a table's columns are. Pure."""

from __future__ import annotations

from collections.abc import Sequence

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
    wider than the room and has to be scrolled, so that nothing is unreachable.
    """
    widths = list(asked)
    stretching = [place for place, column in enumerate(columns) if column.stretch]
    left = room - total(widths)
    for share, place in enumerate(stretching):
        part = left // (len(stretching) - share) if left > 0 else left
        new = max(columns[place].least, widths[place] + part)
        left -= new - widths[place]
        widths[place] = new
    return widths


def total(widths: Sequence[int]) -> int:
    """Cells of a whole row, gaps included."""
    return sum(widths) + GAP * max(0, len(widths) - 1)
