r"""Random access to a log of any size for a viewer: pages by byte offset, read in place, nothing indexed or loaded.

Lines are those of `textlines` (an endless line comes in pieces); each shows what a terminal would after its `\r`s, cut
at WIDEST bytes. The text is raw: pass it through `inert.inert` before it meets a terminal.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

import msgspec

from engine.session.carriage import collapse
from engine.session.growth import Change, GrowingFile
from engine.session.textlines import BLOCK, TextLines
from engine.session.textsearch import Hit, search_lines

__all__ = ["BLOCK", "WIDEST", "Change", "Hit", "LogLine", "TextLog"]

WIDEST = 4096  # bytes of one line shown; more is cut, and the line says how much


class LogLine(msgspec.Struct, frozen=True):
    """One line as shown. `offset` names it for good (until the file is replaced); `end`: where the next one starts."""

    offset: int
    end: int
    text: str
    cut: int = 0  # bytes not shown at the end of the text
    terminated: bool = True  # False: the last line, still being written, or a piece of an endless one


class TextLog:
    """The log at `path`, which may not exist yet, grow, be cut or be replaced.

    What is shown is the file as of the last `changed()`. Not for several threads, but for `search`, which may run in a
    worker while the owner goes on reading.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = GrowingFile(path)
        self._lines = TextLines(self._file)

    @property
    def size(self) -> int:
        """Bytes in the file at the last `changed()`."""
        return self._file.size

    def changed(self) -> Change:
        """Look again: SAME, GROWN, REPLACED (truncated or another file: offsets are void) or GONE."""
        change = self._file.refresh()
        if change in (Change.GROWN, Change.REPLACED):
            self._lines.forget(keep_full=change is Change.GROWN)
        return change

    def page_from(self, offset: int, n: int) -> list[LogLine]:
        """Up to `n` lines from the one that holds `offset` on; fewer only at the end of the file.

        A last line without its newline holds the end of the file too, so it comes again, longer, when it has grown.
        """
        page: list[LogLine] = []
        start = self._lines.start_of(offset)
        while len(page) < n and start < self.size:
            line = self._line(start)
            if line.end <= start:  # the file was cut under us; changed() will tell
                break
            page.append(line)
            start = line.end
        return page

    def page_before(self, offset: int, n: int) -> list[LogLine]:
        """The last `n` lines that start before `offset`, in the file's order; fewer only at the file's start."""
        page: list[LogLine] = []
        position = min(offset, self.size)
        while len(page) < n and position > 0:
            start = self._lines.start_of(position - 1)
            page.append(self._line(start))
            position = start
        page.reverse()
        return page

    def end_page(self, n: int) -> list[LogLine]:
        """The last `n` lines, one still being written included."""
        return self.page_before(self.size, n)

    def line_start(self, offset: int) -> int:
        """Offset of the line that holds `offset`."""
        return self._lines.start_of(offset)

    def count_lines(self, start: int, end: int) -> int:
        """How many lines start at `start` or later and before `end`: "142 new lines". Costs 1 ms for some MB."""
        return self._lines.count(start, end)

    def search(
        self,
        pattern: str,
        from_offset: int,
        direction: Literal["forward", "backward"] = "forward",
        stop: Callable[[], bool] | None = None,
    ) -> Hit:
        """The nearest line that shows `pattern`, letters of either case alike, no regular expression.

        Forward: lines that start at `from_offset` or later; backward: lines that start before it. `stop` is asked
        between chunks; when it says True the answer is `stopped`, and `reached` is where to go on from.
        Safe in a thread.
        """
        with self._file.reopened() as twin:
            return search_lines(TextLines(twin), pattern, from_offset, direction, stop)

    def close(self) -> None:
        """Give the descriptor back."""
        self._file.close()
        self._lines.forget()

    def _line(self, start: int) -> LogLine:
        end = self._lines.end_of(start)
        raw = self._lines.read(start, end)
        shown = collapse(raw)
        cut = 0
        if len(shown) > WIDEST:
            keep = WIDEST
            while keep > WIDEST - 4 and shown[keep] & 0xC0 == 0x80:  # not within a UTF-8 character
                keep -= 1
            cut = len(shown) - keep
            shown = shown[:keep]
        text = shown.decode("utf-8", "replace")
        if cut:
            text += f" … ({cut:,} bytes more)"
        return LogLine(start, end, text, cut, raw.endswith(b"\n"))
