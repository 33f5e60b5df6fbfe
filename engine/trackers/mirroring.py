"""The mirror: brings trackers up to date with the journal, from where a small file says that it stopped.

What it goes by are the lines of the public log, of which State has the order: a result is a record, a later decision
makes that record again. A record that is written twice is one, so that a crash between it and the file loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine.session import savedfold
from engine.session.paths import SessionPaths
from engine.session.state import State
from engine.trackers.record import identity, record
from engine.trackers.tracker import Tracker, TrackerTrouble

FOLDER = "mirror"


class Cursor(msgspec.Struct):
    """`lines` of the public log are written to `target`; `sent` of them reached it; `trouble` is the last failure."""

    session: str = ""
    target: str = ""
    lines: int = 0
    sent: int = 0
    records: int = 0
    trouble: str = ""


def folder(paths: SessionPaths) -> Path:
    """Where the mirror keeps its own files."""
    return paths.private / FOLDER


def cursor(paths: SessionPaths, tracker: Tracker) -> Cursor:
    """How far a tracker got; at the start where nothing fits."""
    try:
        found = msgspec.json.decode((folder(paths) / f"{tracker.name}.json").read_bytes(), type=Cursor)
    except (OSError, msgspec.DecodeError):
        found = Cursor()
    try:
        session = identity(paths)
    except OSError:
        session = ""
    same = (found.session, found.target) == (session, tracker.target)
    return found if same else Cursor(session=session, target=tracker.target)


class Mirror:
    """`bring` as often as you like. One at a time a session (see `__main__`)."""

    def __init__(self, paths: SessionPaths, trackers: Sequence[Tracker]) -> None:
        self.paths, self.trackers = paths, trackers
        self._follower = savedfold.load(paths.journal)

    def bring(self) -> list[str]:
        """Write and send what is new; what went wrong, "tracker: why" each. Errors: JournalError, OSError."""
        self._follower.catch_up()
        return [f"{one.name}: {why}" for one in self.trackers if (why := self._bring(one))]

    def waiting(self) -> int:
        """Lines that some tracker has not got yet."""
        total = len(self._follower.state.public)
        return sum(total - min(total, cursor(self.paths, tracker).sent) for tracker in self.trackers)

    def _bring(self, tracker: Tracker) -> str:
        state, at = self._follower.state, cursor(self.paths, tracker)
        try:
            for kind, index in state.public[at.lines :]:
                run = _run_of(state, kind, index)
                if run is not None:
                    tracker.put(record(self.paths, state, state.experiments[run - 1], at.session))
                    at.records += kind == "result"
                at.lines += 1
                self._keep(tracker, at)
            if at.sent < at.lines or at.trouble:
                tracker.push()
        except TrackerTrouble as error:
            at.trouble = str(error)
            self._keep(tracker, at)
            return at.trouble
        if at.sent != at.lines or at.trouble:
            at.sent, at.trouble = at.lines, ""
            self._keep(tracker, at)
        return ""

    def _keep(self, tracker: Tracker, at: Cursor) -> None:
        place = folder(self.paths)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = place / f".{tracker.name}.json.tmp"
        temporary.write_bytes(msgspec.json.encode(at))
        temporary.replace(place / f"{tracker.name}.json")


def _run_of(state: State, kind: str, index: int) -> int | None:
    """The run that a line of the public log is about."""
    if kind == "result":
        return index
    return state.overrides[index].run if kind == "override" else None
