"""What the terminal shows, cell by cell, so that a repaint sends only the cells that differ.

Textual sends a widget's whole region, and at any change of the layout the whole screen. Over a slow line that is what
a console costs, so the updates are compared here with what was sent before.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.segment import Segment
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

_GAP = 8  # cells between two differences that are cheaper sent than jumped over

Cell: TypeAlias = tuple[str, str]
"""What a cell shows: its character and how that is coloured. Equal cells look alike."""

Piece: TypeAlias = tuple[int, int, Strip]
"""Where a strip begins (column, row), and the strip."""


class Difference(CompositorUpdate):
    """An update, as the sequence that is left of it."""

    def __init__(self, sequence: str) -> None:
        self._sequence = sequence

    @property
    def needed(self) -> bool:
        """Whether there is anything to send."""
        return bool(self._sequence)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich asks of anything that is shown."""
        yield Segment(self._sequence)

    def render_segments(self, console: Console) -> str:
        """The sequence."""
        return self._sequence


class Screenful:
    """`difference(update)` gives what has to be sent, and takes it as sent; `forget` when the terminal lost it."""

    def __init__(self) -> None:
        self._rows: list[list[Cell | None]] = []
        self._size = Size(0, 0)

    def forget(self) -> None:
        """Nothing is known of what the terminal shows: whatever is painted is sent."""
        self._size = Size(0, 0)

    def difference(self, update: LayoutUpdate | ChopsUpdate, console: Console, size: Size) -> Difference:
        """What of `update` the terminal, of `size` cells, does not show yet."""
        if size != self._size:
            self._size = size
            self._rows = [[None] * size.width for _ in range(size.height)]
        system = console._color_system or ColorSystem.TRUECOLOR
        found: list[str] = []
        for x, y, strip in _pieces(update):
            if 0 <= y < size.height and 0 <= x < size.width:
                self._send(found, x, y, strip.crop(0, size.width - x), console, system)
        return Difference("".join(found))

    def _send(self, found: list[str], x: int, y: int, strip: Strip, console: Console, system: ColorSystem) -> None:
        row = self._rows[y]
        new, plain = _cells(strip, system)
        end = x + len(new)
        old = row[x:end]
        if old == new:
            return
        row[x:end] = new
        # Terminals disagree on how wide some characters are: a strip with any of them is sent whole.
        for start, stop in _spans(old, new) if plain else ((0, len(new)),):
            found.append(Control.move_to(x + start, y).segment.text)
            found.append(strip.crop(start, stop).render(console))


def _pieces(update: LayoutUpdate | ChopsUpdate) -> Iterator[Piece]:
    """The strips that an update paints."""
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            yield update.region.x, y, Strip.join(line)
        return
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x < last and end > first:
                yield x, y, strip if end <= last else strip.crop(0, last - x)


def _cells(strip: Strip, system: ColorSystem) -> tuple[list[Cell], bool]:
    """The strip's cells, and whether each of its characters takes one; if not, every cell stands for all of it."""
    cells: list[Cell] = []
    for text, style, _ in strip._segments:
        look = "" if style is None else Strip.render_ansi(style, system) + (style.link or "")
        if not (text.isascii() or _narrow(text)):
            whole = repr(list(strip))
            return [(whole, str(place)) for place in range(strip.cell_length)], False
        cells += [(character, look) for character in text]
    return cells, True


@lru_cache(maxsize=4096)
def _narrow(text: str) -> bool:
    return all(get_character_cell_size(character) == 1 for character in text)


def _spans(old: list[Cell | None], new: list[Cell]) -> Iterator[tuple[int, int]]:
    """From where to where they differ, near differences taken together."""
    start = stop = -1
    for place, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        if start >= 0 and place - stop > _GAP:
            yield start, stop
            start = -1
        if start < 0:
            start = place
        stop = place + 1
    if start >= 0:
        yield start, stop
