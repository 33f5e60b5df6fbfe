"""What a terminal shows after the bytes it got: enough of one for programs that move absolutely and never scroll."""

import codecs
import re

_PART = re.compile(
    r"\x1b\[(\d+);(\d+)H"  # a move
    r"|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b."  # what changes no character
    r"|[^\x1b]+"
)
_TORN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?)?$")


class Grid:
    """`feed` it, then look at `lines`. A character takes one cell."""

    def __init__(self, columns: int, rows: int) -> None:
        self._cells = [[" "] * columns for _ in range(rows)]
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._x = self._y = 0

    @property
    def lines(self) -> list[str]:
        """The rows as text."""
        return ["".join(row) for row in self._cells]

    def feed(self, data: bytes) -> None:
        """The next bytes; they may end anywhere."""
        text = self._rest + self._decoder.decode(data)
        torn = _TORN.search(text)
        end = torn.start() if torn else len(text)
        self._rest = text[end:]
        for found in _PART.finditer(text[:end]):
            if found[1]:
                self._y, self._x = int(found[1]) - 1, int(found[2]) - 1
            elif not found[0].startswith("\x1b"):
                self._write(found[0])

    def _write(self, text: str) -> None:
        for number, piece in enumerate(text.replace("\r", "").split("\n")):
            if number:
                self._x, self._y = 0, self._y + 1
            if self._y < len(self._cells):
                row = self._cells[self._y]
                piece = piece[: max(0, len(row) - self._x)]
                row[self._x : self._x + len(piece)] = piece
                self._x += len(piece)
