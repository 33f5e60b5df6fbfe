"""A unified diff read into rows and laid out for people: side by side where it is wide, one column where it is not.

Signs stand beside every changed line, so colour is never what tells. Long lines are folded, not cut.
"""

from __future__ import annotations

import difflib
import re
from typing import Literal, NamedTuple

from engine.session.inert import inert
from tui.fitting import fit, width_of
from tui.panes.lines import LinesView
from tui.runs import Line, fold, line_width

SIDE_BY_SIDE = 100
"""The least width in cells for two columns."""

_HUNK = re.compile(r"^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)$")
_STYLES = {"added": "added", "removed": "removed", "context": "", "hunk": "hunk", "file": "strong", "note": "dim"}
_SIGNS = {"added": "+", "removed": "-", "context": " "}

Kind = Literal["added", "removed", "context", "hunk", "file", "note"]


class DiffRow(NamedTuple):
    """A line of a diff: its number in the old and the new text where it has one (from 1), and its text without sign."""

    kind: Kind
    old: int | None
    new: int | None
    text: str


def parse(diff: str) -> list[DiffRow]:
    """The rows of a unified diff (git's, or plain); anything that is no diff comes out as notes, nothing is lost."""
    rows: list[DiffRow] = []
    old = new = 0
    inside = False
    for line in diff.removesuffix("\n").split("\n") if diff else ():
        hunk = _HUNK.match(line)
        if hunk:
            old, new, inside = int(hunk[1]), int(hunk[2]), True
            rows.append(DiffRow("hunk", None, None, f"line {new}" + (f" · {hunk[3]}" if hunk[3] else "")))
        elif line.startswith("diff ") or (not inside and line.startswith(("--- ", "+++ ", "index "))):
            inside = False
            if line.startswith("+++ "):
                rows.append(DiffRow("file", None, None, line[4:].partition("\t")[0].removeprefix("b/")))
        elif inside and line.startswith("+"):
            rows.append(DiffRow("added", None, new, line[1:]))
            new += 1
        elif inside and line.startswith("-"):
            rows.append(DiffRow("removed", old, None, line[1:]))
            old += 1
        elif inside and (line.startswith(" ") or not line):
            rows.append(DiffRow("context", old, new, line[1:]))
            old, new = old + 1, new + 1
        else:
            rows.append(DiffRow("note", None, None, line))
    return rows


