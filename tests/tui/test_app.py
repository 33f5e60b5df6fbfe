"""The console on a session's real files: what it shows, and that it follows what happens."""

from pathlib import Path

import pytest

from engine.session import events as ev
from engine.session.savedfold import path_of
from tests.tui.piloting import console, screen_text, toasts, until
from tests.tui.recording import Recording
from tui import notify
from tui.app import OvernightApp
from tui.loading import Loading


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("TMUX", raising=False)


async def test_the_first_screen_shows_session_best_and_newest_runs(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(40)
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: "41" in screen_text(app))
        text = screen_text(app)
        assert "mar5" in text
        assert "autoresearch/mar5-2026-03-05" in text
        assert "engine gone" in text
        assert "likely real" in text
        assert "★" in text


async def test_events_appear_as_the_engine_writes_them(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(3)
    recording.hold()
    async with console(recording) as (app, pilot):
        run = recording.begin("a brave new change")
        await until(pilot, lambda: "a brave new change" in screen_text(app))
        recording.log(477)
        recording.at = recording.paths.run_log.stat().st_mtime - 10
        recording.train(run)
        await until(pilot, lambda: "training 50%" in screen_text(app))
        recording.end(run, "keep", 0.5)
        await until(pilot, lambda: "★   5" in screen_text(app))
        assert any("new champion" in told for told in toasts(app))


async def test_an_engine_that_dies_is_seen_without_any_file_changing(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(2)
    recording.hold()
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: "getting ready" in screen_text(app))
        recording.let_go()
        await until(pilot, lambda: "engine gone" in screen_text(app))
        assert any("gone" in told for told in toasts(app))


async def test_number_keys_bring_panes_to_a_narrow_screen(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(5)
    recording.log(3)
    async with console(recording) as (app, pilot):
        names = ("experiments", "runlog", "gpu", "notes", "diff", "researcher", "chart")
        for key, name in enumerate(names, 1):
            await pilot.press(str(key))
            await until(pilot, lambda name=name: app.focused is app.main.pane(name).focus_target)  # type: ignore[misc]
            assert [pane.ident for pane in app.main.on_screen()] == [name]
        await pilot.press("tab")
        await until(pilot, lambda: app.main.front.ident == "experiments")


async def test_a_wide_screen_shows_all_panes_and_resizing_keeps_focus(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(5)
    recording.log(3)
    async with console(recording, (200, 50)) as (app, pilot):
        await until(pilot, lambda: len(app.main.on_screen()) == 7)
        await pilot.press("5")
        await until(pilot, lambda: app.focused is app.main.diff.focus_target)
        for size in ((120, 40), (80, 24), (200, 50)):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda size=size: app.main.shows("diff") and app.size == size)  # type: ignore[misc]
            assert app.main.front.ident == "diff"
            assert app.focused is app.main.diff.focus_target


async def test_zoom_gives_one_pane_everything_and_esc_takes_it_back(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(5)
    async with console(recording, (200, 50)) as (app, pilot):
        await until(pilot, lambda: len(app.main.on_screen()) == 7)
        await pilot.press("z")
        await until(pilot, lambda: len(app.main.on_screen()) == 1)
        await pilot.press("escape")
        await until(pilot, lambda: len(app.main.on_screen()) == 7)


async def test_the_filter_narrows_and_esc_shows_all_again(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    recording.experiment("keep", 1.0, "baseline")
    recording.experiment("discard", 1.1, "widen the window")
    recording.experiment("discard", 1.1, "deepen")
    async with console(recording) as (app, pilot):
        await pilot.press("slash", *"window", "enter")
        await until(pilot, lambda: len(app.main.experiments.source) == 1)
        await until(pilot, lambda: "1 of 3" in screen_text(app))
        assert "deepen" not in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: len(app.main.experiments.source) == 3)
        await pilot.press("slash", *"zebra", "enter")
        await until(pilot, lambda: "no run matches; Esc clears" in screen_text(app))
        assert "no experiments yet" not in screen_text(app)


async def test_when_the_engine_goes_its_run_is_no_longer_called_running(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    recording.experiment("keep", 1.0, "baseline")
    recording.train(recording.begin("what runs now"))
    recording.hold()
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: "▶   2" in screen_text(app) and "running" in screen_text(app))
        titles: list[str] = []
        app.to_terminal = titles.append  # type: ignore[method-assign]
        recording.let_go()
        await until(pilot, lambda: "▶" not in screen_text(app) and screen_text(app).count("engine gone") == 2)
        assert "running" not in screen_text(app)
        assert titles == [notify.title_sequence("✖ mar5 1.000000 – overnight")]


async def test_the_notes_follow_the_selection(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(5)
    async with console(recording, (120, 40)) as (app, pilot):
        await until(pilot, lambda: "idea 6 should help" in screen_text(app))
        await pilot.press("k", "k")
        await until(pilot, lambda: "idea 4 should help" in screen_text(app))


async def test_enter_opens_the_selected_runs_own_log_and_f_the_live_one(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(2)
    recording.paths.run_log.write_text("the live log\n", encoding="utf-8")
    folder = recording.paths.run(3)
    folder.mkdir(parents=True)
    (folder / "run.log").write_text("the log of run three\n", encoding="utf-8")
    async with console(recording) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "the log of run three" in screen_text(app))
        await pilot.press("f")
        await until(pilot, lambda: "the live log" in screen_text(app))


async def test_a_hostile_session_is_shown_harmless(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    recording.experiment("keep", 1.0, "baseline")
    recording.experiment("discard", 1.1, "\x1b]0;owned\x07\x1b[2Jgone \u202egnol\x00")
    recording.paths.run_log.write_bytes(b"\x1b[31mred\x1b[2J\x00 \xff\xfe tail\n" + b"x" * 1_000_000 + b"\n")
    async with console(recording, (200, 50)) as (app, pilot):
        await until(pilot, lambda: "tail" in screen_text(app))
        text = screen_text(app)
        assert not set("\x1b\x00\x07\u202e") & set(text)


async def test_a_journal_that_cannot_be_read_is_said_with_its_line(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(1)
    with recording.paths.journal.open("a") as file:
        file.write('{"type":"from_the_future","at":1}\n')
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: "journal cannot be read" in screen_text(app))
        assert any("line 16" in " ".join(told.split()) for told in toasts(app)), toasts(app)


async def test_of_a_journal_broken_in_its_middle_what_came_before_is_shown_until_it_is_mended(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(3)
    whole = recording.paths.journal.read_bytes()
    recording.experiment("keep", 0.1, "after the damage")
    later = recording.paths.journal.read_bytes()
    recording.paths.journal.write_bytes(whole + b"\xff" + later[len(whole) + 1 :])
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: "from line" in screen_text(app))
        text = screen_text(app)
        assert f"line {whole.count(bytes((10,))) + 1} on; what came before it is shown" in text
        assert [e.run for e in app.view.state.experiments] == [1, 2, 3, 4]
        for key in ("p", "m", "R", "r"):
            app.clear_notifications()
            await pilot.press(key)
            await until(pilot, lambda: any("what to do" in told for told in toasts(app)))
            assert app.screen is app.main
        await pilot.press("4")
        await until(pilot, lambda: "overnight new NAME" in " ".join(screen_text(app).split()))
        recording.paths.journal.write_bytes(later)
        await until(pilot, lambda: app.view.trouble == "" and len(app.view.state.experiments) == 5)
        await pilot.press("1")
        await until(pilot, lambda: "after the damage" in screen_text(app))


async def test_a_replaced_journal_is_read_from_its_start(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(8)
    other = Recording(tmp_path / "other").open().night(2, seed=3)
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: len(app.view.state.experiments) == 9)
        other.paths.journal.replace(recording.paths.journal)
        await until(pilot, lambda: len(app.main.experiments.source) == 3)


async def test_leaving_saves_the_fold_and_says_what_goes_on(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(4)
    recording.hold()
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: app.view.running)
        await pilot.press("q")
    assert app.return_value == "detached; the loop goes on: overnight attach mar5"
    assert path_of(recording.paths.journal).exists()


async def test_a_stopped_session_writes_nothing_while_nobody_touches_it(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(4)
    recording.write(ev.EngineStopped(at=recording.tick(), reason="done"))
    async with console(recording, (200, 50)) as (app, pilot):
        await until(pilot, lambda: "CPU" in screen_text(app) or "VRAM" in screen_text(app).partition("3  GPU")[2])
        await until(pilot, lambda: "no diff" in screen_text(app))  # no git here: what it comes to, and it stays
        await pilot.pause(1.5)
        before = screen_text(app)
        painted = app._painted
        await pilot.pause(2.5)
        assert screen_text(app) == before
        assert app._painted == painted


async def test_many_problems_are_one_toast_above_and_esc_clears_it_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OvernightApp, "NOTIFICATION_TIMEOUT", 600)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "overnight"
    folder.mkdir(parents=True)
    (folder / "keymap.toml").write_text("".join(f'"no.such{n}" = "f{n}"\n' for n in range(1, 7)), encoding="utf-8")
    recording = Recording(tmp_path).open().night(40)
    app = OvernightApp(Loading(recording.paths).start())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: app.view.branch != "")
        await pilot.press("slash", *"warmup", "enter")
        await until(pilot, lambda: "filter 'warmup'" in screen_text(app))
        assert toasts(app) == ["6 problems in keymap.toml: ? tells them"]
        await until(pilot, lambda: "6 problems" in screen_text(app))
        lines = screen_text(app).split("\n")
        assert next(y for y, line in enumerate(lines) if "6 problems" in line) < 8, "the newest rows stay in sight"
        await pilot.press("escape")
        await until(pilot, lambda: "6 problems" not in screen_text(app))
        assert app.main.experiments.source.filter_text == "warmup"
        await pilot.press("escape")
        await until(pilot, lambda: app.main.experiments.source.filter_text == "")


def test_a_long_sentence_ends_in_an_ellipsis_and_problems_are_counted() -> None:
    shown = notify.clipped("word " * 200, 30, 5).split("\n")
    assert len(shown) == 5 and shown[-1].endswith("…") and all(len(line) <= 30 for line in shown)
    assert notify.clipped("a short one", 30, 5) == "a short one"
    found = [f"keymap.toml: fault {n}" for n in range(6)]
    assert notify.problems_text(found, "keymap.toml") == "6 problems in keymap.toml: ? tells them"
    assert notify.problems_text(found[:1], "keymap.toml") == found[0]
