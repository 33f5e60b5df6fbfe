"""The engine's pen: an event is in the journal, on the disk, before anything acts on it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from engine.session import events as ev
from engine.session.fold import apply
from engine.session.journal import Follower, Journal
from engine.session.paths import SessionPaths
from engine.session.state import State

RESERVE_BYTES = 8 << 20
"""Kept aside on the disk so that a full one leaves room to write the end in order."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A full disk, a spent quota, and a limit on the size of files."""

Listener = Callable[[ev.AnyEvent, State], None]


class NoRoom(Exception):
    """The disk is full (or over quota); what could be written is. The message is for the operator."""


def no_room(where: Path | str, error: OSError) -> NoRoom:
    """What to tell of a write that failed for want of room."""
    told = os.strerror(error.errno or errno.ENOSPC)
    return NoRoom(f"{where}: {told}. Free some space, then start again: nothing is lost")


class Record:
    """Journal and state in one hand. Hold the engine's lock. Errors: JournalError, OSError."""

    def __init__(self, paths: SessionPaths, listeners: tuple[Listener, ...] = ()) -> None:
        self.paths = paths
        self._journal = Journal(paths.journal)
        follower = Follower(paths.journal)
        follower.poll()
        self.state = follower.state
        self._listeners = listeners

    def write(self, *events: ev.AnyEvent) -> None:
        """Append, fsync, fold, tell. Errors: NoRoom."""
        try:
            self._journal.append(list(events))
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise no_room(self.paths.journal, error) from error
        for event in events:
            apply(self.state, event)
            for listener in self._listeners:
                listener(event, self.state)

    def close(self) -> None:
        """Close the file."""
        self._journal.close()


def keep_reserve(paths: SessionPaths) -> None:
    """Lay the reserve aside, really written. Errors: NoRoom."""
    if paths.reserve.exists() and paths.reserve.stat().st_size == RESERVE_BYTES:
        return
    try:
        with paths.reserve.open("wb") as file:
            for _ in range(RESERVE_BYTES >> 20):
                file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
    except OSError as error:
        paths.reserve.unlink(missing_ok=True)
        if error.errno not in FULL:
            raise
        raise NoRoom(
            f"{paths.private}: not even {RESERVE_BYTES >> 20} MB can be written on this disk"
            f" ({os.strerror(error.errno)}); free some space, then start"
        ) from error


def spend_reserve(paths: SessionPaths) -> None:
    """Give the reserve up, so that an end in order can be written."""
    paths.reserve.unlink(missing_ok=True)