def compare(old: str, new: str, context: int = 3) -> list[DiffRow]:
    """The rows of the difference between two texts, without a file's heading."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=context, lineterm="")
    return [row for row in parse("\n".join(lines)) if row.kind != "file"]


def counts(rows: list[DiffRow]) -> tuple[int, int]:
    """Lines added and lines removed."""
    return sum(row.kind == "added" for row in rows), sum(row.kind == "removed" for row in rows)


def layout(rows: list[DiffRow], width: int) -> list[Line]:
    """Lines of at most `width` cells: two columns from SIDE_BY_SIDE cells on, else one."""
    return side_by_side(rows, width) if width >= SIDE_BY_SIDE else one_column(rows, width)


def one_column(rows: list[DiffRow], width: int) -> list[Line]:
    """Removed above added, with both line numbers."""
    digits = _digits(rows)
    partners: dict[int, DiffRow] = {}
    for left, right in _pairs(rows):
        if left is not None and right is not None and left is not right:
            partners |= {id(left): right, id(right): left}
    out: list[Line] = []
    for row in rows:
        if row.kind not in _SIGNS:
            out.extend(fold([(inert(row.text), _STYLES[row.kind])], width))
            continue
        gutter = f"{_number(row.old, digits)} {_number(row.new, digits)} "
        text = _emphasised(row, partners.get(id(row)))
        out.extend(_with_gutter(gutter, row, text, width))
    return out


def side_by_side(rows: list[DiffRow], width: int) -> list[Line]:
    """The old text on the left, the new one on the right, changed lines beside each other."""
    digits = _digits(rows)
    half = (width - 1) // 2
    out: list[Line] = []
    for left, right in _pairs(rows):
        sole = left or right
        if sole is not None and sole.kind not in _SIGNS:
            out.extend(fold([(inert(sole.text), _STYLES[sole.kind])], width))
            continue
        columns: list[list[Line]] = []
        for row, other, number in ((left, right, "old"), (right, left, "new")):
            if row is None:
                columns.append([])
                continue
            place = row.old if number == "old" else row.new
            changed = other if other is not row and other is not None and other.kind != row.kind else None
            columns.append(_with_gutter(_number(place, digits) + " ", row, _emphasised(row, changed), half))
        for index in range(max(map(len, columns))):
            one, two = (column[index] if index < len(column) else [] for column in columns)
            out.append([*_padded(one, half), ("│", "dim"), *two])
    return out


def _pairs(rows: list[DiffRow]) -> list[tuple[DiffRow | None, DiffRow | None]]:
    """Rows for the left and the right: the same on both sides, or a removed line with the added one in its place."""
    pairs: list[tuple[DiffRow | None, DiffRow | None]] = []
    removed: list[DiffRow] = []
    added: list[DiffRow] = []

    def flush() -> None:
        for index in range(max(len(removed), len(added))):
            left = removed[index] if index < len(removed) else None
            right = added[index] if index < len(added) else None
            pairs.append((left, right))
        removed.clear()
        added.clear()

    for row in rows:
        if row.kind == "removed":
            if added:
                flush()
            removed.append(row)
        elif row.kind == "added":
            added.append(row)
        else:
            flush()
            pairs.append((row, row))
    flush()
    return pairs


def _emphasised(row: DiffRow, other: DiffRow | None) -> Line:
    """The text with what differs from the other line made bold: between their common beginning and common end."""
    style = _STYLES[row.kind]
    text = inert(row.text)
    if other is None:
        return [(text, style)]
    against = inert(other.text)
    start = 0
    while start < min(len(text), len(against)) and text[start] == against[start]:
        start += 1
    end = 0
    while end < min(len(text), len(against)) - start and text[-1 - end] == against[-1 - end]:
        end += 1
    # Whole words and numbers: 0.03 → 0.04, not 3 → 4.
    while start and _is_word(text[start - 1]):
        start -= 1
    while end and _is_word(text[-end]):
        end -= 1
    stop = len(text) - end
    parts = [(text[:start], style), (text[start:stop], style + " strong"), (text[stop:], style)]
    return [part for part in parts if part[0]] or [("", style)]


def _is_word(character: str) -> bool:
    return character.isalnum() or character in "._"


def _with_gutter(gutter: str, row: DiffRow, text: Line, width: int) -> list[Line]:
    style = _STYLES[row.kind]
    sign = _SIGNS[row.kind] + " "
    room = max(1, width - width_of(gutter) - len(sign))
    out: list[Line] = []
    for piece in fold(text, room):
        # The ground of a changed line goes on to its edge.
        rest = [(" " * (room - line_width(piece)), style)] if style else []
        first = not out
        out.append([(gutter if first else " " * len(gutter), "dim"), (sign if first else "  ", style), *piece, *rest])
    return out


def _padded(line: Line, width: int) -> Line:
    gap = width - line_width(line)
    return [*line, (" " * gap, "")] if gap > 0 else line


def _digits(rows: list[DiffRow]) -> int:
    return len(str(max((max(row.old or 0, row.new or 0) for row in rows), default=0)))


def _number(number: int | None, digits: int) -> str:
    return fit("" if number is None else str(number), digits, right=True)


class DiffView(LinesView):
    """Shows a diff; lays it out anew when its width changes."""

    DEFAULT_CSS = "DiffView { width: 1fr; height: 1fr; }"

    def __init__(self, *, empty_text: str = "no change", id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.empty_text = empty_text
        self.rows: list[DiffRow] = []

    def show_diff(self, diff: str | list[DiffRow]) -> None:
        """Show a unified diff, or rows; from its first line where it is another one."""
        rows = parse(diff) if isinstance(diff, str) else diff
        if rows != self.rows or not self.lines:
            self.rows = rows
            self._lay(from_start=True)

    def on_resize(self) -> None:
        """Lay the rows out for the new width."""
        self._lay(from_start=False)

    def _lay(self, *, from_start: bool) -> None:
        lines = layout(self.rows, self.room) if self.rows else [[(self.empty_text, "dim")]]
        self.show(lines, from_start=from_start)
