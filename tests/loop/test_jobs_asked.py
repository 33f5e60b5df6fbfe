"""Queued work by the core's rules: what is asked, refused, taken back, and when it is done."""

import pytest

from engine.loop import jobs
from engine.loop.commands import react
from engine.loop.core import plan
from engine.loop.effects import Context, RunJob, Stop, Wait
from engine.session import events as ev
from engine.session.inbox import JOBS, Request, Seen
from engine.session.settings import Limits
from engine.work.jobs.job import Done
from tests.session.story import Story


def ask(story: Story, kind: str, seen: Seen | None = None, engine: bool = True, **args: str) -> ev.AnyEvent:
    request = Request(f"q{len(story.state.commands)}", kind, args, "anna", 1.0, seen or Seen())
    found = react(story.state, request, 2.0, engine)
    story.tell(*found)
    return found[-1]


def began(story: Story, id: str = "q0") -> None:
    story.tell(ev.JobBegan(at=3.0, command=id, kind="rerun", run=2))


def reason(event: ev.AnyEvent) -> str:
    assert isinstance(event, ev.CommandRefused), event
    return event.reason


def context(**more: object) -> Context:
    return Context(now=5.0, **more)  # type: ignore[arg-type]


@pytest.fixture
def story() -> Story:
    story = Story()
    story.ran("keep", 1.0)
    story.ran("keep", 0.95)
    return story


def test_every_kind_of_work_that_can_be_queued_is_in_the_table() -> None:
    assert set(jobs.KINDS) == set(JOBS)


@pytest.mark.parametrize(
    ("kind", "args", "why"),
    [
        ("rerun", {"run": "9"}, "there is no run '9'; the last is 2"),
        ("rerun", {"run": "-1"}, "there is no run '-1'"),
        ("rerun", {"run": "1", "seed": "x"}, "seed is 'x'; expected a number from 0"),
        ("rerun", {"run": "1", "seed": "1.5"}, "expected a whole number"),
        ("profile", {"steps": "0"}, "steps is '0'; expected a number from 1 to 1000"),
        ("sample", {}, "the prompt is empty"),
        ("sample", {"prompt": "a", "temperature": "nan"}, "temperature is 'nan'"),
        ("sample", {"prompt": "a" * 5000}, "at most 4000"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once_with_what_is_expected(
    story: Story, kind: str, args: dict[str, str], why: str
) -> None:
    assert why in reason(ask(story, kind, **args))
    assert plan(story.state, context(limits=Limits())) != RunJob("q0")


def test_it_is_done_between_experiments_in_the_order_asked_also_while_paused(story: Story) -> None:
    assert isinstance(ask(story, "rerun", run="1"), ev.CommandQueued)
    ask(story, "profile")
    ask(story, "pause")
    assert plan(story.state, context()) == RunJob("q0")
    began(story)
    assert story.state.commands["q0"].status == "delivered"
    story.tell(*jobs.ended(story.state, Done(answer="done")))
    assert plan(story.state, context()) == RunJob("q1")


def test_it_comes_before_a_limit_ends_the_engine_and_not_after_a_stop(story: Story) -> None:
    story.tell(ev.EngineStarted(at=0, pid=1, host="h", start_id="s"))
    ask(story, "rerun", run="1")
    limits = Limits(hours=1e-9)
    assert plan(story.state, context(limits=limits)) == RunJob("q0")
    ask(story, "stop")
    assert plan(story.state, context(limits=limits)) == Stop("asked by anna")


def test_work_whose_engine_went_away_is_told_and_not_done_again(story: Story) -> None:
    ask(story, "rerun", run="2")
    began(story)
    planned = plan(story.state, context())
    assert isinstance(planned, list)
    story.tell(*planned)
    assert story.state.jobs[0].outcome == "interrupted" and story.state.job is None
    assert "ask again" in story.state.commands["q0"].answer
    story.tell(ev.PauseSet(at=6.0, paused=True, by="anna"))
    assert plan(story.state, context()) == Wait("paused")


def test_an_engine_for_queued_work_alone_leaves_an_open_experiment_as_it_is(story: Story) -> None:
    story.began()
    assert plan(story.state, context(jobs_only=True)) == Stop("the queued work is done")
    ask(story, "rerun", run="1")
    assert plan(story.state, context(jobs_only=True)) == RunJob("q0")


def test_abort_ends_the_work_that_its_author_saw_and_no_other(story: Story) -> None:
    ask(story, "rerun", run="1")
    began(story)
    assert "over already" in reason(ask(story, "abort", Seen(job="q9")))
    assert reason(ask(story, "abort", Seen(run=2))).startswith("meant for run 2")
    assert story.state.job is not None and not story.state.job.abort
    assert isinstance(ask(story, "abort", Seen(job="q0")), ev.CommandDone)
    assert story.state.job.abort == "anna"
    assert isinstance(ask(story, "abort"), ev.CommandDone), "whoever saw nothing means what is on"
    story.tell(*jobs.ended(story.state, Done("aborted")))
    assert story.state.jobs[0].detail == "aborted by anna"
    assert "over already" in reason(ask(story, "abort", Seen(job="q0")))


def test_work_that_was_not_begun_can_be_taken_back_even_without_an_engine(story: Story) -> None:
    ask(story, "rerun", run="1", engine=False)
    assert isinstance(ask(story, "abort", Seen(job="q0"), engine=False), ev.CommandDone)
    assert story.state.commands["q0"].answer == "taken back by anna"
    ask(story, "rerun", run="1")
    began(story, "q2")
    assert reason(ask(story, "abort", Seen(job="q2"), engine=False)) == "no engine is running in this session"
    ask(story, "note", text="a note")
    assert reason(ask(story, "abort", Seen(job="q4"))) == "that work is over already"
