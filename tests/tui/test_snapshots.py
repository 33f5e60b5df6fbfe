"""Each pane and each screen as it was last looked at and accepted, at the sizes that lay it out differently.

What lives (clocks, the line's bytes, the devices) stands still here; the rest is the console on a recorded night.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine.session import events as ev
from engine.session.journal import Journal, read
from engine.session.locking import Holder
from engine.session.paths import SessionPaths
from engine.session.runlog import Progress
from tests.tui import evening
from tests.tui.evening import Evening
from tests.tui.growingnight import GrowingNight
from tests.tui.piloting import console
from tests.tui.snapshotting import STORE, Album, settled
from tui import commander, sessionlist
from tui.actions import PANES
from tui.app import OvernightApp
from tui.commander import Ran
from tui.model import View
from tui.panes import status
from tui.panes.gpu import GpuPane
from tui.runs import plain
from tui.screens import sessions
from tui.wire import Wire

SIZES = ((80, 24), (200, 50))
_FOREIGN = ("NO_COLOR", "COLORFGBG", "TMUX", "STY", "ZELLIJ", "SSH_TTY", "SSH_CONNECTION")
_WAVE = (97, 98, 96, 41, 95, 99, 12, 0, 88, 97)  # percent of the device's time, again and again


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    """The night and its neighbours. Its paths are relative: the folder's name is on some screens."""
    root = tmp_path_factory.mktemp("night")
    (root / "sessions").mkdir()
    night = Evening(root / "sessions").play()
    others = evening.neighbours(root / "sessions", night.at)
    night.hold()
    night.paths = SessionPaths(Path("sessions") / "mar5")
    yield night
    for one in (night, *others):
        one.let_go()


@pytest.fixture(scope="module")
def shown() -> dict[int, Ran]:
    """What `overnight show` said of each run; asked once."""
    return {}


