"""The journal file: append-only, one event a line, fsynced; a torn last line is what a crash leaves and is cut off."""

import os
from pathlib import Path

import msgspec

from engine.session import events as ev
from engine.session.fold import FoldError, apply
from engine.session.state import State


class JournalError(Exception):
    """The journal cannot be read or written. The message says where and what to do."""


class Journal:
    """The engine's end: the only writer. Hold the session's lock while it is open."""

    def __init__(self, path: Path) -> None:
        """Open for appending, healing a torn last line. Errors: JournalError, OSError."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._heal()

    def _heal(self) -> None:
        size = os.fstat(self._fd).st_size
        keep, block = size, 65536
        while keep and os.pread(self._fd, 1, keep - 1) != b"\n":
            start = max(0, keep - block)
            cut = os.pread(self._fd, keep - start, start).rfind(b"\n")
            keep = start + cut + 1 if cut >= 0 else start
        if keep != size:
            os.ftruncate(self._fd, keep)

    def append(self, events: list[ev.AnyEvent]) -> None:
        """Write all `events` with one write and one fsync. On a failed write nothing of it stays. Errors: OSError."""
        if not events:
            return
        size = os.fstat(self._fd).st_size
        data = b"".join(ev.encode(event) for event in events)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, size)
            raise

    def close(self) -> None:
        """Give the file back."""
        os.close(self._fd)


class Follower:
    """A reader's end: folds what is complete, goes on where it stopped, and starts over when the file was replaced."""

    def __init__(self, path: Path, state: State | None = None, offset: int = 0, line: int = 0) -> None:
        self.path, self.state, self.offset, self.line = path, state or State(), offset, line
        self.restarted = False
        self._inode: int | None = None

    def poll(self, at_most: int = 1 << 30) -> list[ev.AnyEvent]:
        """Events that came since the last call, already folded into `state`. Errors: JournalError with file and line."""
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                self.restarted = found.st_size < self.offset or (self._inode not in (None, found.st_ino))
                if self.restarted:
                    self.state, self.offset, self.line = State(), 0, 0
                self._inode = found.st_ino
                if found.st_size == self.offset:
                    return []
                file.seek(self.offset)
                data = file.read(at_most)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JournalError(f"{self.path}: cannot be read: {error}") from error
        end = data.rfind(b"\n") + 1
        fresh: list[ev.AnyEvent] = []
        for raw in data[:end].splitlines():
            self.line += 1
            try:
                event = ev.decode(raw)
                apply(self.state, event)
            except (msgspec.DecodeError, FoldError) as error:
                raise JournalError(
                    f"{self.path}, line {self.line}: not an event this version understands ({error}); nothing was"
                    " changed. Move the file away only if you can do without the session's history"
                ) from error
            fresh.append(event)
        self.offset += end
        return fresh


def read(path: Path) -> State:
    """The state that the journal at `path` amounts to. Errors: JournalError."""
    follower = Follower(path)
    follower.poll()
    return follower.state
