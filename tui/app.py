"""The console: a thin client of one session. It reads the session's files, shows them, and sends commands."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.worker import Worker

from engine.session.inert import inert
from engine.session.paths import SessionPaths
from tui import feed, hangup, keymap, notify, themes
from tui.actions import ACTIONS, bindables
from tui.config import Config
from tui.loading import Loading
from tui.model import View, farewell
from tui.panes.footer import AskLine
from tui.panes.pane import Pane
from tui.panes.wishes import Said, Sized
from tui.refusals import refusal
from tui.screens.main import MainScreen
from tui.table.virtual import VirtualTable
from tui.typing import OrderlyApp

if TYPE_CHECKING:
    from textual.command import Provider

    from engine.session.events import AnyEvent
    from engine.session.state import Command, State
    from tui.deeds import Deeds

_SLOW_S = 10.0
_SETTLE_S = 0.15  # a selection must rest so long before its diff is fetched


def _palette() -> type[Provider]:
    """The palette's entries; its modules are loaded when it is first opened."""
    from tui.commands import ActionProvider

    return ActionProvider


def _unsaid(state: State, message: str) -> Command | None:
    """The command that took a message back; None where none did."""
    return next((one for one in state.commands.values() if one.kind == "unsay" and one.args.get("id") == message), None)


