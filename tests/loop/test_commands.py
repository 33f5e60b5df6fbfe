"""What commands do, and that a stale one does nothing."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.loop.commands import react
from engine.loop.commands import told as told_of
from engine.session import events as ev
from engine.session.fold import fold
from engine.session.inbox import JOBS, KINDS, NEED_ENGINE, Request, Seen
from engine.session.lineage import Override
from engine.session.settings import Gate
from engine.session.state import State
from tests.loop.world import Choices, World, copied
from tests.session.story import Story


def ask(story: Story, kind: str, seen: Seen | None = None, engine: bool = True, **args: str) -> ev.AnyEvent:
    """Send a command; what it came to: its last event. All its events are told."""
    request = Request(f"q{len(story.state.commands)}", kind, args, "anna", 1.0, seen or Seen())
    found = react(story.state, request, 2.0, engine)
    assert isinstance(found[0], ev.CommandQueued)
    story.tell(*found)
    return found[-1]


def refusal(event: ev.AnyEvent) -> str:
    assert isinstance(event, ev.CommandRefused), event
    return event.reason


def answer(event: ev.AnyEvent) -> str:
    assert isinstance(event, ev.CommandDone), event
    return event.answer


@pytest.fixture
def story() -> Story:
    story = Story()
    story.ran("keep", 1.0)
    story.ran("keep", 0.95)
    story.ran("discard", 0.97)
    return story


def test_pause_and_resume_say_what_follows(story: Story) -> None:
    assert answer(ask(story, "pause", reason="lunch")) == "paused"
    assert (story.state.paused, story.state.pause_by, story.state.pause_reason) == (True, "anna", "lunch")
    assert answer(ask(story, "pause")) == "already paused by anna"
    assert answer(ask(story, "resume")) == "goes on"
    assert not story.state.paused
    assert answer(ask(story, "resume")) == "was not paused"
    story.began()
    assert answer(ask(story, "pause")) == "pauses after run 4"


def test_a_pause_without_an_engine_waits_for_no_run_that_its_last_one_left(story: Story) -> None:
    story.began()
    assert answer(ask(story, "pause", engine=False)) == "paused; the next engine starts paused"
    assert story.state.paused


def test_stop_and_abort_need_an_engine(story: Story) -> None:
    assert set(NEED_ENGINE) == {"stop", "abort"}
    for kind in NEED_ENGINE:
        assert refusal(ask(story, kind, engine=False)) == "no engine is running in this session"
    assert story.state.stop == ""
    assert answer(ask(story, "stop")) == "stops"
    assert story.state.stop == "asked by anna"


def test_abort_hits_the_running_experiment_once_and_never_a_decided_one(story: Story) -> None:
    assert refusal(ask(story, "abort")) == "no experiment is running"
    story.began()
    assert answer(ask(story, "abort", Seen(run=4))) == "run 4 is aborted"
    assert story.experiment(4).abort == "anna"
    assert answer(ask(story, "abort")) == "run 4 is being aborted already, by anna"
    story.tell(ev.Decided(at=1, run=4, status="crash", reason="aborted"))
    assert refusal(ask(story, "abort")) == "run 4 is already decided (crash)"


@pytest.mark.parametrize(
    ("kind", "seen", "args", "why"),
    [
        ("abort", Seen(run=3), {}, "meant for run 3, and run 4 is on now"),
        ("stop", Seen(start_id="old"), {}, "meant for an engine that is gone; another has started since"),
        ("pause", Seen(start_id="old"), {}, "meant for an engine that is gone; another has started since"),
        ("revert", Seen(champion=1), {"run": "2"}, "meant while run 1 was the champion, and run 2 is now"),
        ("keep", Seen(champion=1), {"run": "3"}, "meant while run 1 was the champion, and run 2 is now"),
        ("undo", Seen(champion=1), {}, "meant while run 1 was the champion, and run 2 is now"),
    ],
)
def test_a_stale_command_changes_nothing_but_its_refusal(
    story: Story, kind: str, seen: Seen, args: dict[str, str], why: str
) -> None:
    story.tell(ev.EngineStarted(at=1, pid=1, host="h", start_id="new"))
    story.began()
    before = copied(story.state)
    assert refusal(ask(story, kind, seen, True, **args)) == why
    assert without_commands(story.state) == without_commands(before)


def without_commands(state: State) -> State:
    return msgspec.structs.replace(copied(state), commands={}, events=0, last_at=0.0)


@settings(max_examples=40)
@given(
    st.binary(min_size=60, max_size=300),
    st.sampled_from([*KINDS, "nonsense"]),
    st.integers(-2, 12),
    st.builds(
        Seen,
        run=st.none() | st.integers(-1, 9),
        start_id=st.sampled_from(["", "start 1", "start 2", "start 99"]),
        champion=st.none() | st.integers(-1, 9),
    ),
    st.text(max_size=8),
    st.booleans(),
)
def test_any_command_in_any_state_is_answered_and_a_refused_one_changed_nothing(
    fate: bytes, kind: str, run: int, seen: Seen, text: str, engine: bool
) -> None:
    world = World(Choices(fate))
    world.live(1 + len(fate) // 6)
    before = copied(world.state)
    args = {"run": str(run), "text": text, "key": "gate.jump", "value": text, "id": text}
    request = Request("the one", kind, args, "anna", 1.0, seen)
    found = react(world.state, request, 2.0, engine)
    assert world.state == before, "react only reads"
    after = fold(found, copied(world.state))
    command = after.commands["the one"]
    assert command.status in ("done", "refused") or kind in ("say", "edit", "adopt", "try", *JOBS)
    if command.status == "refused":
        assert command.answer
        assert without_commands(after) == without_commands(before) or kind == "say"
    assert react(after, request, 3.0, engine) == [], "a claim left by a crash is not carried out twice"


def test_a_message_waits_for_the_next_prompt_and_can_be_taken_back_until_then(story: Story) -> None:
    queued = ask(story, "say", text="try a smaller batch")
    assert isinstance(queued, ev.CommandQueued)
    assert [c.args["text"] for c in story.state.undelivered()] == ["try a smaller batch"]
    assert answer(ask(story, "unsay", id=queued.id)) == "the message is taken back"
    assert story.state.undelivered() == []
    assert story.state.commands[queued.id].status == "refused"
    assert refusal(ask(story, "unsay", id=queued.id)) == "the message is refused already"
    assert refusal(ask(story, "unsay", id="?")) == "there is no such message"
    assert refusal(ask(story, "say", text="  \n")) == "the message is empty"


def test_a_delivered_message_cannot_be_taken_back(story: Story) -> None:
    queued = ask(story, "say", text="hello")
    assert isinstance(queued, ev.CommandQueued)
    story.tell(ev.CommandDelivered(at=1, id=queued.id, run=4))
    assert refusal(ask(story, "unsay", id=queued.id)) == "the message is delivered already"


def test_decisions_name_the_champion_and_what_falls(story: Story) -> None:
    assert answer(ask(story, "revert", run="2")) == "run 1 is the champion, val_bpb 1.000000"
    assert story.line == [1]
    assert answer(ask(story, "undo")) == "run 2 is the champion, val_bpb 0.950000"
    story.ran("keep", 0.9)
    several = Override("revert", 2, (1,), {}, (4, 6))
    assert told_of(story.state, several).endswith("withdrawn with it: runs 4, 6")
    told = answer(ask(story, "revert", run="2", reason="it cheats"))
    assert told == "run 1 is the champion, val_bpb 1.000000; withdrawn with it: run 4"
    assert {o.run: (o.status, o.reason) for o in story.state.overrides[-2:]} == {
        2: ("discard", "it cheats"),
        4: ("discard", "it cheats"),
    }


@pytest.mark.parametrize("text", ["", "two", "0", "-1", "99", "9" * 5000])
def test_a_run_that_is_none_is_refused(story: Story, text: str) -> None:
    why = refusal(ask(story, "revert", run=text))
    assert "is not the number of a run" in why or "there is no run" in why


def test_an_unknown_command_is_refused_with_those_there_are(story: Story) -> None:
    assert refusal(ask(story, "explode")).startswith("unknown command 'explode'; known are pause, resume")


def test_notes_are_written_down(story: Story) -> None:
    assert answer(ask(story, "note", text="odd", run="2")) == "noted on run 2"
    assert story.experiment(2).notes == ["anna: odd"]
    assert answer(ask(story, "note", text="a good night")) == "noted"
    assert story.state.notes[-1][1:] == ("anna", "a good night")
    assert refusal(ask(story, "note", text=" ")) == "the note is empty"


def test_commands_before_anything_was_measured_are_refused_and_harm_nothing() -> None:
    story = Story()
    for kind, args in (("revert", {"run": "1"}), ("keep", {"run": "1"}), ("undo", {}), ("abort", {})):
        assert refusal(ask(story, kind, None, True, **args))


def test_undo_never_leaves_a_segment_without_a_champion() -> None:
    story = Story()
    story.ran("checks_failed", 1.0)
    assert answer(ask(story, "keep", run="1")) == "run 1 is the champion, val_bpb 1.000000"
    assert "there is none to go back to" in refusal(ask(story, "undo"))
    assert story.line == [1]


def test_a_kept_claim_that_was_not_believed_counts_once_a_person_approved_it(story: Story) -> None:
    run = story.ran("discard", 0.5, ("jump",))
    assert not story.experiment(run).valid
    answer(ask(story, "keep", run=str(run)))
    assert story.experiment(run).valid and story.experiment(run).overridden_by == "anna"
    answer(ask(story, "undo"))
    assert not story.experiment(run).valid and story.experiment(run).overridden_by == ""


def test_a_gate_of_a_running_experiment_is_the_one_it_began_with(story: Story) -> None:
    story.began()
    assert story.experiment(4).gate == Gate()
    ask(story, "edit", key="gate.kind", value="confirm")
    assert story.experiment(4).gate == Gate()
    assert story.state.commands["q0"].status == "queued"
