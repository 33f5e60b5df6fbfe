"""state = fold(journal)."""

import msgspec
import pytest

from engine.loop.core import limit_reached
from engine.session import events as ev
from engine.session.fold import FoldError, apply, fold
from engine.session.settings import Gate, Limits
from engine.session.state import State
from tests.session.story import Story


def test_events_survive_their_way_through_the_journals_text() -> None:
    story = Story()
    story.ran("keep", 1.0, hint="none")
    story.ran("discard", 0.5, ("jump",), result="too good | <b>\u202e")
    story.tell(
        ev.CommandQueued(at=1, id="a", kind="keep", args={"run": "2"}, by="anna"),
        ev.Overridden(
            at=1, command="a", kind="keep", run=2, line=(1, 2), statuses={2: "keep"}, withdrawn=(), by="anna"
        ),
        ev.ChangeAccepted(at=1, run=2, description="x", asi={}, params={"LR": ("0.1", "0.2")}, usage={"cost_usd": 1}),
    )
    lines = [ev.encode(event) for event in story.events]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    assert [ev.decode(line) for line in lines] == story.events
    assert fold(ev.decode(line) for line in lines) == story.state


def test_text_that_is_half_a_character_is_written_all_the_same() -> None:
    event = ev.ChangeAccepted(
        at=1.0, run=1, description="bad \udc80 byte", asi={"a\ud800": "b\udfff"}, params={"LR": ("\udc80", "2")}
    )
    read = ev.decode(ev.encode(event))
    assert isinstance(read, ev.ChangeAccepted)
    assert (read.description, read.asi, read.params) == ("bad ? byte", {"a?": "b?"}, {"LR": ("?", "2")})


def test_an_event_of_a_newer_version_is_refused_and_a_newer_field_is_not() -> None:
    with pytest.raises(msgspec.DecodeError):
        ev.decode(b'{"type":"telepathy","at":1}')
    assert ev.decode(b'{"type":"trouble","at":1,"text":"x","colour":"red"}') == ev.Trouble(at=1, text="x")


def test_runs_count_from_one_without_gaps() -> None:
    began = ev.ExperimentBegan(at=1, run=1, segment=0, champion=None, gate=Gate())
    with pytest.raises(FoldError, match="cannot follow"):
        apply(State(), began)
    story = Story()
    story.ran("keep", 1.0)
    for run in (1, 3):
        with pytest.raises(FoldError, match=f"run {run} cannot follow run 1"):
            apply(story.state, msgspec.structs.replace(began, run=run))


@pytest.mark.parametrize(
    "event",
    [
        ev.Decided(at=1, run=7, status="keep", reason="x"),
        ev.TrialEnded(at=1, run=1, trial=5, outcome="ok"),
        ev.CommandDone(at=1, id="nobody"),
        ev.Noted(at=1, text="x", by="anna", run=7),
    ],
)
def test_an_event_about_what_never_began_is_refused(event: ev.AnyEvent) -> None:
    story = Story()
    story.ran("keep", 1.0)
    with pytest.raises(FoldError):
        apply(story.state, event)


def test_a_fold_can_be_taken_up_where_it_stopped() -> None:
    story = Story()
    for status, metric in (("keep", 1.0), ("crash", None), ("keep", 0.9)):
        story.ran(status, metric)
    for cut in range(len(story.events)):
        assert fold(story.events[cut:], fold(story.events[:cut])) == story.state


def test_states_do_not_share_what_they_hold() -> None:
    one, other = Story(), Story()
    one.ran("keep", 1.0, hint="x")
    other.ran("keep", 1.0)
    one.state.experiments[0].notes.append("mine")
    assert other.state.experiments[0].notes == [] and State().experiments == []


def test_limits_are_counted_from_an_engines_start_and_baselines_are_not() -> None:
    story = Story()
    story.ran("keep", 1.0)
    story.ran("discard", 1.1)
    assert story.state.ended == 1
    story.tell(ev.EngineStarted(at=5, pid=1, host="h", start_id="s", experiments=3))
    assert story.state.engine is not None and story.state.engine.ended_experiments == 1