class OvernightApp(OrderlyApp, inherit_bindings=False):
    """Shows the session that `loading` reads. `run()` returns the sentence to print after leaving."""

    TITLE = "overnight"
    COMMANDS = {_palette}
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "detach", "leave", show=False, priority=True)]
    NOTIFICATION_TIMEOUT: ClassVar[float] = 4
    # Toasts stand below the strip and the headings, where neither the newest lines nor an input line is.
    CSS = """
    Screen { background: $background; }
    #main { layout: vertical; }
    MessageLine, AskLine { height: 1; }
    ToastRack { dock: top; align: right top; margin: 5 0 0 0; }
    ConfirmScreen ToastRack { margin: 0; }
    SearchIcon { display: none; }
    Toast { padding: 0 1; margin-top: 0; max-width: 75%; max-height: 5; }
    """

    def __init__(
        self,
        loading: Loading,
        *,
        config: Config | None = None,
        read_only: bool = False,
        problems: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.loading, self.paths = loading, loading.paths
        self.config = config or Config()
        self.view = View(name=self.paths.name, read_only=read_only, slow=self.config.slow, recorded=self.paths.recorded)
        keys = keymap.load(bindables(), os.environ)
        self.keys = keys.keys
        self._own_keys = keys
        choice = themes.choose_theme(os.environ, self.config.theme)
        self._problems = [*problems, *keys.problems, *([choice.problem] if choice.problem else [])]
        themes.apply(self, choice)
        self.main = MainScreen(self.config.pane)
        self._deeds: Deeds | None = None
        self.feed: feed.Feed | None = None
        self._feeding: Worker[None] | None = None
        self._painted = 0.0
        self._dirty = False
        self._titled = ""
        self._log_open = False
        self._fetching: tuple[int, str] | None = None
        self._replayed: int | None = None  # the run whose telemetry a recording's GPU pane shows

    def get_default_screen(self) -> MainScreen:
        """The main screen."""
        return self.main

    @property
    def deeds(self) -> Deeds:
        """What the keys do; its modules are loaded after the first paint."""
        if self._deeds is None:
            from tui.deeds import Deeds

            self._deeds = Deeds(self)
        return self._deeds

    # Life

    def on_mount(self) -> None:
        """Begin to watch; what is folded already is in the first paint."""
        self.set_keymap(self._own_keys.textual())
        if self.loading.follower is not None:
            self.view.state, self.view.loaded = self.loading.follower.state, True
            self._select_newest()
        self._begin_feed(self.loading)
        self.set_interval(1.0, self._tick)
        self.to_terminal(notify.PUSH_TITLE)
        self._title()
        if not self.is_headless:
            hangup.watch(sys.__stdin__.fileno() if sys.__stdin__ else 0, lambda: self.call_from_thread(self.exit))
        if self._problems:
            self.tell(notify.problems_text(self._problems, keymap.FILE_NAME), bad=True)
        self.call_after_refresh(self._painted_first)

    def _painted_first(self) -> None:
        """Load what the first key needs; what there is now stays, so it is never looked through for garbage."""
        _ = self.deeds
        gc.freeze()
        gc.enable()

    def on_unmount(self) -> None:
        """Leave the fold for the next console, and the terminal its title."""
        self.to_terminal(notify.POP_TITLE)
        if self.feed is not None and not self.view.read_only:
            self.feed.save()

    def _begin_feed(self, loading: Loading) -> None:
        self.feed = feed.Feed(loading, self.post_message, self._wants_gpu, lambda: self.view.slow)
        self._feeding = self.run_worker(self.feed.run, group="feed", exit_on_error=True)

    def behind(self, work: Callable[[], Coroutine[Any, Any, None]], group: str, *, exclusive: bool = False) -> None:
        """Let `work` go on beside the screen; `exclusive` ends what the group was doing."""
        _: Worker[None] = self.run_worker(work, group=group, exclusive=exclusive)

    def open_session(self, paths: SessionPaths) -> None:
        """Show another session."""
        if self._feeding is not None:
            self._feeding.cancel()
        if self.feed is not None and not self.view.read_only:
            self.feed.save()
        self.paths = paths
        before = self.view
        self.view = View(name=paths.name, read_only=before.read_only, slow=before.slow, recorded=paths.recorded)
        self._begin_feed(Loading(paths).start())
        self._log_open, self._replayed = False, None
        self.repaint()

    def detach(self) -> None:
        """Leave; the loop goes on."""
        self.exit(farewell(self.view))

    def action_detach(self) -> None:
        """ctrl+c."""
        self.detach()

    # What the feed tells

    @on(feed.Loaded)
    def _loaded(self, event: feed.Loaded) -> None:
        self.view.state, self.view.branch, self.view.loaded = event.state, inert(event.branch), True
        self.view.trouble = event.error
        if event.error:
            self.tell(event.error, bad=True)
        self._select_newest()
        self.repaint()

    @on(feed.JournalChanged)
    def _journal_changed(self, event: feed.JournalChanged) -> None:
        view = self.view
        if event.error and event.error != view.trouble:
            self.tell(event.error, bad=True)
        view.trouble = event.error
        view.state = event.state
        for one in event.events:
            self._heard(one)
        self._notify(event.events)
        if view.selected is None:
            self._select_newest()
        self._title()
        self._look_at_question()
        self._dirty = True
        self._paint_soon()

    def _look_at_question(self) -> None:
        if self._deeds is not None:
            self._deeds.look_at_question()

    def _heard(self, event: AnyEvent) -> None:
        view = self.view
        kind = type(event).__name__
        run = getattr(event, "run", None)
        if kind == "Overridden" or (kind == "Decided" and getattr(event, "status", "") == "keep"):
            self.main.experiments.changed_from(1)  # the champion's mark moves
        elif isinstance(run, int):
            self.main.experiments.changed_from(run)
        if kind == "TrialBegan":
            view.progress = None
        id = getattr(event, "id", "")
        if kind in ("CommandDone", "CommandRefused") and id in view.asked:
            done = view.asked.pop(id)
            command = view.state.commands.get(id)
            answer = command.answer if command is not None else ""
            if kind == "CommandRefused" and (unsay := _unsaid(view.state, id)) is not None:
                if unsay.id not in view.asked:  # ours is told by its own answer
                    self.tell(f"{unsay.by} took a message back")
            elif kind == "CommandRefused":
                self.tell(f"{done} refused: {answer}", bad=True)
            elif done != "say":
                self.tell(answer or f"{done}: done")
        elif kind == "CommandDelivered":
            view.asked.pop(id, None)
        elif kind == "EngineStopped":
            view.asked.clear()

    @on(feed.EngineChanged)
    def _engine_changed(self, event: feed.EngineChanged) -> None:
        was, self.view.engine = self.view.engine, event.engine
        if event.engine is None:
            self.view.asked.clear()
            engine = self.view.state.engine
            if was is not None and engine is not None and not engine.stopped_at:
                self._say_happenings([notify.Happening("stop", f"{self.view.name}: the engine is gone without a word")])
        self._look_at_question()
        self.repaint()

    @on(feed.RunLogChanged)
    def _run_log_changed(self) -> None:
        if self.main.shows("runlog"):
            self.main.runlog.poll()

    @on(feed.Progressed)
    def _progressed(self, event: feed.Progressed) -> None:
        self.view.progress = event.progress
        self._dirty = True

    @on(feed.ResearcherTalks)
    def _researcher_talks(self, event: feed.ResearcherTalks) -> None:
        self.view.saying = event.lines
        if self.main.shows("runlog") and self.main.runlog.words:
            self.main.runlog.poll()
        self._dirty = True

    @on(feed.GpuSampled)
    def _gpu_sampled(self, event: feed.GpuSampled) -> None:
        self.view.snapshot = event.snapshot
        if self.main.shows("gpu"):
            self.main.gpu.sampled(event.snapshot)
        self._dirty = True

    def _wants_gpu(self) -> bool:
        if not self.main.shows("gpu") or self.view.recorded:
            return False
        # Nothing ticks beside a stopped engine, unless the operator is looking at just this.
        return self.view.running or self.view.snapshot is None or self.main.body.front == "gpu"

    # Painting

    def _tick(self) -> None:
        """Once a second: time passes while an engine works; otherwise nothing moves."""
        wire = self.wire.rate()
        if wire != self.view.wire and (self.view.running or self._dirty or wire == 0.0):
            self._dirty = True
        self.view.wire = wire
        if self.view.running or self._dirty:
            self._paint_soon()

    def _paint_soon(self) -> None:
        """Paint now, or on a slow line not sooner than its pace allows."""
        if not self.view.slow or time.monotonic() - self._painted >= _SLOW_S:
            self.repaint()

    def repaint(self) -> None:
        """Paint what changed, at once: for what the operator just did."""
        self._dirty = False
        self._painted = time.monotonic()
        self.view.now = time.time()
        self._title()
        self.main.show(self.view)
        off = frozenset(action.id for action in ACTIONS if refusal(self.view, action.id))
        self.main.keys.show(self.keys, off)
        self._see_to_panes()

    def _see_to_panes(self) -> None:
        """Fetch what panes on screen have to show and the state does not hold."""
        self._fetch_diff()
        if self.view.recorded and self.view.selected != self._replayed and self.main.shows("gpu"):
            self._replayed = self.view.selected
            self.behind(self._bring_telemetry, "telemetry", exclusive=True)
        if not self._log_open and self.main.shows("runlog"):
            self.open_log(None)

    def _title(self) -> None:
        """Set the terminal's title where it is not what it should be."""
        title = notify.title(self.view) if self.config.notify.title else self._titled
        if title != self._titled:
            self._titled = title
            self.to_terminal(notify.title_sequence(title))

    def to_terminal(self, data: str) -> None:
        """Write a control sequence of ours."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(data)

    def tell(self, text: str, *, bad: bool = False) -> None:
        """A sentence for the operator, for a while."""
        from tui import toasts

        toasts.tell(self, text, bad=bad)

    def _notify(self, events: list[AnyEvent]) -> None:
        self._say_happenings(notify.happenings(events, self.view.state, self.view.name))

    def _say_happenings(self, found: list[notify.Happening]) -> None:
        wanted = notify.wanted(found, self.config.notify)
        if not wanted:
            return
        if self.config.notify.bell:
            self.bell()
        for happening in wanted:
            self.tell(happening.text)
            if self.config.notify.command:
                self.behind(partial(self._command, happening.text), "notify")

    async def _command(self, text: str) -> None:
        problem = await asyncio.to_thread(notify.run_command, self.config.notify.command, text)
        if problem:
            self.tell(problem, bad=True)

    # Selection, logs, diffs

    def _select_newest(self) -> None:
        if self.view.selected is None and self.view.state.experiments:
            self.view.selected = self.view.state.experiments[-1].run

    @on(VirtualTable.RowHighlighted, "#experiments-table")
    def _row_highlighted(self, event: VirtualTable.RowHighlighted) -> None:
        if isinstance(event.key, int) and event.key != self.view.selected:
            self.view.selected = event.key
            self.repaint()

    @on(VirtualTable.RowSelected, "#experiments-table")
    def _row_selected(self, event: VirtualTable.RowSelected) -> None:
        if isinstance(event.key, int):
            self.view.selected = event.key
            self.perform("look.inside")

    def open_log(self, run: int | None, *, words: bool = False) -> None:
        """Show the live log (None) or an earlier run's, or with `words` what its researcher said."""
        self._log_open = True
        self.behind(partial(self._open_log, run, words), "log", exclusive=True)

    async def _open_log(self, run: int | None, words: bool) -> None:
        from tui.panes.runlog import log_of

        log = await asyncio.to_thread(log_of, self.paths, run, words=words)
        current = self.view.state.current
        self.main.runlog.open(log, run, words=words, ended=current is None or current.run != run)

    def _fetch_diff(self) -> None:
        key = self.main.diff.wanted(self.view) if self.main.shows("diff") else None
        if key != self._fetching:
            self._fetching = key
            if key is not None:
                self.behind(self._bring_diff, "diff", exclusive=True)

    async def _bring_diff(self) -> None:
        await asyncio.sleep(_SETTLE_S)
        if (key := self._fetching) is not None:
            diff, problem = await self.diff_of(key[0])
            self.main.diff.arrived(key, diff, problem)
            self.main.show(self.view)

    async def _bring_telemetry(self) -> None:
        """A recording shows the machine as the selected run had it."""
        from engine.gpu.telemetry import read_tail
        from tui.panes.gpu import KEPT

        if (run := self._replayed) is not None:
            shots = await asyncio.to_thread(read_tail, self.paths.run(run) / "telemetry.jsonl", KEPT)
            self.view.snapshot = self.main.gpu.replay(run, shots)
            self.main.show(self.view)

    async def diff_of(self, run: int) -> tuple[str, str]:
        """A run's diff against its champion, and why there is none."""
        from tui import commander

        ran = await commander.show(self.paths, run)
        diff = ran.document.get("diff")
        return (diff, "") if ran.code == 0 and isinstance(diff, str) else ("", ran.sentence)

    # Keys

    def perform(self, id: str) -> None:
        """Carry out an action of the table."""
        self.deeds.do(id)

    def nudge(self) -> None:
        """Look at the files now."""
        if self.feed is not None:
            self.feed.nudge()

    def toggle_slow(self) -> None:
        """Slow-link mode on or off."""
        self.view.slow = not self.view.slow
        self.tell("slow line: refreshed every 10 s at most; L ends it" if self.view.slow else "refreshed at once again")

    @on(Said)
    def _said(self, event: Said) -> None:
        self.deeds.said(event.text)

    @on(Sized)
    def _sized(self, event: Sized) -> None:
        pane = next((one for one in event.widget.ancestors_with_self if isinstance(one, Pane)), None)
        if pane is not None and pane.display:
            pane.show(self.view)
            self._see_to_panes()

    @on(AskLine.Answered)
    def _answered(self, event: AskLine.Answered) -> None:
        self.deeds.answered(event.purpose, event.text)

    # Other screens, loaded when they are first asked for

    def open_charts(self) -> None:
        """Charts."""
        from tui.screens.charts import ChartsScreen

        self.push_screen(ChartsScreen(self.paths, lambda: self.view))

    def open_growth(self) -> None:
        """The growth search; a candidate's run may be chosen there."""
        from tui.growthsource import SessionSource
        from tui.screens.growth import GrowthScreen

        self.push_screen(GrowthScreen(SessionSource(lambda: self.view), slow=self.view.slow), self._go_to_run)

    def _go_to_run(self, run: int | None) -> None:
        if run is not None and self.main.experiments.table.select(run):
            self.main.show_pane("notes")

    def open_journal(self) -> None:
        """autoresearch.md."""
        from tui.screens.journal import JournalScreen

        self.push_screen(JournalScreen(self.paths))

    def open_sessions(self) -> None:
        """All sessions."""
        from tui.screens.sessions import SessionsScreen

        self.push_screen(
            SessionsScreen(self.paths.root.parent, self.paths, read_only=self.view.read_only), self._chosen
        )

    def _chosen(self, paths: SessionPaths | None) -> None:
        if paths is not None and paths.root != self.paths.root:
            self.open_session(paths)

    def open_help(self) -> None:
        """All keys."""
        from tui.screens.help import HelpScreen

        off = {action.id: why for action in ACTIONS if (why := refusal(self.view, action.id))}
        front = self.main.front.ident
        self.push_screen(
            HelpScreen(self.keys, read_only=self.view.read_only, pane=front, off=off, problems=self._problems)
        )


def open_console(loading: Loading, config: Config, problems: Sequence[str], *, read_only: bool) -> int:
    """Run the console until it is left; the exit code."""
    app = OvernightApp(loading, config=config, read_only=read_only, problems=problems)
    said = app.run()
    if said:
        print(said)
    return app.return_code or 0
