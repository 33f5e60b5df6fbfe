"""All sessions of a folder, each in a line's worth of facts, read from the disk: to be called in a thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.gpu.held import Devices
from engine.session import savedfold
from engine.session.inert import inert
from engine.session.journal import Follower, JournalError
from engine.session.locking import Holder, engine_of
from engine.session.paths import SessionPaths, all_sessions, last_active
from engine.session.runlog import Progress
from engine.session.state import State
from tui import model
from tui.feed import identity, progress_of
from tui.fitting import signed
from tui.loading import SAVE_AFTER
from tui.model import Activity, Best, View
from tui.runs import Run
from tui.table.source import Column

COLUMNS = (
    Column("name", "session", least=10, most=28),
    Column("state", "state", least=16, stretch=True),
    Column("best", "best", least=8, right=True),
    Column("gain", "gain", least=9, right=True),
    Column("runs", "runs", least=4, right=True),
    Column("rate", "/hour", least=5, right=True),
    Column("device", "on", least=5),
    Column("quiet", "quiet", least=6, right=True),
)


class Summary(NamedTuple):
    """What is known of one session. `best` is None until a baseline is measured; `last_at` in unix seconds.

    `device` is the one that its engine holds: "GPU 0", "cpu", or "" where no engine runs.
    """

    paths: SessionPaths
    activity: Activity
    running: bool
    best: Best | None = None
    runs: int = 0
    rate: float | None = None
    last_at: float = 0.0
    device: str = ""

    @property
    def name(self) -> str:
        """The session's name."""
        return self.paths.name


class _Known(NamedTuple):
    mark: tuple[object, ...]
    summary: Summary
    follower: Follower | None


class SessionReader:
    """Reads a folder again and again; only what changed is read anew. Use it from one thread at a time.

    `write` allows it to leave a long journal's fold beside it, for the next reader.
    """

    def __init__(self, folder: Path, *, write: bool = True) -> None:
        self.folder = folder
        self._write = write
        self._devices = Devices()
        self._known: dict[Path, _Known] = {}

    def read(self) -> Iterator[Summary]:
        """Each session, the most recently active first."""
        there = all_sessions(self.folder)[::-1]
        for gone in self._known.keys() - {paths.root for paths in there}:
            del self._known[gone]
        self._devices.look()
        for paths in there:
            yield self._one(paths)

    def _one(self, paths: SessionPaths) -> Summary:
        engine = engine_of(paths.lock)
        progress = progress_of(paths.run_log) if engine is not None else None
        device = self._devices.of(engine)
        mark = (identity(paths.journal), engine.start_id if engine else "", progress, device)
        known = self._known.get(paths.root)
        if known is not None and known.mark == mark:
            return known.summary
        follower = known.follower if known is not None and known.follower is not None else None
        follower = follower or savedfold.load(paths.journal)
        try:
            fresh = follower.catch_up()
            summary = summary_of(paths, follower.state, engine, progress)
            if self._write and fresh >= SAVE_AFTER:
                savedfold.save(follower)
        except JournalError as error:
            summary = summary_of(paths, follower.state, engine, trouble=str(error))
            follower = None
        summary = summary._replace(device=device)
        # Of a session that rests the summary is enough; fifty folded journals would be much memory.
        self._known[paths.root] = _Known(mark, summary, follower if engine is not None else None)
        return summary


def summary_of(
    paths: SessionPaths, state: State, engine: Holder | None, progress: Progress | None = None, trouble: str = ""
) -> Summary:
    """The facts of one session; `trouble` says why they are those of an earlier moment."""
    view = view_of(paths, state, engine, progress)
    view.trouble = trouble
    return Summary(
        paths,
        model.activity(view),
        engine is not None,
        model.best(state),
        len(state.experiments),
        model.rate(state),
        state.last_at or last_active(paths)[0],
    )


def view_of(paths: SessionPaths, state: State, engine: Holder | None, progress: Progress | None = None) -> View:
    """A view of a session that is not the console's own."""
    return View(name=paths.name, state=state, engine=engine, loaded=True, progress=progress, now=time.time())


def fresh_view(paths: SessionPaths) -> View:
    """The session as it stands now. Errors: JournalError."""
    follower = savedfold.load(paths.journal)
    follower.poll()
    return view_of(paths, follower.state, engine_of(paths.lock))


def cells(summary: Summary, here: Path, now: float) -> list[Run]:
    """One row of the table; the session that the console shows is marked."""
    doing = summary.activity
    tone = {"good": "good", "running": "running", "warn": "warn", "bad": "bad", "dim": "dim"}[doing.tone]
    mark = "»" if summary.paths.root == here else " "
    best = summary.best
    gain: Run = ("–", "dim")
    if best is not None and best.gain:
        gain = (signed(best.gain), "good" if best.gain > 0 else "bad")
    return [
        (f"{mark} {inert(summary.name)}", "strong" if mark == "»" else ""),
        (f"{doing.glyph} {inert(doing.words)}", tone),
        (f"{best.metric:.6f}" if best is not None else "–", "" if best is not None else "dim"),
        gain,
        (f"{summary.runs:,}", ""),
        (f"{summary.rate:.1f}" if summary.rate is not None else "–", ""),
        (summary.device or "–", "" if summary.device else "dim"),
        (quiet(now - summary.last_at, summary.running) if summary.last_at else "–", "dim"),
    ]


def quiet(seconds: float, running: bool = True) -> str:
    """How long nothing has happened, in few cells and coarse enough not to change every second."""
    if seconds < 60:
        return "now" if running else "<1 min"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min"
    return f"{seconds // 3600:.0f} h" if seconds < 172800 else f"{seconds // 86400:.0f} d"
