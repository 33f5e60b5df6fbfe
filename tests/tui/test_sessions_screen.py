"""All sessions of a folder: each as it stands, read beside the screen's loop; what acts asks first and tells."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.gpu.locks import take
from engine.gpu.samples import GpuSample
from engine.session import events as ev
from engine.session import savedfold
from engine.session.inbox import Request
from engine.session.paths import SessionPaths
from tests.tui.recording import BEGAN, Recording
from tests.tui.stage import Stage, text_of, until
from tui import commander, sessionlist
from tui.commander import Ran
from tui.screens.dialogs import ConfirmScreen
from tui.screens.newsession import NewSessionScreen
from tui.screens.sessions import SessionsScreen
from tui.sessionlist import SessionReader, Summary


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Four sessions: never started, stopped in order, gone without a word, running."""
    Recording(tmp_path, "fresh")
    stopped = Recording(tmp_path, "stopped").open().night(3)
    stopped.write(ev.EngineStopped(at=stopped.tick(), reason="asked by ada"))
    Recording(tmp_path, "gone").open().night(12)
    running = Recording(tmp_path, "running").open().night(5)
    running.train(running.begin("under way"))
    running.hold()
    yield tmp_path
    running.let_go()


def by_name(reader: SessionReader) -> dict[str, Summary]:
    return {summary.name: summary for summary in reader.read()}


def listed(screen: SessionsScreen) -> str:
    return text_of([list(screen.source.row(index)) for index in range(len(screen.source))])


def test_each_session_is_told_as_it_stands(folder: Path) -> None:
    found = by_name(SessionReader(folder))
    assert {name: summary.activity.words for name, summary in found.items()} == {
        "fresh": "never started",
        "stopped": "stopped: asked by ada",
        "gone": "engine gone",
        "running": "training: starting",
    }
    assert [name for name, summary in found.items() if summary.running] == ["running"]
    assert found["gone"].runs == 13 and found["gone"].rate is not None
    assert found["fresh"].best is None
    best = found["stopped"].best
    row = text_of([list(sessionlist.cells(found["stopped"], folder / "stopped", BEGAN))])
    assert best is not None and f"{best.metric:.6f}" in row and row.startswith("» stopped")


def test_only_what_changed_is_read_again(folder: Path) -> None:
    reader = SessionReader(folder)
    before = by_name(reader)
    more = Recording(folder, "new").open()
    more.experiment("keep", 0.9)
    after = by_name(reader)
    assert all(after[name] is summary for name, summary in before.items())
    assert after["new"].runs == 1
    more.experiment("keep", 0.8)
    assert by_name(reader)["new"].runs == 2


def test_a_damaged_journal_is_told_in_its_row_and_hides_no_other(folder: Path) -> None:
    SessionPaths(folder / "gone").journal.write_text('{"type":"nonsense"}\n', encoding="utf-8")
    found = by_name(SessionReader(folder))
    assert len(found) == 4
    assert "journal cannot be read" in found["gone"].activity.words and found["gone"].activity.tone == "bad"


def test_which_session_holds_which_device_is_told(folder: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    reader = SessionReader(folder)
    assert {name: one.device for name, one in by_name(reader).items()} == {
        "fresh": "", "stopped": "", "gone": "", "running": "cpu",
    }  # fmt: skip
    monkeypatch.setattr("engine.gpu.locks.ROOT", tmp_path / "locks")
    (tmp_path / "locks").mkdir()
    lock = take(GpuSample(index=0, uuid="GPU-0123-45"), "running", "start-1")
    try:
        found = by_name(reader)["running"]
        row = text_of([list(sessionlist.cells(found, folder, BEGAN))])
        assert found.device == "GPU-0123" and "GPU-0123" in row, "no driver here names it"
    finally:
        lock.release()
    assert by_name(reader)["running"].device == "cpu"


def test_of_a_damaged_journal_what_stands_before_the_damage_is_told(folder: Path) -> None:
    journal = SessionPaths(folder / "gone").journal
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"type":"nonsense"}\n')
    found = by_name(SessionReader(folder))["gone"]
    assert found.activity.tone == "bad" and found.runs == 13 and found.best is not None
    assert f"from line {len(journal.read_bytes().splitlines())} on" in found.activity.words


def test_a_long_journals_fold_is_left_for_the_next_reader_but_not_by_one_that_only_looks(tmp_path: Path) -> None:
    paths = Recording(tmp_path, "long").open().night(450).paths
    next(SessionReader(tmp_path, write=False).read())
    assert not savedfold.path_of(paths.journal).exists()
    next(SessionReader(tmp_path).read())
    assert savedfold.path_of(paths.journal).exists()


@given(st.floats(0, 1e8, allow_nan=False))
def test_how_long_it_was_quiet_fits_its_column(seconds: float) -> None:
    assert len(sessionlist.quiet(seconds)) <= 6
    assert sessionlist.quiet(seconds, False) != "now", "nothing goes on without an engine"


