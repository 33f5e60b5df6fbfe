"""Searching a log in a thread: which match comes next, with wrapping round at the ends of the file."""

from __future__ import annotations

import asyncio
import threading
from typing import Literal, NamedTuple

from tui.logview.source import LogText

Direction = Literal["forward", "backward"]


class Found(NamedTuple):
    """The line with the match (None: nowhere in the log), and whether the search went round an end of the log."""

    offset: int | None
    wrapped: bool = False


class Finder:
    """One search at a time: starting another, or `cancel`, gives the running one up."""

    def __init__(self) -> None:
        self.pattern = ""
        self.direction: Direction = "forward"
        self._stop = threading.Event()

    def begin(self, pattern: str, direction: Direction) -> None:
        """Remember what is looked for, and which way `n` goes."""
        self.pattern, self.direction = pattern, direction

    def other_way(self) -> Direction:
        """The way that `N` goes."""
        return "backward" if self.direction == "forward" else "forward"

    def cancel(self) -> None:
        """Give up the running search within one chunk of the file."""
        self._stop.set()

    async def find(self, log: LogText, start: int, direction: Direction) -> Found | None:
        """The nearest match from byte `start` (forward: lines from there; backward: lines before); None: given up."""
        self._stop.set()
        stop = self._stop = threading.Event()
        ends = {"forward": 0, "backward": log.size}
        for wrapped, position in ((False, start), (True, ends[direction])):
            hit = await asyncio.to_thread(log.search, self.pattern, position, direction, stop.is_set)
            if hit.stopped or stop.is_set():
                return None
            if hit.offset is not None:
                return Found(hit.offset, wrapped)
        return Found(None)
