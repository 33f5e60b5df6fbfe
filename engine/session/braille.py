"""Dots in terminal cells: a braille cell is two dots wide and four high (U+2800 plus one bit a dot). Pure."""

from __future__ import annotations

from typing import TypeAlias

Line: TypeAlias = list[tuple[str, str]]
"""Pieces of a line of text, each with the name of its style."""

_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BLANK = 0x2800


class Canvas:
    """Cells to draw on, `width`×`height`; dots are addressed from the left top, 0…2·width-1 by 0…4·height-1."""

    def __init__(self, width: int, height: int) -> None:
        self.width = max(0, width)
        self.height = max(0, height)
        self._dots = [[0] * self.width for _ in range(self.height)]
        self._glyphs: list[list[str]] = [[""] * self.width for _ in range(self.height)]
        self._styles: list[list[str]] = [[""] * self.width for _ in range(self.height)]

    def dot(self, x: int, y: int, style: str) -> None:
        """Set one dot; outside the canvas nothing happens. The cell takes the style of its latest dot."""
        if 0 <= x < 2 * self.width and 0 <= y < 4 * self.height:
            self._dots[y // 4][x // 2] |= _BITS[x % 2][y % 4]
            self._styles[y // 4][x // 2] = style

    def line(self, start: tuple[int, int], end: tuple[int, int], style: str) -> None:
        """A straight line of dots, both ends included."""
        (x0, y0), (x1, y1) = start, end
        steps = max(abs(x1 - x0), abs(y1 - y0))
        for step in range(steps + 1):
            share = step / steps if steps else 0.0
            self.dot(round(x0 + (x1 - x0) * share), round(y0 + (y1 - y0) * share), style)

    def glyph(self, column: int, row: int, text: str, style: str) -> None:
        """Put a one-cell character over whatever dots the cell has."""
        if 0 <= column < self.width and 0 <= row < self.height:
            self._glyphs[row][column] = text
            self._styles[row][column] = style

    def lines(self) -> list[Line]:
        """What was drawn, each line exactly `width` cells, neighbours of one style joined."""
        out: list[Line] = []
        for dots, glyphs, styles in zip(self._dots, self._glyphs, self._styles, strict=True):
            line: Line = []
            for mask, glyph, style in zip(dots, glyphs, styles, strict=True):
                text = glyph or (chr(_BLANK | mask) if mask else " ")
                if line and line[-1][1] == style:
                    line[-1] = (line[-1][0] + text, style)
                else:
                    line.append((text, style))
            out.append(line)
        return out
