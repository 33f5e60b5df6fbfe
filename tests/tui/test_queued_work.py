"""Queued work in the console: what is on is named, `x` ends it and no experiment, and a run's samples are read."""

import json
from pathlib import Path

from engine.session import events as ev
from engine.session import inbox
from engine.session.inbox import Request
from engine.session.journal import read
from engine.session.locking import engine_of
from engine.session.samples import FILE, Sample
from tests.tui.piloting import console, screen_text, until
from tests.tui.recording import Recording
from tests.tui.stage import text_of
from tui import model, steering
from tui.model import View
from tui.panes import notes
from tui.steering import No, Question


def sent(recording: Recording) -> list[Request]:
    return [inbox.claim(path)[1] for path in inbox.waiting(recording.paths.inbox)]


def begun(recording: Recording, id: str = "j1") -> None:
    recording.write(
        ev.CommandQueued(at=recording.tick(), id=id, kind="rerun", args={"run": "2"}, by="anna"),
        ev.JobBegan(at=recording.tick(), command=id, kind="rerun", run=2, seed=1337),
    )


async def test_what_is_on_is_named_and_x_ends_it_alone(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(3)
    recording.hold()
    begun(recording)
    async with console(recording, (120, 40)) as (app, pilot):
        await until(pilot, lambda: "rerun of run 2" in screen_text(app))
        await pilot.press("x")
        await until(pilot, lambda: "Abort the rerun of run 2?" in screen_text(app))
        await pilot.press("y")
        await until(pilot, lambda: bool(inbox.waiting(recording.paths.inbox)))
        (request,) = sent(recording)
        assert (request.kind, request.seen.job, request.seen.run) == ("abort", "j1", None)
    recording.let_go()


def test_a_question_about_work_that_ended_by_itself_has_nothing_left_to_decide(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(2)
    begun(recording)
    recording.hold()
    view = View(state=read(recording.paths.journal), engine=engine_of(recording.paths.lock), loaded=True, now=9e9)
    assert model.activity(view).words == "rerun of run 2"
    question = steering.abort(view)
    assert isinstance(question, Question) and steering.overtaken(question, view) == ""
    recording.write(ev.JobAbortAsked(at=recording.tick(), command="j1", by="bert"))
    view.state = read(recording.paths.journal)
    again = steering.abort(view)
    assert isinstance(again, No) and "asked by bert" in str(again)
    assert "aborting" in model.activity(view).words
    recording.write(ev.JobEnded(at=recording.tick(), command="j1", kind="rerun", run=2, outcome="aborted"))
    view.state = read(recording.paths.journal)
    assert "ended by itself" in steering.overtaken(question, view)
    recording.let_go()


def test_samples_are_shown_on_a_line_each_made_harmless(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(1)
    view = View(state=read(recording.paths.journal), selected=2)
    written = [Sample("Once", "Once upon\na \x1b[2J\u202etime"), Sample("def f", "def f(x):")]
    text = text_of(notes.lines(view, 70, written))
    assert "wrote" in text and "Once ▸ upon a" in text and "def f ▸ (x):" in text
    assert "\x1b" not in text and "\u202e" not in text
    assert "wrote" not in text_of(notes.lines(view, 70))


async def test_the_selected_runs_samples_come_from_its_folder(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(2)
    folder = recording.paths.run(3)
    folder.mkdir(parents=True)
    (folder / FILE).write_text(json.dumps([{"prompt": "The cat", "text": " sat on the garbage"}]))
    async with console(recording, (120, 40)) as (app, pilot):
        await pilot.press("4")
        await until(pilot, lambda: "The cat ▸ sat on the garbage" in screen_text(app))
