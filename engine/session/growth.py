"""A file that another process writes: what became of it since the last look, and bytes of it by position."""

from __future__ import annotations

import enum
import os
import stat
import threading
from pathlib import Path

_PRINT = 256  # bytes compared at the head and at the known end, to notice a file that was cut and has grown again


class Change(enum.Enum):
    """What `GrowingFile.refresh` found."""

    SAME = "same"
    GROWN = "grown"
    REPLACED = "replaced"  # truncated, or another file under the same name: every offset kept before is void
    GONE = "gone"  # the name is no longer there; what was open stays readable


class GrowingFile:
    """`path` opened lazily; `size` is what was there at the last `refresh`, so that a page does not move while drawn.

    A missing file reads as empty and turns up as REPLACED. Reads never go past `size` and may come back shorter when
    the file was cut meanwhile; the next `refresh` tells so. Only `reopened` may be called from another thread.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.size = 0
        self._fd = -1
        self._identity: tuple[int, int] | None = None
        self._head = b""
        self._tail = b""
        self._lock = threading.Lock()
        self.refresh()

    def __enter__(self) -> GrowingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def refresh(self) -> Change:
        """Look at the file again and take its new size. OSError other than a missing file is let through."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            found = None
        if found is None or not stat.S_ISREG(found.st_mode):
            gone, self._identity = self._identity is not None, None
            return Change.GONE if gone else Change.SAME
        if self._identity != (found.st_dev, found.st_ino):
            self._open()
            return Change.REPLACED
        # fstat of what is open, not of the name: the two may part between the calls.
        size = os.fstat(self._fd).st_size
        if size < self.size or not self._is_continuation():
            self._take(size)
            return Change.REPLACED
        if size == self.size:
            return Change.SAME
        self._take(size)
        return Change.GROWN

    def pread(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes at `offset`, none past `size`."""
        length = min(length, self.size - offset)
        if self._fd < 0 or length <= 0:
            return b""
        return _pread_all(self._fd, offset, length)

    def reopened(self) -> GrowingFile:
        """The same open file under a descriptor of its own, frozen at the present size: for a worker thread."""
        twin = object.__new__(GrowingFile)
        with self._lock:
            twin._fd = os.dup(self._fd) if self._fd >= 0 else -1
            twin.size = self.size
        twin.path, twin._identity, twin._head, twin._tail = self.path, self._identity, self._head, self._tail
        twin._lock = threading.Lock()
        return twin

    def close(self) -> None:
        """Give the descriptor back; the file reads as empty afterwards."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd, self._identity, self.size = -1, None, 0

    def _open(self) -> None:
        try:
            # NONBLOCK: should a FIFO take the name this very moment, the console must not hang on it.
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return
        opened = os.fstat(fd)
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = fd
            self._identity = (opened.st_dev, opened.st_ino)
        self._take(opened.st_size)

    def _take(self, size: int) -> None:
        self.size = size
        length = min(size, _PRINT)
        self._head = self.pread(0, length)
        self._tail = self.pread(size - length, length)

    def _is_continuation(self) -> bool:
        return self.pread(0, len(self._head)) == self._head and (
            self.pread(self.size - len(self._tail), len(self._tail)) == self._tail
        )


def _pread_all(fd: int, offset: int, length: int) -> bytes:
    data = os.pread(fd, length, offset)
    if len(data) == length or not data:
        return data
    parts = [data]
    while data and (length := length - len(data)) > 0:
        offset += len(data)
        data = os.pread(fd, length, offset)
        parts.append(data)
    return b"".join(parts)
