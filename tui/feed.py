"""Where the console's news comes from: the files of one session, watched and, as a net, looked at every two seconds.

Everything that touches the disk or the driver runs in threads; the state changes only in the app's own loop. What
came is told to the app by the messages below.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from textual.message import Message

from engine.session import savedfold
from engine.session.carriage import collapse
from engine.session.events import AnyEvent, TrialBegan
from engine.session.journal import Fetched, Follower, JournalError
from engine.session.locking import Holder, engine_of
from engine.session.state import State
from tui.loading import SAVE_AFTER, Loading
from tui.model import current_trial, thinking

if TYPE_CHECKING:
    from engine.gpu.sampler import Sampler
    from engine.gpu.samples import Snapshot
    from engine.session.runlog import Progress

NET_S = 2.0
_SAMPLE_S = 1.0
_SAVE_EVERY = 5000  # events between two savings of the fold while watching
_TAIL = 16 * 1024
_SAID_LINES = 8
_TALK_S = 0.5
_CLOCK_SLACK_S = 0.05


class Loaded(Message):
    """The journal is folded for the first time; `error` says why only in part."""

    def __init__(self, state: State, branch: str, error: str) -> None:
        super().__init__()
        self.state, self.branch, self.error = state, branch, error


class JournalChanged(Message):
    """Events came; the state has them already. `state` is another one when the journal was replaced.

    `error`: why what comes after them cannot be read; "" when all could be.
    """

    def __init__(self, events: list[AnyEvent], state: State, error: str = "") -> None:
        super().__init__()
        self.events, self.state, self.error = events, state, error


class EngineChanged(Message):
    """Another engine, or none, holds the session."""

    def __init__(self, engine: Holder | None) -> None:
        super().__init__()
        self.engine = engine


class RunLogChanged(Message):
    """run.log may have grown, or started anew."""


class Progressed(Message):
    """The newest progress line of the run under way."""

    def __init__(self, progress: Progress | None) -> None:
        super().__init__()
        self.progress = progress


class ResearcherTalks(Message):
    """The last lines that the researcher wrote for the experiment under way."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines


