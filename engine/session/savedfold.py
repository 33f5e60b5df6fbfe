"""The fold of a long journal, saved beside it, so that the next reader folds only what came since.

It is a cache and never the truth: whatever does not fit (another journal, another version of the records, a damaged
file) is ignored and the journal is folded from its start.
"""

import os
import zlib
from pathlib import Path

import msgspec

from engine.session import state
from engine.session.events import Planned
from engine.session.journal import Follower
from engine.session.packed import Frozen, Packed
from engine.session.settings import Gate, Metric, Run
from engine.session.state import State

FILE_NAME = "fold.msgpack"
_PRINT = 512  # bytes of the journal before the offset that must still be the same
_MEANING = 3  # raise it when an event comes to mean something else to the fold


class _Saved(msgspec.Struct, array_like=True):
    inode: int
    offset: int
    line: int
    last: bytes
    state: State
    """Without its experiments."""
    experiments: Frozen


def path_of(journal: Path) -> Path:
    """Where the saved fold of `journal` lies."""
    return journal.with_name(FILE_NAME)


def load(journal: Path) -> Follower:
    """A reader of `journal` that stands where the fold was saved; at the start where there is none that fits.

    Its state's experiments are a `Packed`: to be looked at, not held on to.
    """
    try:
        data = path_of(journal).read_bytes()
        body = memoryview(data)[8:]
        if data[:8] != _shape() + _sum_of(body):
            return _from_start(journal)
        saved = msgspec.msgpack.decode(body, type=_Saved)
        with journal.open("rb") as file:
            found = os.fstat(file.fileno())
            same = found.st_ino == saved.inode and found.st_size >= saved.offset
            if same and _print_of(file.fileno(), saved.offset) == saved.last:
                saved.state.experiments = Packed(saved.experiments)
                return Follower(journal, saved.state, saved.offset, saved.line, saved.inode)
    except (OSError, msgspec.DecodeError):
        pass
    return _from_start(journal)


def _from_start(journal: Path) -> Follower:
    return Follower(journal, State(experiments=Packed()))


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
        state = follower.state
        experiments = state.experiments.freeze() if isinstance(state.experiments, Packed) else None
        experiments = experiments or Frozen(loose=list(state.experiments))
        rest = msgspec.structs.replace(state, experiments=[])
        body = msgspec.msgpack.encode(_Saved(found.st_ino, follower.offset, follower.line, last, rest, experiments))
        temporary.write_bytes(_shape() + _sum_of(body) + body)
        temporary.chmod(0o600)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        return False
    return True


def _print_of(fd: int, offset: int) -> bytes:
    start = max(0, offset - _PRINT)
    return os.pread(fd, offset - start, start)


def _sum_of(body: bytes | memoryview) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big")


def _shape() -> bytes:
    """Four bytes that change with the fields of any record in the state."""
    of_work = (state.Experiment, state.Trial, state.Segment, state.EngineRun)
    of_people = (
        state.GrowthRound,
        Planned,
        state.Command,
        state.Job,
        state.Decision,
        state.Override,
        state.Pause,
    )
    names = [record.__struct_fields__ for record in (State, *of_work, *of_people, Gate, Metric, Run)]
    return zlib.crc32(repr((_MEANING, names)).encode()).to_bytes(4, "big")