@pytest.mark.parametrize("keys", [("g", "enter"), ("escape",)])
async def test_enter_switches_to_the_session_under_the_cursor_and_escape_to_none(
    folder: Path, keys: tuple[str, ...]
) -> None:
    screen = SessionsScreen(folder, SessionPaths(folder / "gone"))
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(screen.source) == 4)
        assert screen.selected is not None and screen.selected.name == "gone", "it opens on the one that is shown"
        newest = screen.source.record(0).name
        await pilot.press(*keys)
        await until(pilot, lambda: app.results)
    assert [chosen and chosen.name for chosen in app.results] == [newest if "enter" in keys else None]


async def test_fifty_sessions_are_read_in_another_thread_and_new_ones_turn_up(tmp_path: Path) -> None:
    for number in range(50):
        Recording(tmp_path, f"s{number:02d}").open().night(2)
    screen = SessionsScreen(tmp_path, SessionPaths(tmp_path / "s00"))
    threads: set[int] = set()
    one = screen._reader._one

    def watched(paths: SessionPaths) -> Summary:
        threads.add(threading.get_ident())
        return one(paths)

    screen._reader._one = watched  # type: ignore[method-assign]
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(screen.source) == 50)
        Recording(tmp_path, "another").open().night(1)
        screen.look()
        await until(pilot, lambda: "another" in listed(screen))
        assert screen.selected is not None and screen.selected.name == "s00", "the cursor stays with its session"
    assert threading.get_ident() not in threads


async def test_stop_asks_first_and_sends_the_command_with_the_engine_that_was_seen(folder: Path) -> None:
    paths = SessionPaths(folder / "running")
    screen = SessionsScreen(folder, paths)
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(screen.source) == 4)
        for answer in ("escape", "y"):
            await pilot.press("s")
            await until(pilot, lambda: isinstance(app.screen, ConfirmScreen) and app.screen.is_mounted)
            assert not list(paths.inbox.glob("*.json"))
            await pilot.press(answer)
            await until(pilot, lambda: app.screen is screen)
        await until(pilot, lambda: list(paths.inbox.glob("*.json")))
    (sent,) = paths.inbox.glob("*.json")
    request = msgspec.json.decode(sent.read_bytes(), type=Request)
    assert (request.kind, request.seen.start_id) == ("stop", "start-1")


async def test_what_cannot_be_done_is_told_and_read_only_does_nothing(folder: Path) -> None:
    screen = SessionsScreen(folder, SessionPaths(folder / "gone"))
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(screen.source) == 4)
        await pilot.press("s")
        await until(pilot, lambda: any("nothing to stop" in text for text in app.told))
    only = SessionsScreen(folder, SessionPaths(folder / "running"), read_only=True)
    app = Stage(only)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(only.source) == 4)
        await pilot.press("s", "r", "n")
        await until(pilot, lambda: len(app.told) == 3)
        assert app.screen is only and all("read-only" in text for text in app.told)
    assert not list(SessionPaths(folder / "running").inbox.glob("*.json"))


async def test_an_engine_that_cannot_start_says_why(folder: Path) -> None:
    screen = SessionsScreen(folder, SessionPaths(folder / "fresh"))
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(screen.source) == 4)
        await pilot.press("r")
        await until(pilot, lambda: len(app.told) == 2)
    assert "starting" in app.told[0]
    assert "has started" not in app.told[1] and "Traceback" not in app.told[1] and len(app.told[1]) > 10


async def test_an_empty_folder_says_how_to_make_a_session(tmp_path: Path) -> None:
    screen = SessionsScreen(tmp_path, SessionPaths(tmp_path / "none"))
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "n makes one" in screen.table.empty_text)
        await pilot.press("enter", "s", "r")
        await pilot.pause()
        assert app.screen is screen


async def test_the_form_for_a_new_session_keeps_what_was_typed_until_there_is_one() -> None:
    asked: list[tuple[str, str, str]] = []

    async def create(name: str, tier: str, data: str) -> Ran:
        asked.append((name, tier, data))
        return Ran(2, {"error": f"{name!r} is taken"}, "") if len(asked) == 1 else Ran(0, {}, "")

    screen = NewSessionScreen(create)
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("tab", "tab", "enter")
        await until(pilot, lambda: "needs a name" in screen.says)
        await pilot.press("minus", "enter")
        await until(pilot, lambda: "'-' cannot be a session's name" in screen.says)
        assert app.focused is not None and app.focused.id == "new-name", "told at once, not at the last line"
        await pilot.press("backspace")
        await pilot.press("m", "a", "y", "enter", "enter", "enter")
        await until(pilot, lambda: "'may' is taken" in screen.says)
        await pilot.press("enter")
        await until(pilot, lambda: app.results)
    assert app.results == ["may"]
    assert asked == [("may", "auto", "demo")] * 2


async def test_escape_gives_the_form_up() -> None:
    async def create(name: str, tier: str, data: str) -> Ran:
        raise AssertionError("nothing is made")

    app = Stage(NewSessionScreen(create))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("a", "escape")
        await until(pilot, lambda: app.results)
    assert app.results == [None]


async def test_the_verb_itself_refuses_a_name_that_cannot_be(tmp_path: Path) -> None:
    ran = await commander.new(tmp_path, "no/slash", "cpu", "demo")
    assert ran.code != 0 and "no/slash" in ran.sentence
    assert not list(tmp_path.iterdir())