class GpuSampled(Message):
    """A sample of the devices and the machine."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot


class Feed:
    """`run()` until cancelled. `post` takes the messages; `wants_gpu` tells whether a sample would be looked at."""

    def __init__(
        self,
        loading: Loading,
        post: Callable[[Message], object],
        wants_gpu: Callable[[], bool],
        slow: Callable[[], bool] = lambda: False,
    ) -> None:
        self.paths = loading.paths
        self.follower = Follower(self.paths.journal)
        self._loading, self._post, self._wants_gpu, self._slow = loading, post, wants_gpu, slow
        self._engine: Holder | None = None
        self._since_saved = 0
        self._broken = ""
        self._broken_at: tuple[int, int, int] = (0, 0, 0)
        self._log_seen: tuple[int, int, int] = (0, 0, 0)
        self._progress: Progress | None = None
        self._said: list[str] = []
        self._look = asyncio.Event()
        self._sampler: Sampler | None = None

    async def run(self) -> None:
        """Load, then follow."""
        await self._load()
        watching = [asyncio.create_task(part()) for part in (self._watch, self._follow, self._sample)]
        try:
            await asyncio.gather(*watching)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            if self._sampler is not None:
                self._sampler.close()

    def nudge(self) -> None:
        """Look at everything now."""
        self._look.set()

    def save(self) -> None:
        """Save the fold for the next console; to be called when `run` is over."""
        if self._since_saved and not self._broken:
            self._since_saved = 0
            savedfold.save(self.follower)

    async def _load(self) -> None:
        await asyncio.to_thread(self._loading.wait)
        branch = await asyncio.to_thread(branch_of, self.paths.root)
        if self._loading.follower is not None:
            self.follower = self._loading.follower
        self._broken = self._loading.error
        self._engine = await asyncio.to_thread(engine_of, self.paths.lock)
        self._post(EngineChanged(self._engine))
        self._post(Loaded(self.follower.state, branch, self._loading.error))
        self._since_saved = self._loading.fresh
        if self._since_saved >= SAVE_AFTER:
            await asyncio.to_thread(self.save)

    async def _watch(self) -> None:
        """Wake the others as soon as a file changes; where the system cannot watch, the net is what remains."""
        try:
            watchfiles = await asyncio.to_thread(_import_watchfiles)
            folders = [folder for folder in (self.paths.root, self.paths.private) if folder.is_dir()]
            names = {"journal.jsonl", "engine.lock", "run.log"}
            async for _ in watchfiles.awatch(
                *folders,
                watch_filter=lambda _change, path: path.rpartition("/")[2] in names,
                step=100,  # it wakes so often, in milliseconds, even when nothing happens
                debounce=50,
                recursive=False,
                ignore_permission_denied=True,
                stop_event=asyncio.Event(),
            ):
                self._look.set()
        except (OSError, RuntimeError):
            return

    async def _follow(self) -> None:
        while True:
            self._look.clear()
            await self._journal()
            await self._engine_now()
            await self._run_log()
            await self._researcher()
            try:
                # Nothing watches a run's own folder: while its researcher talks there, it is looked at more often.
                await asyncio.wait_for(self._look.wait(), _TALK_S if thinking(self.follower.state) else NET_S)
                # Bursts of writes are one look; a training log writes many times a second.
                await asyncio.sleep(0.05)
            except TimeoutError:
                pass

    async def _journal(self) -> None:
        fetched, broken = None, ""
        try:
            fetched = await asyncio.to_thread(self._fetch)
            if fetched is None:
                return
            self.follower.take(fetched)
        except JournalError as error:
            broken = str(error)
        if broken or self._broken:
            # Where an event did not fit the fold, it stands half folded and starts over: nothing new to tell of.
            events = fetched.events if fetched is not None and (fetched.broken or not broken) else []
            if events or broken != self._broken:
                self._broken = broken
                self._post(JournalChanged(events, self.follower.state, broken))
            return
        assert fetched is not None
        if any(isinstance(event, TrialBegan) for event in fetched.events):
            # What was read of run.log before this was known told of the run before: read it again.
            self._progress, self._log_seen = None, (0, 0, 0)
        self._since_saved += len(fetched.events)
        self._post(JournalChanged(fetched.events, self.follower.state))
        if self._since_saved >= _SAVE_EVERY:
            await asyncio.to_thread(self.save)

    def _fetch(self) -> Fetched | None:
        if self._broken:  # as long as the file stays as it is, so does what cannot be read of it
            found = identity(self.paths.journal)
            if found == self._broken_at:
                return None
            self._broken_at = found
        try:
            fetched = self.follower.fetch()
        except JournalError:
            self._broken_at = (0, 0, 0)  # the disk may answer again
            raise
        return fetched if fetched.events or fetched.restarted or fetched.broken or self._broken else None

    async def _engine_now(self) -> None:
        engine = await asyncio.to_thread(engine_of, self.paths.lock)
        if (engine and engine.start_id) != (self._engine and self._engine.start_id):
            self._engine = engine
            self._post(EngineChanged(engine))

    async def _run_log(self) -> None:
        found = await asyncio.to_thread(identity, self.paths.run_log)
        if found == self._log_seen:
            return
        self._log_seen = found
        self._post(RunLogChanged())
        trial = current_trial(self.follower.state)
        # Until the benchmark truncates it, run.log still tells of the run before. The file system's clock lags behind
        # the engine's by some milliseconds: without the slack a run's first line can look older than its beginning.
        old = trial is not None and found[2] < (trial.began_at - _CLOCK_SLACK_S) * 1e9
        progress = None if old else await asyncio.to_thread(progress_of, self.paths.run_log)
        if progress != self._progress:
            self._progress = progress
            self._post(Progressed(progress))

    async def _researcher(self) -> None:
        current = self.follower.state.current
        lines: list[str] = []
        if current is not None and thinking(self.follower.state):
            log = self.paths.run(current.run) / "researcher.log"
            lines = await asyncio.to_thread(last_lines, log, _SAID_LINES)
        if lines != self._said:
            self._said = lines
            self._post(ResearcherTalks(lines))

    async def _sample(self) -> None:
        while True:
            if self._wants_gpu():
                began = monotonic()
                self._post(GpuSampled(await asyncio.to_thread(self._take_sample)))
                wait = 10.0 if self._slow() else _SAMPLE_S
                await asyncio.sleep(max(0.1, wait - (monotonic() - began)))
            else:
                await asyncio.sleep(_SAMPLE_S)

    def _take_sample(self) -> Snapshot:
        if self._sampler is None:
            from engine.gpu.sampler import Sampler

            self._sampler = Sampler()
        return self._sampler.sample()


def _import_watchfiles():  # type: ignore[no-untyped-def]
    import watchfiles

    return watchfiles


def branch_of(root: Path) -> str:
    """The branch that is checked out, from git's HEAD file; "" where it cannot be told."""
    try:
        git = root / ".git"
        if git.is_file():  # a linked work tree
            git = (root / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()).resolve()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return head.removeprefix("ref: refs/heads/") if head.startswith("ref:") else f"detached at {head[:7]}"


def identity(path: Path) -> tuple[int, int, int]:
    """Inode, size and modification time in nanoseconds; zeros where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns


def _tail(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - size))
            return file.read(size)
    except OSError:
        return b""


def progress_of(path: Path) -> Progress | None:
    """The last progress line of a run.log."""
    from engine.session.runlog import last_progress

    return last_progress(_tail(path, _TAIL).decode("utf-8", "replace"))


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a text file that are not blank, progress lines collapsed, long ones cut."""
    lines = [collapse(line) for line in _tail(path, _TAIL).split(b"\n")]
    return [line.decode("utf-8", "replace")[:400] for line in lines if line.strip()][-count:]
