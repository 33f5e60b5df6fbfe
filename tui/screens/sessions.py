"""All sessions of the folder: how each one stands; switch to it, start or stop its engine, make a new one."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.worker import get_current_worker

from engine.session.inert import inert
from engine.session.journal import JournalError
from engine.session.paths import SessionPaths
from tui import commander, sessionlist, steering
from tui.commander import Ran
from tui.screens.dialogs import ConfirmScreen
from tui.screens.full import FullScreen, Row, keys_line
from tui.screens.newsession import NewSessionScreen
from tui.sessionlist import SessionReader, Summary
from tui.steering import No, Order, Question
from tui.table.source import ListSource
from tui.table.virtual import VirtualTable

_LOOK_S = 3.0
_BATCH_S = 0.1  # summaries are handed to the screen so often while a folder is read


class SessionsScreen(FullScreen[SessionPaths]):
    """Its result is the session to switch to, None for none. `here` is the one that the console shows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "start", "start its engine", show=False, id="loop.start"),
        Binding("s", "stop", "stop its engine", show=False, id="loop.stop"),
        Binding("n,a", "new", "new session", show=False),
        Binding("q", "close", "close", show=False),
    ]
    AUTO_FOCUS = "#sessions-table"

    def __init__(self, folder: Path, here: SessionPaths, *, read_only: bool = False) -> None:
        super().__init__()
        self.folder, self.here, self.read_only = folder, here, read_only
        self._reader = SessionReader(folder, write=not read_only)
        self._loaded = False
        self._painted: tuple[list[Path], int] = ([], 0)
        self._starting: set[Path] = set()
        self._wanted: Path | None = here.root  # where the cursor is to go once it is listed
        self.source: ListSource[Summary] = ListSource(
            sessionlist.COLUMNS,
            cells=lambda summary: sessionlist.cells(summary, self.here.root, time.time()),
            key=lambda summary: summary.paths.root,
        )
        self._title = Row(id="sessions-title", classes="full-title")
        self.table = VirtualTable(self.source, empty_text="reading …", id="sessions-table")
        self._keys = Row(id="sessions-keys")

    def compose(self) -> ComposeResult:
        """Title, table, keys."""
        yield self._title
        yield self.table
        yield self._keys

    def on_mount(self) -> None:
        """Begin to read."""
        acting = [] if self.read_only else [("r", "start"), ("s", "stop"), ("n", "new")]
        only = [("read-only:", "start, stop and new are off")] if self.read_only else []
        self._keys.say(keys_line(("Enter", "switch to it"), *acting, ("Esc", "close"), *only))
        self._say()
        self.set_interval(_LOOK_S, self.look)
        self.look()

    @property
    def selected(self) -> Summary | None:
        """The session under the cursor."""
        return self.source.record(self.table.cursor) if len(self.source) else None

    # Reading

    def look(self) -> None:
        """Read what changed."""
        self.run_worker(self._read, thread=True, exclusive=True, group="sessions", exit_on_error=False)

    def _read(self) -> None:
        worker = get_current_worker()
        found: list[Summary] = []
        told = time.monotonic()
        for summary in self._reader.read():
            if worker.is_cancelled:
                return
            found.append(summary)
            if not self._loaded and time.monotonic() - told >= _BATCH_S:
                told = time.monotonic()
                self.app.call_from_thread(self._take, list(found), False)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._take, found, True)

    def _take(self, found: list[Summary], complete: bool) -> None:
        if not self.is_attached:
            return
        before = len(self.source)
        changed = self.source.replace(found)
        self._loaded = self._loaded or complete
        if complete:
            self.table.empty_text = f"no sessions in {inert(str(self.folder))}; n makes one"
        if not before and found:
            # By habit the table follows its end; here the newest stands first.
            self.table.action_move("start")
        self._repaint(before, changed)
        if self._wanted is not None and self.table.select(self._wanted):
            self._wanted = None
        self._say()

    def _repaint(self, before: int, changed: int) -> None:
        """Only rows that are different; all of them when they are others, and once a minute for the last column."""
        order, minute = [summary.paths.root for summary in self.source_records()], int(time.time() // 60)
        if (order, minute) != self._painted or not order:
            self._painted = (order, minute)
            self.table.reload()
        elif changed < before:
            self.table.update_rows(changed)

    def _say(self) -> None:
        running = sum(summary.running for summary in self.source_records())
        count = f"{len(self.source)}" + ("" if self._loaded else " …")
        left = [(f"sessions · {inert(str(self.folder))}", "strong")]
        self._title.say(left, [(f"{count}, {running} running", "strong")])

    def source_records(self) -> list[Summary]:
        """All that are listed."""
        return [self.source.record(index) for index in range(len(self.source))]

    # What the keys do

    @on(VirtualTable.RowSelected)
    def _chosen(self, event: VirtualTable.RowSelected) -> None:
        event.stop()
        if isinstance(event.key, Path):
            self.dismiss(SessionPaths(event.key))

    def action_start(self) -> None:
        """Start the selected session's engine."""
        chosen = self._acting("start an engine")
        if chosen is None:
            return
        if chosen.running:
            self._tell(f"an engine is running in {chosen.name} already")
        elif chosen.paths.root not in self._starting:
            self._starting.add(chosen.paths.root)
            self._tell(f"starting the engine of {chosen.name} …")
            self.app.run_worker(self._launch(chosen.paths), group="sessions-start", exit_on_error=False)

    async def _launch(self, paths: SessionPaths) -> None:
        ran = await commander.start(paths)
        self._starting.discard(paths.root)
        self._answer(ran, f"the engine of {paths.name} has started")

    def action_stop(self) -> None:
        """Stop the selected session's engine after its experiment; asks first."""
        chosen = self._acting("stop an engine")
        if chosen is None:
            return
        if not chosen.running:
            self._tell(f"no engine is running in {chosen.name}: there is nothing to stop", bad=True)
            return
        self.run_worker(
            partial(self._look_again, chosen.paths), thread=True, group="sessions-stop", exit_on_error=False
        )

    def _look_again(self, paths: SessionPaths) -> None:
        try:
            answer = steering.stop(sessionlist.fresh_view(paths))
        except JournalError as error:
            answer = No(str(error))
        self.app.call_from_thread(self._ask_stop, paths, answer)

    def _ask_stop(self, paths: SessionPaths, answer: steering.Answer) -> None:
        if isinstance(answer, Question):
            order = answer.order
            question = answer._replace(title=f"{answer.title} ({inert(paths.name)})")
            callback: Callable[[bool | None], None] = lambda sure: self._stop(paths, order) if sure else None  # noqa: E731
            self.app.push_screen(ConfirmScreen(question, asked_by=("s",)), callback)
        elif isinstance(answer, No):
            self._tell(answer.why, bad=True)

    def _stop(self, paths: SessionPaths, order: Order) -> None:
        self.app.run_worker(self._send(paths, order), group="sessions-send", exit_on_error=False)

    async def _send(self, paths: SessionPaths, order: Order) -> None:
        sent = await commander.send(paths, order, engine=True)
        self._tell(f"{paths.name}: {sent.text}", bad=sent.status == "refused")

    def action_new(self) -> None:
        """The form for a new one."""
        if self.read_only:
            self._tell("read-only: this console only looks; overnight new NAME makes a session", bad=True)
            return
        self.app.push_screen(NewSessionScreen(partial(commander.new, self.folder)), self._made)

    def _made(self, name: str | None) -> None:
        if name:
            self._wanted = self.folder / name
            self.look()

    def _acting(self, what: str) -> Summary | None:
        if self.read_only:
            self._tell(f"read-only: this console only looks; it does not {what}", bad=True)
            return None
        return self.selected

    def _answer(self, ran: Ran, done: str) -> None:
        self._tell(done if ran.code == 0 else ran.sentence, bad=ran.code != 0)
        if self.is_attached:
            self.look()

    def _tell(self, text: str, *, bad: bool = False) -> None:
        self.app.notify(inert(text), severity="warning" if bad else "information", markup=False)
