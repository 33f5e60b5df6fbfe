"""Steering keys: what reaches the inbox, what is asked first, what is refused and why, and the answers shown."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from engine.session import events as ev
from engine.session import inbox
from engine.session.inbox import Request, waiting
from engine.session.journal import read
from tests.tui.piloting import console, screen_text, toasts, until
from tests.tui.recording import Recording
from tui.screens.dialogs import ConfirmScreen


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of whoever runs the tests; a name for the operator."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("OVERNIGHT_OPERATOR", "ann")


def running(tmp_path: Path) -> tuple[Recording, int]:
    """A session with an engine that trains its fifth run; 1 and 2 are the line of champions."""
    recording = Recording(tmp_path).open()
    recording.experiment("keep", 1.0, "baseline")
    recording.experiment("keep", 0.98, "the champion")
    recording.experiment("discard", 0.99, "nearly")
    recording.experiment("crash", None, "too much")
    run = recording.begin("what runs now")
    recording.train(run)
    recording.hold()
    return recording, run


def sent(recording: Recording) -> list[Request]:
    """What lies in the inbox."""
    return [msgspec.json.decode(path.read_bytes(), type=Request) for path in waiting(recording.paths.inbox)]


async def test_pause_goes_to_the_inbox_and_is_shown_until_it_holds(tmp_path: Path) -> None:
    recording, run = running(tmp_path)
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: app.view.running)
        await pilot.press("p")
        await until(pilot, lambda: len(sent(recording)) == 1)
        order = sent(recording)[0]
        assert (order.kind, order.by, order.seen.start_id) == ("pause", "ann", "start-1")
        await until(pilot, lambda: "pausing after this experiment…" in screen_text(app))
        recording.write(
            ev.CommandQueued(at=recording.tick(), id=order.id, kind="pause", args={}, by="ann"),
            ev.PauseSet(at=recording.tick(), paused=True, by="ann"),
            ev.CommandDone(at=recording.tick(), id=order.id, answer="pauses after run 5"),
        )
        await until(pilot, lambda: any("pauses after run 5" in told for told in toasts(app)))
        recording.end(run, "discard", 1.0)
        await until(pilot, lambda: "paused by ann" in screen_text(app))
        await pilot.press("p")
        await until(pilot, lambda: len(sent(recording)) == 2)
        assert sent(recording)[1].kind == "resume"


async def test_a_refusal_comes_back_with_its_reason(tmp_path: Path) -> None:
    recording, _ = running(tmp_path)
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: app.view.running)
        await pilot.press("p")
        await until(pilot, lambda: len(sent(recording)) == 1)
        id = sent(recording)[0].id
        recording.write(
            ev.CommandQueued(at=recording.tick(), id=id, kind="pause", args={}, by="ann"),
            ev.CommandRefused(at=recording.tick(), id=id, reason="another engine has the session now"),
        )
        await until(pilot, lambda: any("another engine has the session now" in told for told in toasts(app)))
        assert app.view.asked == {}


@pytest.mark.parametrize("leave", ["escape", "enter", "x"])
async def test_abort_asks_first_and_only_the_other_key_does_it(tmp_path: Path, leave: str) -> None:
    recording, run = running(tmp_path)
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: app.view.running)
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press(leave)
        await pilot.pause()
        if leave != "x":
            await until(pilot, lambda: app.screen is app.main)
            await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert sent(recording) == []
        await pilot.press("y")
        await until(pilot, lambda: len(sent(recording)) == 1)
        assert (sent(recording)[0].kind, sent(recording)[0].seen.run) == ("abort", run)


async def test_revert_names_what_comes_back(tmp_path: Path) -> None:
    recording, _ = running(tmp_path)
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: app.view.running)
        await pilot.press("R")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await until(pilot, lambda: "1.000000" in screen_text(app))
        assert "Revert run 2?" in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: len(sent(recording)) == 1)
        order = sent(recording)[0]
        assert (order.kind, order.args["run"], order.seen.champion) == ("revert", "2", 2)


async def test_keep_takes_a_discarded_run_and_refuses_a_crash(tmp_path: Path) -> None:
    recording, _ = running(tmp_path)
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: app.view.running)
        await pilot.press("k")
        await until(pilot, lambda: app.view.selected == 4)
        await pilot.press("K")
        await until(pilot, lambda: any("run 4 has no metric" in told for told in toasts(app)))
        await pilot.press("k")
        await until(pilot, lambda: app.view.selected == 3)
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: len(sent(recording)) == 1)
        assert (sent(recording)[0].kind, sent(recording)[0].args["run"]) == ("keep", "3")


async def test_a_message_is_shown_from_queued_to_answered(tmp_path: Path) -> None:
    recording, run = running(tmp_path)
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: app.view.running)
        await pilot.press("m")
        await until(pilot, lambda: app.focused is app.main.researcher.input)
        await pilot.press(*"q p x", "enter")
        await until(pilot, lambda: len(sent(recording)) == 1)
        order = sent(recording)[0]
        assert (order.kind, order.args) == ("say", {"text": "q p x"})
        recording.write(ev.CommandQueued(at=recording.tick(), id=order.id, kind="say", args=order.args, by="ann"))
        await until(pilot, lambda: "queued: the next prompt carries it" in screen_text(app))
        recording.write(ev.CommandDelivered(at=recording.tick(), id=order.id, run=run))
        await until(pilot, lambda: "delivered in run 5" in screen_text(app))
        recording.write(ev.CommandDone(at=recording.tick(), id=order.id, answer="I will"))
        await until(pilot, lambda: "answered: I will" in screen_text(app))


async def test_a_queued_message_can_be_taken_back_and_written_again(tmp_path: Path) -> None:
    recording, _ = running(tmp_path)
    recording.write(ev.CommandQueued(at=recording.tick(), id="7", kind="say", args={"text": "try depth"}, by="ann"))
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: app.view.running)
        await pilot.press("M")
        await until(pilot, lambda: app.focused is app.main.researcher.input)
        assert app.main.researcher.input.value == "try depth"
        await until(pilot, lambda: [order.kind for order in sent(recording)] == ["unsay"])
        order = sent(recording)[0]
        assert order.args["id"] == "7"
        recording.write(*_taken_back("7", order.id))
        await until(pilot, lambda: toasts(app) != [])
        assert toasts(app) == ["the message is taken back"]


def _taken_back(message: str, id: str) -> list[ev.AnyEvent]:
    return [
        ev.CommandQueued(at=1.0, id=id, kind="unsay", args={"id": message}, by="root"),
        ev.CommandRefused(at=1.0, id=message, reason="taken back by root"),
        ev.CommandDone(at=1.0, id=id, answer="the message is taken back"),
    ]


async def test_without_an_engine_a_queued_message_is_taken_back_all_the_same(tmp_path: Path) -> None:
    recording, _ = running(tmp_path)
    recording.write(ev.CommandQueued(at=recording.tick(), id="7", kind="say", args={"text": "try depth"}, by="ann"))
    recording.let_go()
    recording.journal.close()
    async with console(recording) as (app, pilot):
        await pilot.press("M")
        await until(pilot, lambda: app.focused is app.main.researcher.input)
        assert app.main.researcher.input.value == "try depth"
        await until(pilot, lambda: app.view.state.commands["7"].status == "refused")
        await until(pilot, lambda: "the message is taken back" in toasts(app))
        await pilot.press("enter")
        await until(pilot, lambda: [c.args["text"] for c in app.view.state.undelivered()] == ["try depth"])


async def test_an_answer_that_comes_before_the_order_is_known_to_be_sent_leaves_no_wish_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording, _ = running(tmp_path)
    put = inbox.send
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: app.view.running)

        def answered_at_once(folder: Path, order: Request) -> Path:
            path = put(folder, order)
            recording.write(
                ev.CommandQueued(at=recording.tick(), id=order.id, kind="pause", args={}, by="ann"),
                ev.CommandRefused(at=recording.tick(), id=order.id, reason="another engine has the session now"),
            )
            while not toasts(app):  # told before the sender's thread comes back
                time.sleep(0.01)
            return path

        monkeypatch.setattr(inbox, "send", answered_at_once)
        await pilot.press("p")
        await until(pilot, lambda: len(sent(recording)) == 1 and toasts(app) != [])
        await until(pilot, lambda: not [one for one in app.workers if one.group == "send" and not one.is_finished])
        assert app.view.asked == {}
        assert len(toasts(app)) == 1 and "refused: another engine" in toasts(app)[0], "and is not told as on its way"


async def test_whose_message_somebody_else_took_back_is_told_so_once(tmp_path: Path) -> None:
    recording, _ = running(tmp_path)
    recording.write(ev.CommandQueued(at=recording.tick(), id="7", kind="say", args={"text": "try depth"}, by="ann"))
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: app.view.running)
        app.view.asked["7"] = "say"
        recording.write(*_taken_back("7", "8"))
        await until(pilot, lambda: toasts(app) != [])
        assert toasts(app) == ["root took a message back"]


async def test_a_note_is_told_once(tmp_path: Path) -> None:
    recording, run = running(tmp_path)
    async with console(recording) as (app, pilot):
        await until(pilot, lambda: app.view.running)
        await pilot.press("A", "o", "enter")
        await until(pilot, lambda: [order.kind for order in sent(recording)] == ["note"])
        id = sent(recording)[0].id
        recording.write(
            ev.CommandQueued(at=recording.tick(), id=id, kind="note", args={}, by="ann"),
            ev.CommandDone(at=recording.tick(), id=id, answer=f"noted on run {run}"),
        )
        await until(pilot, lambda: toasts(app) != [])
        assert toasts(app) == [f"noted on run {run}"]


@pytest.mark.parametrize("editor", ["/nowhere/at/all --wait", "vi 'half a quote"])
async def test_an_editor_that_cannot_be_run_is_said_before_the_screen_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, editor: str
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor)
    recording, _ = running(tmp_path)
    async with console(recording) as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: any(told.startswith("EDITOR ") and editor in told for told in toasts(app)))


async def test_an_editor_that_fails_to_start_gives_the_screen_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/nowhere/at/all\n")
    broken.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(broken))
    recording, _ = running(tmp_path)
    back: list[str] = []

    @contextmanager
    def suspend() -> Iterator[None]:
        yield  # like Textual's own: what is raised through here skips the way back
        back.append("resumed")

    async with console(recording) as (app, pilot):
        monkeypatch.setattr(app, "suspend", suspend)
        await pilot.press("e")
        await until(pilot, lambda: any("cannot be run" in told for told in toasts(app)))
        assert back == ["resumed"]


@pytest.mark.parametrize("key", ["p", "x", "s", "R", "K", "u", "m", "r", "e"])
async def test_a_read_only_console_changes_nothing_and_says_why(tmp_path: Path, key: str) -> None:
    recording, _ = running(tmp_path)
    async with console(recording, read_only=True) as (app, pilot):
        await until(pilot, lambda: app.view.running)
        assert "READ-ONLY" in screen_text(app)
        await pilot.press(key)
        await until(pilot, lambda: any("read-only" in told for told in toasts(app)))
        assert app.screen is app.main
        assert sent(recording) == []


async def test_without_an_engine_a_pause_is_applied_at_once(tmp_path: Path) -> None:
    recording, _ = running(tmp_path)
    recording.let_go()
    recording.journal.close()
    async with console(recording) as (app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: read(recording.paths.journal).paused)
        await until(pilot, lambda: app.view.state.paused)
        assert app.view.state.pause_by == "ann"
        await until(pilot, lambda: "‖ will start paused" in screen_text(app))
        await until(pilot, lambda: any("the next engine starts paused" in told for told in toasts(app)))
        assert not any("after this experiment" in told for told in toasts(app))


async def test_without_an_engine_there_is_nothing_to_abort(tmp_path: Path) -> None:
    recording, _ = running(tmp_path)
    recording.let_go()
    async with console(recording) as (app, pilot):
        await pilot.press("x")
        await until(pilot, lambda: any("no engine is running" in told for told in toasts(app)))
        assert sent(recording) == []
