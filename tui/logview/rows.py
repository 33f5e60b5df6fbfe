"""From a log's lines to screen rows, and walking over them up and down. Reads no more of the log than is shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from engine.session.inert import inert
from engine.session.textlog import LogLine
from tui.fitting import wrap
from tui.logview.source import LogText
from tui.runs import Line

_TROUBLE = re.compile(r"^FAIL\b|^Traceback |\b\w*(?:Error|Exception)\b|\bnan\b", re.IGNORECASE)
_RESULT = re.compile(r"^METRIC |^val_bpb:")


class Place(NamedTuple):
    """A row's place in the log: its line's byte offset and which fold of that line it is."""

    offset: int
    fold: int = 0


class Row(NamedTuple):
    """One row: its place, its harmless text, its line's end in the log, and whether it is the last fold of its line."""

    place: Place
    text: str
    end: int
    last: bool
    complete: bool  # the line has its newline


def rows_of(line: LogLine, width: int) -> list[Row]:
    """The rows of one line folded at `width` cells; 0 means not folded."""
    text = inert(line.text)
    pieces = wrap(text, width) if width else [text]
    end = len(pieces) - 1
    return [
        Row(Place(line.offset, fold), piece, line.end, fold == end, line.terminated)
        for fold, piece in enumerate(pieces)
    ]


def rows_from(log: LogText, place: Place, count: int, width: int) -> list[Row]:
    """Up to `count` rows from `place` on; fewer only at the end of the log."""
    rows: list[Row] = []
    offset, skip = place
    while len(rows) < count and offset < log.size:
        # Folding a line gives at least one row, so no more lines than rows can be needed.
        lines = log.page_from(offset, count - len(rows))
        if not lines:
            break
        for line in lines:
            rows.extend(rows_of(line, width)[skip:])
            skip = 0
            if len(rows) >= count:
                break
        if lines[-1].end <= offset:
            break
        offset = lines[-1].end
    return rows[:count]


def rows_before(log: LogText, place: Place, count: int, width: int) -> list[Row]:
    """Up to `count` rows just above `place`, in the order of the log; fewer only at its start."""
    rows: list[Row] = []
    if place.fold:
        rows = [row for line in log.page_from(place.offset, 1) for row in rows_of(line, width)[: place.fold]]
    offset = place.offset
    while len(rows) < count and offset > 0:
        lines: Sequence[LogLine] = log.page_before(offset, count - len(rows))
        if not lines:
            break
        above: list[Row] = []
        for line in reversed(lines):
            above[:0] = rows_of(line, width)
            if len(above) + len(rows) >= count:
                break
        rows[:0] = above
        offset = lines[0].offset
    return rows[-count:] if count > 0 else []


def rows_at_end(log: LogText, count: int, width: int) -> list[Row]:
    """The last `count` rows of the log."""
    return rows_before(log, Place(log.size), count, width)


def unfolded(rows: Sequence[Row]) -> str:
    """The rows' text with a newline at the ends of the log's lines only, not where one was folded."""
    return "".join(row.text + ("\n" if row.last else "") for row in rows).removesuffix("\n")


def runs_of(text: str, pattern: str, *, current: bool) -> Line:
    """A row's text with its colours: trouble, results, and what is searched for (`current`: the match gone to)."""
    base = "bad" if _TROUBLE.search(text) else "accent" if _RESULT.match(text) else ""
    if current:
        base += " strong"
    if not pattern:
        return [(text, base)]
    line: Line = []
    position = 0
    for found in re.finditer(re.escape(pattern), text, re.IGNORECASE):
        line.append((text[position : found.start()], base))
        line.append((found.group(), base + " match"))
        position = found.end()
    line.append((text[position:], base))
    return line