def test_what_an_engine_left_unfinished_counts_to_no_limit_of_the_next_one() -> None:
    story = Story()
    story.ran("keep", 1.0)
    run = story.began()
    story.tell(ev.EngineStarted(at=story.now, pid=2, host="h", start_id="t", experiments=1))
    story.tell(
        ev.Decided(at=story.now, run=run, status="crash", reason="its engine went away", flags=("interrupted",)),
        ev.TreeSettled(at=story.now, run=run, commit="h", champion=1),
        ev.ExperimentEnded(at=story.now, run=run),
    )
    engine = story.state.engine
    assert engine is not None and story.state.ended == 1 == engine.ended_experiments
    assert limit_reached(story.state, story.now, Limits(experiments=1)) == ""
    story.ran("crash", None, ("interrupted",))
    assert "limit of 1" in limit_reached(story.state, story.now, Limits(experiments=1)), "its own, though interrupted"


def test_what_the_machine_cut_short_is_no_failure_in_a_row() -> None:
    story = Story()
    story.ran("keep", 1.0)
    story.ran("discard", 1.1)
    for flag in ("gpu_trouble", "champion_failed", "interrupted"):
        story.ran("crash", None, (flag,))
    assert story.state.failures_in_row() == 1
    story.ran("crash", None)
    assert story.state.failures_in_row() == 2


def test_a_stop_dies_with_the_engine_it_was_meant_for() -> None:
    story = Story()
    story.tell(ev.EngineStarted(at=5, pid=1, host="h", start_id="s"), ev.StopAsked(at=6, by="anna"))
    assert story.state.stop == "asked by anna"
    story.tell(ev.EngineStopped(at=7, reason="asked by anna"))
    assert story.state.stop == "" and story.state.engine is not None
    assert (story.state.engine.stopped_at, story.state.engine.failed) == (7, False)
    story.tell(ev.EngineStarted(at=8, pid=2, host="h", start_id="t"))
    assert story.state.engine.start_id == "t" and story.state.engine.stopped_at == 0


def test_a_new_segment_starts_over() -> None:
    story = Story()
    story.ran("keep", 1.0)
    story.ran("keep", 0.9)
    story.segment()
    assert story.state.champion is None and story.state.baseline is None and story.state.tree is None
    assert story.state.of_segment() == [] and len(story.state.of_segment(story.state.segments[0])) == 2
    story.ran("keep", 1.0)
    assert story.line == [3]
    assert story.state.public == [("config", 0), ("result", 1), ("result", 2), ("config", 1), ("result", 3)]


def test_a_decision_before_a_run_is_logged_is_in_its_own_line_and_one_after_it_is_a_line_more() -> None:
    story = Story()
    story.ran("keep", 1.0)
    run = story.decided("discard", 1.1)
    keep = ev.Overridden(
        at=1, command="a", kind="keep", run=run, line=(1, run), statuses={run: "keep"}, withdrawn=(), by="anna"
    )
    story.tell(keep)
    assert story.state.public == [("config", 0), ("result", 1)]
    story.tell(
        ev.TreeSettled(at=1, commit="x", champion=run, run=run),
        ev.Learnt(at=1, run=run),
        ev.ExperimentEnded(at=1, run=run),
    )
    assert story.experiment(run).logged == "keep"
    story.tell(msgspec.structs.replace(keep, kind="undo", line=(1,), statuses={run: "discard"}))
    assert story.state.public[2:] == [("result", run), ("override", 1)]


def test_failures_in_a_row_end_at_a_keep() -> None:
    story = Story()
    for status, metric in (("keep", 1.0), ("crash", None), ("keep", 0.9), ("discard", 1.0), ("checks_failed", 0.8)):
        story.ran(status, metric)
    assert story.state.failures_in_row() == 2
    story.began()
    assert story.state.failures_in_row() == 2


def test_crashes_failed_checks_and_unbelieved_claims_are_not_valid_results() -> None:
    story = Story()
    for status, metric, flags in (
        ("keep", 1.0, ()),
        ("crash", None, ()),
        ("checks_failed", 0.9, ()),
        ("discard", 0.5, ("jump",)),
        ("discard", 0.9, ("base_withdrawn",)),
        ("discard", 1.1, ("unconfirmed",)),
    ):
        story.ran(status, metric, flags)
    assert [e.run for e in story.state.experiments if e.valid] == [1, 5, 6]
