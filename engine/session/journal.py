"""The journal file: append-only, one event a line, fsynced; what a crash tore is cut off.

Events that belong together are written as one: every line but the last of them ends in a space, which JSON does not
mind. Lines at the end of the file that announce more which never came count as torn, like half a line.
"""

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
        keep = size
        while keep and not _closes(os.pread(self._fd, min(2, keep), keep - min(2, keep))):
            keep = self._line_start(keep - 1)
        if keep != size:
            os.ftruncate(self._fd, keep)

    def _line_start(self, at: int, block: int = 65536) -> int:
        """Where the line begins that holds, or ends at, the byte `at`."""
        while at:
            start = max(0, at - block)
            cut = os.pread(self._fd, at - start, start).rfind(b"\n")
            if cut >= 0:
                return start + cut + 1
            at = start
        return 0

    def append(self, events: list[ev.AnyEvent]) -> None:
        """Write all `events` with one write and one fsync, all or none, also in a crash. Errors: OSError."""
        if not events:
            return
        size = os.fstat(self._fd).st_size
        data = _MORE.join(ev.encode(event).rstrip(b"\n") for event in events) + b"\n"
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


_MORE = b" \n"


def _closes(tail: bytes) -> bool:
    """Whether a file that ends in `tail` ends where a write did."""
    return tail.endswith(b"\n") and not tail.endswith(_MORE)


def _closed(data: bytes) -> int:
    """The length of `data` up to where the last complete write in it ended."""
    end = data.rfind(b"\n") + 1
    while end and not _closes(data[max(0, end - 2) : end]):
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end


_PIECE = 1 << 18  # bytes decoded at a time: events take several times their text


class Fetched(msgspec.Struct):
    """What a look at the file brought, not yet folded. `restarted`: the file was replaced; the fold starts over.

    `broken` says which line after these events cannot be read; "" where all can.
    """

    events: list[ev.AnyEvent]
    offset: int
    line: int
    restarted: bool = False
    broken: str = ""


class Follower:
    """A reader's end: folds what is complete, goes on where it stopped, and starts over when the file was replaced.

    `poll` does both halves. A reader with a thread for the disk calls `fetch` there and `take` where the state lives,
    one after the other. At a line that cannot be read both fold what stands before it, raise, and stay there: once the
    line is mended they go on.
    """

    def __init__(
        self, path: Path, state: State | None = None, offset: int = 0, line: int = 0, inode: int | None = None
    ) -> None:
        self.path, self.state, self.offset, self.line = path, state or State(), offset, line
        self.restarted = False
        self.inode = inode

    def poll(self, at_most: int = 1 << 30) -> list[ev.AnyEvent]:
        """Events that came since the last call, folded into `state` already. Errors: JournalError, with the line."""
        fetched = self.fetch(at_most)
        self.take(fetched)
        return fetched.events

    def catch_up(self) -> int:
        """As `poll`, a piece at a time and without keeping the events; how many came. Errors: JournalError."""
        count = 0
        while fresh := len(self.poll(_PIECE)):
            count += fresh
        return count

    def fetch(self, at_most: int = 1 << 30) -> Fetched:
        """Read and decode what came since; the state is not touched. Errors: JournalError where there is no reading."""
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                restarted = found.st_size < self.offset or (self.inode not in (None, found.st_ino))
                offset, line = (0, 0) if restarted else (self.offset, self.line)
                self.inode = found.st_ino
                if found.st_size == offset:
                    return Fetched([], offset, line, restarted)
                file.seek(offset)
                data = file.read(at_most)
        except FileNotFoundError:
            return Fetched([], self.offset, self.line)
        except OSError as error:
            raise JournalError(f"{self.path}: cannot be read: {error}") from error
        end = _closed(data) or (data.rfind(b"\n") + 1 if len(data) == at_most else 0)
        fresh: list[ev.AnyEvent] = []
        whole = 0
        for raw in data[:end].splitlines(keepends=True):
            try:
                fresh.append(ev.decode(raw.rstrip(b"\r\n")))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                return Fetched(fresh, offset + whole, line, restarted, self._unreadable(line + 1, error))
            line += 1
            whole += len(raw)
        return Fetched(fresh, offset + end, line, restarted)

    def take(self, fetched: Fetched) -> None:
        """Fold what `fetch` brought. Errors: JournalError with file and line."""
        self.restarted = fetched.restarted
        if fetched.restarted:
            self.state = State(experiments=type(self.state.experiments)())
        first = fetched.line - len(fetched.events) + 1
        for line, event in enumerate(fetched.events, first):
            try:
                apply(self.state, event)
            except FoldError as error:
                self.inode = -1  # this event is half in the state: the next look starts over
                raise JournalError(self._unreadable(line, error)) from error
        self.offset, self.line = fetched.offset, fetched.line
        if fetched.broken:
            raise JournalError(fetched.broken)

    def _unreadable(self, line: int, error: Exception) -> str:
        return (
            f"{self.path}, line {line}: not an event this version understands ({error}); nothing was changed. Use the"
            " newer version that wrote it, or put a sound copy of the file back. Without either, the experiments are"
            " still in git, and a new session can go on from this train.py (overnight new NAME, copy it there, commit)"
        )


def read(path: Path) -> State:
    """The state that the journal at `path` amounts to. Errors: JournalError."""
    follower = Follower(path)
    follower.poll()
    return follower.state
