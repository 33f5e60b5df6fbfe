"""What the status says in every state a session can be in."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.session import events as ev
from engine.session.journal import read
from engine.session.locking import Holder
from engine.session.runlog import Progress
from engine.session.standing import counts
from engine.session.state import State
from tests.tui.recording import Recording
from tui import model
from tui.fitting import width_of
from tui.model import View
from tui.panes import status
from tui.runs import line_width, plain

ENGINE = Holder(1, "box", "start-1")


def view_of(recording: Recording, **more: object) -> View:
    state = read(recording.paths.journal)
    view = View(name="mar5", branch="autoresearch/mar5", state=state, loaded=True, engine=ENGINE, now=recording.at)
    for name, value in more.items():
        setattr(view, name, value)
    return view


def test_training_tells_percent_and_time_left(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(3)
    run = recording.begin("a change")
    recording.train(run)
    view = view_of(recording, progress=Progress(590, 61.9, 3.1, remaining_s=136))
    doing = model.activity(view)
    assert doing.words == "training 62%"
    assert doing.share == pytest.approx(0.619)
    assert doing.left_s == 136
    assert "2:16 left" in plain(status.lines(view, 80)[1])


def test_after_the_last_step_it_is_evaluating(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    run = recording.begin()
    recording.train(run)
    assert model.activity(view_of(recording, progress=Progress(953, 100.0, 3.1))).words == "evaluating"


def test_without_a_progress_line_training_is_starting(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    recording.train(recording.begin())
    assert model.activity(view_of(recording)).words == "training: starting"


def test_what_a_run_waits_for_is_the_state_until_it_starts(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    recording.write(ev.Delayed(at=recording.tick(), text="finding what fits the GPU, try 2: depth 6"))
    assert model.activity(view_of(recording)).words == "finding what fits the GPU, try 2: depth 6"
    run = recording.begin()
    recording.write(ev.Delayed(at=recording.tick(), text="GPU 0 has 43.9 GiB in use", trouble=True))
    waiting = model.activity(view_of(recording))
    assert (waiting.words, waiting.tone) == ("GPU 0 has 43.9 GiB in use", "warn")
    assert "aborting…" in model.activity(view_of(recording, asked={"1": "abort"})).words
    recording.train(run)
    assert model.activity(view_of(recording)).words == "training: starting"


def test_requested_and_effective_pause_are_told_apart(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(2)
    run = recording.begin("a change")
    recording.train(run)
    assert "pausing" not in model.activity(view_of(recording)).words
    assert "pausing after this experiment…" in model.activity(view_of(recording, asked={"1": "pause"})).words
    recording.write(ev.PauseSet(at=recording.tick(), paused=True, by="ann"))
    assert "pausing after this experiment…" in model.activity(view_of(recording)).words
    recording.end(run, "discard", 1.0)
    assert model.activity(view_of(recording)).words == "paused by ann"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (lambda at, run: ev.AbortAsked(at=at, run=run, by="ann"), "aborting…"),
        (lambda at, run: ev.StopAsked(at=at, by="ann"), "stopping after this experiment…"),
    ],
)
def test_what_was_asked_for_is_shown_until_it_happened(tmp_path: Path, event: object, words: str) -> None:
    recording = Recording(tmp_path).open().night(1)
    run = recording.begin("a change")
    recording.train(run)
    recording.write(event(recording.tick(), run))  # type: ignore[operator]
    assert words in model.activity(view_of(recording)).words


def test_an_engine_that_left_without_a_word_is_gone_since_its_last_event(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(2)
    doing = model.activity(view_of(recording, engine=None))
    assert (doing.words, doing.tone) == ("engine gone", "bad")
    assert doing.since == recording.at


def test_what_people_ask_for_is_no_sign_of_life_of_an_engine_that_is_gone(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(2)
    gone = recording.at
    recording.write(
        ev.CommandQueued(at=recording.tick(60), id="1", kind="pause", args={}, by="ann"),
        ev.PauseSet(at=recording.at, paused=True, by="ann"),
        ev.CommandDone(at=recording.at, id="1", answer="paused"),
    )
    view = view_of(recording, engine=None)
    assert model.activity(view).since == gone
    second = plain(status.lines(view, 80)[1])
    assert second.startswith("✖ engine gone, since ") and second.endswith("· ‖ will start paused")
    assert "will start paused" not in plain(status.lines(view_of(recording), 80)[1]), "a running engine says it itself"


def test_up_is_told_in_whole_minutes(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    for seconds, words in ((59.7, "up 59 s"), (60, "up 1 min"), (119, "up 1 min"), (7500, "up 2 h 05 min")):
        view = view_of(recording, now=recording.at + seconds)
        assert plain(status.lines(view, 80)[2]).split(" · ")[0] == words


def test_an_engine_that_stopped_says_why(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(2)
    recording.write(ev.EngineStopped(at=recording.tick(), reason="2 experiments were asked for"))
    assert model.activity(view_of(recording, engine=None)).words == "stopped: 2 experiments were asked for"


def test_best_gain_and_rate_are_the_segments_own(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    recording.experiment("keep", 1.0, "baseline")
    recording.experiment("keep", 0.98)
    recording.experiment("discard", 0.99)
    state = read(recording.paths.journal)
    best = model.best(state)
    assert best is not None
    assert (best.run, best.metric) == (2, 0.98)
    assert best.gain == pytest.approx(0.02)
    assert best.share == pytest.approx(0.02)
    assert counts(state) == {"keep": 1, "discard": 1}, "the baseline is no change"
    assert model.rate(state) == pytest.approx(3 * 3600 / sum(e.ended_at - e.began_at for e in state.experiments))
    figure, meaning = model.confidence(state)
    assert figure == pytest.approx(2.0) and meaning in ("likely real", "marginal")  # a rounding decides


def test_a_run_is_compared_with_the_champion_of_its_moment(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    recording.experiment("keep", 1.0, "baseline")
    recording.experiment("keep", 0.98)
    recording.experiment("discard", 0.99)
    state = read(recording.paths.journal)
    assert model.step_gain(state, state.experiments[0]) is None
    assert model.step_gain(state, state.experiments[1]) == pytest.approx(0.02)
    assert model.step_gain(state, state.experiments[2]) == pytest.approx(-0.01)


def test_nothing_is_known_of_an_empty_session() -> None:
    state = State()
    assert (model.best(state), model.rate(state), model.confidence(state)) == (None, None, (None, ""))
    assert model.activity(View(loaded=True)).words == "never started"
    assert model.activity(View()).words == "reading the journal"


@given(width=st.integers(20, 220), share=st.floats(0, 100), wire=st.floats(0, 1e9), name=st.text(max_size=40))
def test_the_strip_keeps_to_its_three_lines(width: int, share: float, wire: float, name: str) -> None:
    view = View(
        name="mar5", branch=name, loaded=True, engine=ENGINE, progress=Progress(1, share, 1.0), wire=wire, now=9e8
    )
    found = status.lines(view, width)
    assert len(found) == status.ROWS
    assert line_width(found[2]) <= width
    assert all(width_of(plain(line)) == line_width(line) for line in found)
