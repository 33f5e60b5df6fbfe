"""What a log viewer needs of a log, and the counting of new lines in small portions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from engine.session.growth import Change
from engine.session.textlog import LogLine
from engine.session.textsearch import Hit


class LogText(Protocol):
    """`engine.session.textlog.TextLog`, as far as the viewer uses it. Only `search` is called from another thread."""

    @property
    def size(self) -> int: ...

    def changed(self) -> Change: ...

    def page_from(self, offset: int, n: int) -> Sequence[LogLine]: ...

    def page_before(self, offset: int, n: int) -> Sequence[LogLine]: ...

    def end_page(self, n: int) -> Sequence[LogLine]: ...

    def count_lines(self, start: int, end: int) -> int: ...

    def search(
        self,
        pattern: str,
        from_offset: int,
        direction: Literal["forward", "backward"] = "forward",
        stop: Callable[[], bool] | None = None,
    ) -> Hit: ...


PORTION = 512 * 1024
"""Bytes looked through for new lines at a time, so that the screen is never held up."""


class NewLines:
    """How many lines came since the reader stopped following, counted a portion at a time."""

    def __init__(self) -> None:
        self.count = 0
        self._counted = -1

    @property
    def active(self) -> bool:
        """Whether anything is being counted."""
        return self._counted >= 0

    def start(self, size: int) -> None:
        """Count lines that begin at `size` or later."""
        self.count, self._counted = 0, size

    def stop(self) -> None:
        """Forget the count."""
        self.count, self._counted = 0, -1

    def advance(self, log: LogText) -> bool:
        """Count one portion more; True while there is more to count."""
        if self._counted < 0 or self._counted >= log.size:
            return False
        end = min(log.size, self._counted + PORTION)
        self.count += log.count_lines(self._counted, end)
        self._counted = end
        return end < log.size