@pytest.fixture(autouse=True)
def standing_still(night: Evening, shown: dict[int, Ran], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No configuration of whoever runs the tests; what lives shows the same at any time and on any machine."""
    monkeypatch.chdir(night.folder.parent)
    for name in _FOREIGN:
        monkeypatch.delenv(name, raising=False)
    own = {"HOME": str(night.folder), "XDG_CONFIG_HOME": str(night.folder / "none"), "OVERNIGHT_OPERATOR": "ann"}
    for name, value in (own | {"TZ": "UTC", "TERM": "xterm-256color", "COLORTERM": "truecolor"}).items():
        monkeypatch.setenv(name, value)
    time.tzset()
    clock = SimpleNamespace(**{**vars(time), "time": lambda: night.at})
    for module in (sys.modules["tui.app"], sessions, sessionlist):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(Wire, "rate", lambda self, now=None: 640.0)
    monkeypatch.setattr("engine.gpu.sampler.Sampler", lambda: _Devices(night.at))
    sampled = GpuPane.sampled
    monkeypatch.setattr(GpuPane, "sampled", lambda pane, shot: None if pane._history else _past(pane, sampled, shot.at))
    ask = commander.show

    async def show(paths: SessionPaths, run: int) -> Ran:
        if run not in shown:
            shown[run] = await ask(paths, run)
        return shown[run]

    monkeypatch.setattr(commander, "show", show)
    yield
    monkeypatch.undo()
    time.tzset()


class _Devices:
    def __init__(self, at: float) -> None:
        self._at = at

    def sample(self) -> object:
        return evening.sample(self._at, _WAVE[-1])

    def close(self) -> None:
        pass


def _past(pane: GpuPane, sampled: object, at: float) -> None:
    for number in range(120):
        sampled(pane, evening.sample(at, _WAVE[number % len(_WAVE)]))  # type: ignore[operator]


def _there(app: OvernightApp) -> bool:
    """Whether the panes on screen have what they show."""
    main, view = app.main, app.view
    return (
        view.running
        and view.progress is not None
        and view.wire > 0.0
        and (not main.shows("gpu") or main.gpu.heading.says == "1 device")
        and (not main.shows("diff") or main.diff.wanted(view) is None)
        and (not main.shows("runlog") or "tok/sec" in main.runlog.view.text)
    )


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40), (200, 50)])
async def test_each_pane(night: Evening, columns: int, rows: int) -> None:
    album = Album()
    async with console(night, (columns, rows)) as (app, pilot):
        for number, pane in enumerate(PANES, 1):
            await pilot.press(str(number))
            if columns >= 140:
                await pilot.press("z")
            await album.take(pilot, f"pane-{pane}-{columns}x{rows}", lambda: _there(app))
            if columns >= 140:
                await pilot.press("z")
        await pilot.press("1")
        if columns >= 140:
            await album.take(pilot, f"panes-all-{columns}x{rows}", lambda: _there(app))
        await pilot.press("G", "k", "k", "k", "k", "k", "k")
        await settled(pilot, lambda: app.view.selected == 9 and _there(app))
        await pilot.press("4")
        await album.take(pilot, f"panes-run9-{columns}x{rows}", lambda: _there(app))
    album.close()


_QUESTIONS = {"R": "revert", "K": "keep", "u": "undo", "x": "abort", "s": "stop"}


@pytest.mark.parametrize(("columns", "rows"), SIZES)
async def test_each_question_before_a_deed(night: Evening, columns: int, rows: int) -> None:
    album = Album()
    async with console(night, (columns, rows)) as (app, pilot):
        await pilot.press("G", "k", "k", "k", "k", "k", "k", "k")
        await settled(pilot, lambda: app.view.selected == 8 and _there(app))
        for key, deed in _QUESTIONS.items():
            await pilot.press(key)
            await album.take(pilot, f"question-{deed}-{columns}x{rows}", lambda: app.screen is not app.main)
            await pilot.press("escape")
            await settled(pilot, lambda: app.screen is app.main and _there(app))  # else the next key may be too early
    album.close()


@pytest.mark.parametrize(("columns", "rows"), SIZES)
async def test_each_screen_over_the_console(night: Evening, columns: int, rows: int) -> None:
    album = Album()
    at = f"{columns}x{rows}"
    async with console(night, (columns, rows)) as (app, pilot):
        await settled(pilot, lambda: _there(app))
        await pilot.press("question_mark")
        await album.take(pilot, f"help-{at}", lambda: app.screen is not app.main)
        await pilot.press("escape", "c")
        await album.take(pilot, f"charts-{at}", lambda: app.screen is not app.main)
        await pilot.press("tab")
        await album.take(pilot, f"charts-turned-{at}")
        await pilot.press("escape", "J")
        await album.take(pilot, f"journal-{at}", lambda: "Bring" in _text(app))
        await pilot.press("escape", "S")
        await album.take(pilot, f"sessions-{at}", lambda: "4, 2 running" in _text(app))
        await pilot.press("n")
        await album.take(pilot, f"sessions-new-{at}", lambda: "new session" in _text(app))
        await pilot.press("escape", "escape", "ctrl+p")
        await album.take(pilot, f"palette-{at}", lambda: _unblinking(pilot))
    album.close()


@pytest.mark.parametrize(("columns", "rows"), SIZES)
async def test_the_growth_search(night: Evening, tmp_path: Path, columns: int, rows: int) -> None:
    album, at = Album(), f"{columns}x{rows}"
    search = GrowingNight(tmp_path).play(3).round_under_way()
    search.hold()
    search.log(593)
    async with console(search, (columns, rows)) as (app, pilot):
        await settled(pilot, lambda: app.view.progress is not None)
        await pilot.press("W")
        await album.take(pilot, f"growth-{at}", lambda: "62%" in _text(app) and "DEPTH" in _text(app))
        await pilot.press("tab", "k", "tab", "o")
        await album.take(pilot, f"growth-sorted-{at}", lambda: "▼" in _text(app))
    search.let_go()
    album.close()


@pytest.mark.parametrize(("columns", "rows"), SIZES)
async def test_each_line_to_type_in(night: Evening, columns: int, rows: int) -> None:
    album = Album()
    at = f"{columns}x{rows}"
    async with console(night, (columns, rows)) as (app, pilot):
        await settled(pilot, lambda: _there(app))
        await pilot.press("m", *"try BETA2 0.97")
        await album.take(pilot, f"message-{at}", lambda: _there(app))
        await pilot.press("escape", "1", "slash", *"LR")
        await album.take(pilot, f"filter-asked-{at}", lambda: _there(app))
        await pilot.press("enter")
        await album.take(pilot, f"filter-{at}", lambda: _there(app))
    album.close()


def _text(app: OvernightApp) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def _unblinking(pilot: Pilot[str]) -> bool:
    """The palette is up; its cursor stands."""
    if pilot.app.screen is pilot.app.screen_stack[0]:
        return False
    pilot.app.screen.query_one(Input).cursor_blink = False
    return True


def test_each_state_of_the_session_in_the_strip(night: Evening, tmp_path: Path) -> None:
    album, engine = Album(), Holder(1, "box", "start-1")
    working = Progress(step=593, percent=62.2, loss=3.4, remaining_s=135.0)
    run = night.run
    more: dict[str, tuple[list[ev.AnyEvent], Progress | None, bool]] = {
        "training": ([], working, True),
        "evaluating": ([], Progress(step=953, percent=100.0, loss=3.3), True),
        "pausing": ([ev.PauseSet(at=night.at, paused=True, by="ann")], working, True),
        "stopping": ([ev.StopAsked(at=night.at, by="ann")], working, True),
        "aborting": ([ev.AbortAsked(at=night.at, run=run, by="ann")], working, True),
        "gone": ([], working, False),
        "stopped": ([ev.EngineStopped(at=night.at, reason="asked by ann")], None, False),
        "failed": ([ev.EngineStopped(at=night.at, reason="the disk is full", failed=True)], None, False),
    }
    out = []
    for name, (events, progress, runs) in more.items():
        journal = tmp_path / f"{name}.jsonl"
        shutil.copy(night.paths.journal, journal)
        Journal(journal).append(events)
        view = View(name="mar5", branch="autoresearch/mar5-2026-03-05", state=read(journal), loaded=True, now=night.at)
        view.engine, view.progress, view.wire = engine if runs else None, progress, 640.0
        out += [f"── {name}", *(plain(line) for width in (78, 198) for line in status.lines(view, width))]
    album.compare("status-states", "\n".join(out) + "\n")
    album.close()


def test_a_snapshot_that_differs_fails_with_what_differs_and_how_to_accept_it(tmp_path: Path) -> None:
    Album(tmp_path, accept=True).compare("strip", "one\ntwo\n")
    same = Album(tmp_path, accept=False)
    same.compare("strip", "one\ntwo\n")
    same.close()
    other = Album(tmp_path, accept=False)
    other.compare("strip", "one\nthree\n")
    other.compare("new", "one\n")
    with pytest.raises(AssertionError, match="2 snapshots differ") as failed:
        other.close()
    assert all(part in str(failed.value) for part in ("-two", "+three", "no snapshot new", "OVERNIGHT_ACCEPT=1"))


def test_no_snapshot_is_left_over() -> None:
    """Every stored file is one that the tests above ask for: none is compared with nothing."""
    source = Path(__file__).read_text(encoding="utf-8")
    for stored in STORE.glob("*.txt"):
        stem = stored.stem.rpartition("-")[0] if stored.stem[-1].isdigit() else stored.stem
        first, _, rest = stem.partition("-")
        known = rest in PANES or rest in _QUESTIONS.values() if first in ("pane", "question") else stem in source
        assert known, f"{stored.name} belongs to no test; remove it"
