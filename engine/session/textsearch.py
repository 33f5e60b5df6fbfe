"""Literal search through a huge log, chunk by chunk, for what its lines show (overprinted text is not found)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import msgspec

from engine.session.carriage import collapse
from engine.session.textlines import TextLines

_CHUNK = 1024 * 1024

Find = Callable[[bytes, int, int], int]


class Hit(msgspec.Struct, frozen=True):
    """`offset` is the start of the line found, None if none is up to `reached`; `stopped`: told to give up there."""

    offset: int | None
    reached: int
    stopped: bool = False


def search_lines(
    lines: TextLines,
    pattern: str,
    from_offset: int,
    direction: Literal["forward", "backward"],
    stop: Callable[[], bool] | None = None,
) -> Hit:
    """See `TextLog.search`."""
    size = lines.source.size
    position = max(0, min(from_offset, size))
    if not pattern:
        return Hit(None, position)
    forward = direction == "forward"
    if forward and lines.start_of(position) != position:
        position = lines.end_of(lines.start_of(position))
    elif not forward and position:
        position = lines.end_of(lines.start_of(position - 1))
    find = _finder(pattern, last=not forward)
    overlap = 4 * len(pattern)  # a pattern may lie across two chunks; no character takes more than 4 bytes
    needle = pattern.casefold()
    while (position < size) if forward else (position > 0):
        if stop is not None and stop():
            return Hit(None, position, stopped=True)
        low, high = (position, position + _CHUNK + overlap) if forward else (position - _CHUNK, position + overlap)
        low, high = max(0, low), min(high, size)
        chunk = lines.source.pread(low, high - low)
        begin, end = 0, len(chunk)
        position = low + _CHUNK if forward else low
        while (found := find(chunk, begin, end)) >= 0:
            start = lines.start_of(low + found)
            stop_at = lines.end_of(start)
            eligible = start >= from_offset if forward else start < from_offset
            if eligible and needle in collapse(lines.read(start, stop_at)).decode("utf-8", "replace").casefold():
                return Hit(start, start)
            # Past the whole line: one overprinted line can hold thousands of hits that nobody sees.
            if forward:
                begin = max(stop_at - low, found + 1)
                position = max(position, stop_at)
            else:
                end = start - low
                position = min(position, start)
            if begin >= end:
                break
    return Hit(None, size if forward else 0)


def _finder(pattern: str, *, last: bool) -> Find:
    """A function (chunk, begin, end) -> position of the first or last candidate, or -1."""
    if pattern.isascii():
        wanted = pattern.lower().encode()
        lowered: list[bytes] = [b"", b""]

        def find_ascii(chunk: bytes, begin: int, end: int) -> int:
            if lowered[0] is not chunk:
                lowered[:] = [chunk, chunk.lower()]
            return lowered[1].rfind(wanted, begin, end) if last else lowered[1].find(wanted, begin, end)

        return find_ascii

    either = []
    for c in pattern:
        forms = {form.encode("utf-8", "replace") for form in (c, c.lower(), c.upper(), c.casefold())}
        either.append(b"(?:" + b"|".join(re.escape(form) for form in sorted(forms)) + b")")
    expression = re.compile(b"".join(either))

    def find_any(chunk: bytes, begin: int, end: int) -> int:
        hit = -1
        for match in expression.finditer(chunk, begin, end):
            hit = match.start()
            if not last:
                break
        return hit

    return find_any
