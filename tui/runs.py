"""Runs: pieces of text with names of styles, the form in which pure code hands lines to widgets.

A run is `(text, names)`, `names` being words of the palette separated by blanks (`"good strong"`, `""` for plain).
A line is a list of runs. Only `strip_of` knows how a terminal paints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.fitting import fit, head, tail, width_of

Run: TypeAlias = tuple[str, str]
Line: TypeAlias = list[Run]


def plain(line: Iterable[Run]) -> str:
    """The text of a line without its styles."""
    return "".join(text for text, _ in line)


def line_width(line: Iterable[Run]) -> int:
    """Cells that the line takes."""
    return sum(width_of(text) for text, _ in line)


def crop(line: Iterable[Run], start: int, width: int) -> Line:
    """The part of the line from cell `start`, `width` cells at most; half of a wide character becomes a blank."""
    out: Line = []
    position = 0
    end = start + width
    for text, names in line:
        size = width_of(text)
        left, right = max(start, position), min(end, position + size)
        if left < right:
            piece = text
            if right < position + size:
                piece = _exact_head(piece, right - position)
            if left > position:
                piece = _exact_tail(piece, right - left)
            out.append((piece, names))
        position += size
    return out


def fold(line: Iterable[Run], width: int) -> list[Line]:
    """The line in pieces of at most `width` cells, nothing lost; a wider character gets a piece of its own."""
    pieces: list[Line] = [[]]
    room = width
    for text, names in line:
        rest = text
        while rest:
            piece = head(rest, room)
            if not piece and room == width:
                piece = rest[0]
            if piece:
                pieces[-1].append((piece, names))
                rest = rest[len(piece) :]
                room -= width_of(piece)
            if rest:
                pieces.append([])
                room = width
    return pieces


def _exact_head(text: str, width: int) -> str:
    return fit(head(text, width), width)


def _exact_tail(text: str, width: int) -> str:
    return fit(tail(text, width), width, right=True)


def style_of(names: str, base: Style, palette: Mapping[str, Style]) -> Style:
    """The base style with each named style laid over it; names that the palette lacks change nothing."""
    style = base
    for name in names.split():
        if name in palette:
            style += palette[name]
    return style


def strip_of(line: Sequence[Run], width: int, base: Style, palette: Mapping[str, Style]) -> Strip:
    """The line painted exactly `width` cells wide."""
    cut = crop(line, 0, width) if line_width(line) > width else line
    segments = [Segment(text, style_of(names, base, palette)) for text, names in cut if text]
    used = sum(width_of(segment.text) for segment in segments)
    if used < width:
        segments.append(Segment(" " * (width - used), base))
    return Strip(segments, width)
