"""A program's output, kept within bounds: its first and its last megabyte, and how much was left out between."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path

KEEP = 1_000_000
"""Bytes kept of each end."""
PIECE = 1 << 16


def bound(head: bytes, tail: bytes, left_out: int) -> bytes:
    """The two ends joined. Where something is left out both are cut at a line's end: half a line could read as
    another number than the one printed."""
    if not left_out:
        return head + tail
    whole = max(head.rfind(b"\n"), head.rfind(b"\r")) + 1
    rest = min((at for at in (tail.find(b"\n"), tail.find(b"\r")) if at >= 0), default=len(tail) - 1) + 1
    left_out += len(head) - whole + rest
    return head[:whole] + b"[... %d bytes left out ...]\n" % left_out + tail[rest:]


def keep_copy(source: Path, target: Path, keep: int = 64 * KEEP) -> None:
    """Copy a log; of a file over twice `keep` bytes only the two ends. Raises OSError."""
    with source.open("rb") as reading, target.open("wb") as writing:
        size = os.fstat(reading.fileno()).st_size
        if size > 2 * keep:
            head = reading.read(keep)
            reading.seek(size - keep)
            writing.write(bound(head, reading.read(keep), size - 2 * keep))
            return
        offset = 0
        while offset < size and (sent := os.sendfile(writing.fileno(), reading.fileno(), offset, size - offset)):
            offset += sent


class Capture:
    """The reading end of a program's output, emptied by a thread of its own into `target`.

    The first megabyte is written as it comes, so that it can be followed; the last one when the program has ended.
    Give `fd` to the program, call `started` once it has it, and `finish` when it has ended.
    """

    def __init__(self, target: Path, keep: int = KEEP) -> None:
        self.target = target
        self.trouble = ""
        """Why `target` is not complete, "" when it is; the text itself is in memory in any case."""
        self._keep = keep
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0
        self._file = target.open("wb", buffering=0)
        self._reading, self.fd = os.pipe()
        self._stop_r, self._stop_w = os.pipe()
        self._thread = threading.Thread(target=self._drain, name=f"capture {target.name}", daemon=True)
        self._thread.start()

    def started(self) -> None:
        """The program has its end of the pipe: close ours, so that its end is seen."""
        os.close(self.fd)

    def finish(self) -> bytes:
        """Everything kept. Does not wait for processes that hold the pipe open but cannot be ended."""
        os.write(self._stop_w, b".")
        self._thread.join()
        for fd in (self._reading, self._stop_r, self._stop_w):
            os.close(fd)
        self._trim()
        kept = bound(bytes(self._head), bytes(self._tail), self._left_out)
        if len(kept) > len(self._head) or self._left_out:
            with self._noted():
                self._file.seek(0)
                self._file.write(kept)
                self._file.truncate()
        self._file.close()
        return kept

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.trouble = self.trouble or f"{self.target} could not be written: {error.strerror}"

    def _drain(self) -> None:
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        poll.register(self._stop_r, select.POLLIN)
        os.set_blocking(self._reading, False)
        stopping = False
        while True:
            if not stopping:
                stopping = any(fd == self._stop_r for fd, _ in poll.poll())
            try:
                piece = os.read(self._reading, PIECE)
            except BlockingIOError:
                if stopping:
                    return
                continue
            if not piece:
                return
            self._take(piece)

    def _take(self, piece: bytes) -> None:
        room = self._keep - len(self._head)
        if room > 0:
            self._head += piece[:room]
            with self._noted():
                self._file.write(piece[:room])
            piece = piece[room:]
        self._tail += piece
        # trimmed rarely: cutting the front at each piece would copy a megabyte a time
        if len(self._tail) > 4 * self._keep:
            self._trim()

    def _trim(self) -> None:
        over = len(self._tail) - self._keep
        if over > 0:
            del self._tail[:over]
            self._left_out += over
