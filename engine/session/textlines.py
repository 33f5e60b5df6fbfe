"""Where the lines of a huge file are, found locally: no position needs more than two blocks around it.

A line starts at 0, after each newline, and at each multiple of BLOCK whose preceding block holds no newline at all. The
last rule breaks an endless line into pieces of at most 2 * BLOCK bytes, at places that neighbouring bytes alone
decide: walking forwards, backwards and jumping into the middle agree, and a growing file never moves a boundary it had.
"""

from __future__ import annotations

from typing import Protocol

BLOCK = 128 * 1024
_CACHED_BLOCKS = 8


class Bytes(Protocol):
    """What is read from: `growth.GrowingFile`, or any other bytes with a size."""

    size: int

    def pread(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes at `offset`."""


class TextLines:
    """Line geometry of `source`; `forget` after it changed. Offsets are bytes. One thread at a time."""

    def __init__(self, source: Bytes) -> None:
        self.source = source
        self._blocks: dict[int, bytes] = {}

    def forget(self, *, keep_full: bool = False) -> None:
        """Drop cached blocks; `keep_full` keeps those that growth cannot change."""
        self._blocks = {k: b for k, b in self._blocks.items() if keep_full and len(b) == BLOCK}

    def block(self, index: int) -> bytes:
        """Block `index`, shorter at the end of the file, empty past it."""
        found = self._blocks.get(index)
        if found is None:
            if len(self._blocks) >= _CACHED_BLOCKS:
                self._blocks.pop(next(iter(self._blocks)))
            found = self._blocks[index] = self.source.pread(index * BLOCK, BLOCK)
        return found

    def start_of(self, offset: int) -> int:
        """Start of the line that holds the byte at `offset` (the start of the last line for the end of the file,
        or the end itself where a newline stands before it)."""
        index, within = divmod(max(0, min(offset, self.source.size)), BLOCK)
        found = self.block(index).rfind(b"\n", 0, within)
        if found >= 0 or index == 0:
            return index * BLOCK + found + 1 if found >= 0 else 0
        found = self.block(index - 1).rfind(b"\n")
        return (index - 1) * BLOCK + found + 1 if found >= 0 else index * BLOCK

    def end_of(self, start: int) -> int:
        """Where the line that starts at `start` ends, its newline included: the next line's start, or the size."""
        index, within = divmod(start, BLOCK)
        # A start inside a block has its newline right before it, so the block's end is no boundary.
        for number in (index,) if within == 0 else (index, index + 1):
            found = self.block(number).find(b"\n", within)
            if found >= 0:
                return number * BLOCK + found + 1
            within = 0
        return min((number + 1) * BLOCK, max(self.source.size, start))

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, meant for one line."""
        index, within = divmod(start, BLOCK)
        data = self.block(index)[within : within + end - start]
        while (position := start + len(data)) < end:
            more = self.block(position // BLOCK)[: end - position]
            if not more:
                break
            data += more
        return data

    def count(self, start: int, end: int) -> int:
        """How many lines start in `start <= position < end`."""
        start, end = max(0, start), min(end, self.source.size)
        if end <= start:
            return 0
        total = 1 if start == 0 else 0
        for index in range(max(0, start - 1) // BLOCK, (end - 1) // BLOCK + 1):
            data, base = self.source.pread(index * BLOCK, BLOCK), index * BLOCK
            total += data.count(b"\n", max(0, start - 1 - base), max(0, end - 1 - base))
            if len(data) == BLOCK and start <= base + BLOCK < end and b"\n" not in data:
                total += 1
        return total
