"""The fold of a long journal, saved beside it, so that the next reader folds only what came since.

It is a cache and never the truth: whatever does not fit (another journal, another version of the records, a damaged
file) is ignored and the journal is folded from its start.
"""

import os
import zlib
from pathlib import Path

import msgspec

from engine.session import state
from engine.session.journal import Follower
from engine.session.settings import Gate, Metric, Run
from engine.session.state import State

FILE_NAME = "fold.msgpack"
_PRINT = 512  # bytes of the journal before the offset that must still be the same
_MEANING = 1  # raise it when an event comes to mean something else to the fold


class _Saved(msgspec.Struct, array_like=True):
    inode: int
    offset: int
    line: int
    last: bytes
    state: State


def path_of(journal: Path) -> Path:
    """Where the saved fold of `journal` lies."""
    return journal.with_name(FILE_NAME)


def load(journal: Path) -> Follower:
    """A reader of `journal` that stands where the fold was saved; at the start where there is none that fits."""
    try:
        data = path_of(journal).read_bytes()
        if data[:4] != _shape():
            return Follower(journal)
        saved = msgspec.msgpack.decode(memoryview(data)[4:], type=_Saved)
        with journal.open("rb") as file:
            found = os.fstat(file.fileno())
            same = found.st_ino == saved.inode and found.st_size >= saved.offset
            if same and _print_of(file.fileno(), saved.offset) == saved.last:
                return Follower(journal, saved.state, saved.offset, saved.line, saved.inode)
    except (OSError, msgspec.DecodeError):
        pass
    return Follower(journal)


def save(follower: Follower) -> bool:
    """Save what `follower` has folded; False where that is not possible (a full disk), which harms nothing."""
    path = path_of(follower.path)
    temporary = path.with_name(f".{FILE_NAME}.{os.getpid()}")
    try:
        with follower.path.open("rb") as file:
            found = os.fstat(file.fileno())
            if found.st_ino != follower.inode or found.st_size < follower.offset:
                return False
            last = _print_of(file.fileno(), follower.offset)
        saved = _Saved(found.st_ino, follower.offset, follower.line, last, follower.state)
        temporary.write_bytes(_shape() + msgspec.msgpack.encode(saved))
        temporary.chmod(0o600)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        return False
    return True


def _print_of(fd: int, offset: int) -> bytes:
    start = max(0, offset - _PRINT)
    return os.pread(fd, offset - start, start)


def _shape() -> bytes:
    """Four bytes that change with the fields of any record in the state."""
    records = (State, state.Experiment, state.Trial, state.Segment, state.Command, state.Decision, state.EngineRun)
    names = [record.__struct_fields__ for record in (*records, Gate, Metric, Run)]
    return zlib.crc32(repr((_MEANING, names)).encode()).to_bytes(4, "big")
