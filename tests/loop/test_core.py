"""The core under everything that can happen: results of any kind, commands at any moment, kill -9 between any two."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.loop.core import limit_reached, plan, step
from engine.loop.effects import ApplyChange, Context, OpenSegment, Propose, RestoreTree, RunTrial, Stop, Wait
from engine.session import events as ev
from engine.session.settings import Gate, Limits
from engine.session.state import State
from tests.loop.promises import Promises
from tests.loop.world import Choices, World
from tests.session.story import Story

FATE = st.binary(min_size=250, max_size=1500)  # as many that hypothesis does not stop at short ones
GATES = st.builds(
    Gate,
    kind=st.sampled_from(["greedy", "confirm"]),
    equal_within=st.sampled_from([0.0, 0.02]),
    pairs=st.integers(1, 3),
)
PLANS = 220


@settings(max_examples=150)
@given(FATE, GATES, st.booleans(), st.integers(0, 4))
def test_the_invariants_hold_for_any_results_commands_and_crashes(
    fate: bytes, gate: Gate, checks: bool, limit: int
) -> None:
    world = World(Choices(fate), Promises(), gate, checks, limit)
    world.nights(PLANS)
    assert world.refold() == world.state, "a new engine reads what this one knew"
    on = world.state.job.command if world.state.job else ""  # a crash may be the last that happened
    for command in world.state.commands.values():
        waits = command.status == "queued" and command.kind in ("say", "edit", "rerun")
        assert command.status in ("done", "refused") or waits or command.id == on, f"{command} was forgotten"
    for kind, index in world.state.public:
        if kind == "override":
            told = world.state.overrides[index]
            assert world.state.public.index(("result", told.run)) < world.state.public.index((kind, index))
    current, champion = world.state.current, world.state.champion
    if current is None and champion is not None and world.state.tree == champion.run:
        assert world.tree == world.commits[champion.commit]


@settings(max_examples=40)
@given(FATE, GATES, st.integers(1, 150))
def test_every_experiment_ends_in_a_bounded_number_of_plans(fate: bytes, gate: Gate, plans: int) -> None:
    world = World(Choices(fate), gate=gate)
    world.nights(plans)
    world.choices = Choices([])  # from here on all goes well, and somebody resumes what is paused
    before, edits = len(world.state.experiments), sum(c.kind == "edit" for c in world.state.commands.values())
    # at most 8 plans an experiment and two trials more for each of 3 pairs; one is under way, one is a baseline
    world.nights(world.plans + 4 * 14 + edits + 10)
    assert len(world.state.experiments) >= before + 3


@settings(max_examples=60)
@given(FATE, st.integers(1, 5))
def test_a_limit_counts_experiments_after_the_baseline_of_one_engine(fate: bytes, limit: int) -> None:
    world = World(Choices([number for number in fate if number % 40 != 39]), Promises(), limit=limit)
    world.live(150)
    engine = world.state.engine
    assert engine is not None
    done = sum(e.ended_at > 0 and not e.is_baseline for e in world.state.experiments) - engine.ended_experiments
    assert done <= limit
    if "limit" in engine.stop_reason:
        assert done == limit


@settings(max_examples=80)
@given(FATE)
def test_a_second_look_at_the_same_state_plans_the_same(fate: bytes) -> None:
    world = World(Choices(fate))
    world.live(60)
    context = Context(now=5.0)
    assert plan(world.state, context) == plan(world.refold(), context)


def test_an_undisturbed_session_goes_baseline_first_and_then_change_by_change() -> None:
    world = World(Choices([]), Promises(), limit=2)
    world.live(1000)
    baseline, *later = world.state.experiments
    assert baseline.is_baseline and baseline.status == "keep" and baseline.commit == "c0"
    assert [e.champion for e in later] == [1, 1]
    assert world.state.engine is not None
    assert world.state.engine.stop_reason == "the limit of 2 experiments is reached"
    assert world.tree == world.commits["c0"]


@pytest.mark.parametrize("crash_at", range(45))
def test_a_kill_at_any_write_loses_nothing_and_logs_nothing_twice(crash_at: int) -> None:
    class Once(Choices):
        """Goes well but for one kill, at the nth moment at which one could come."""

        moments = 0

        def of(self, below: int) -> int:
            if below != 40:
                return 0
            self.moments += 1
            return 39 if self.moments == crash_at + 1 else 0

    world = World(Once([]), Promises(), limit=0)
    world.live(60)
    assert world.starts == 2
    assert len(world.state.experiments) >= 5
    interrupted = [e for e in world.state.experiments if "interrupted" in e.flags]
    assert len(interrupted) <= 1
    assert world.refold() == world.state


CONTEXT = Context(now=1.0)


def test_nothing_is_asked_of_a_researcher_while_paused() -> None:
    story = Story()
    story.ran("keep", 1.0)
    story.tell(ev.ExperimentBegan(at=1, run=2, segment=0, champion=1, gate=Gate()))
    assert plan(story.state, CONTEXT) == Propose(2)
    story.tell(ev.PauseSet(at=1, paused=True, by="engine", reason="nothing left to try"))
    assert plan(story.state, CONTEXT) == Wait("paused")
    story.tell(ev.StopAsked(at=1, by="someone"))
    assert isinstance(plan(story.state, CONTEXT), Stop)


def test_a_pause_lets_the_experiment_under_way_finish() -> None:
    story = Story()
    story.ran("keep", 1.0)
    run = story.began()
    story.tell(ev.PauseSet(at=1, paused=True, by="someone"))
    assert isinstance(plan(story.state, CONTEXT), RunTrial)
    story.tell(
        ev.TrialBegan(at=1, run=run, trial=1, commit=story.state.experiments[run - 1].commit, seed=1),
        ev.TrialEnded(at=1, run=run, trial=1, outcome="ok", metric=1.5),
    )
    decided = plan(story.state, CONTEXT)
    assert isinstance(decided, list)
    story.tell(*decided)
    assert plan(story.state, CONTEXT) == RestoreTree(1, run)


def test_a_stop_ends_the_engine_before_anything_else_and_after_the_current_run() -> None:
    story = Story()
    story.ran("keep", 1.0)
    story.tell(ev.StopAsked(at=1, by="someone", reason="asked by someone"))
    assert plan(story.state, CONTEXT) == Stop("asked by someone")
    run = story.began()
    assert isinstance(plan(story.state, CONTEXT), RunTrial)
    assert story.state.current is not None and story.state.current.run == run


def test_a_champion_brought_back_is_in_the_tree_before_the_next_experiment() -> None:
    story = Story()
    story.ran("keep", 1.0)
    story.ran("keep", 0.9)
    story.tell(
        ev.CommandQueued(at=1, id="x", kind="revert", args={"run": "2"}, by="someone"),
        ev.Overridden(
            at=1, command="x", kind="revert", run=2, line=(1,), statuses={2: "discard"}, withdrawn=(), by="someone"
        ),
    )
    assert plan(story.state, CONTEXT) == RestoreTree(1)
    after = step(story.state, ev.TreeSettled(at=2, commit="h", champion=1), CONTEXT)
    assert isinstance(after, list) and isinstance(after[0], ev.ExperimentBegan) and after[0].champion == 1


def test_a_baseline_without_a_result_pauses_and_says_why() -> None:
    story = Story()
    run = story.decided("crash", None, reason="no METRIC line")
    story.tell(
        ev.TreeSettled(at=1, run=run, commit="s0", champion=run),
        ev.Learnt(at=1, run=run),
    )
    ending = plan(story.state, CONTEXT)
    assert isinstance(ending, list)
    assert [type(event) for event in ending] == [ev.ExperimentEnded, ev.PauseSet]
    story.tell(*ending)
    assert plan(story.state, CONTEXT) == Wait("paused")
    assert "no METRIC line" in story.state.pause_reason
    story.tell(ev.PauseSet(at=2, paused=False, by="someone"))
    again = plan(story.state, CONTEXT)
    assert isinstance(again, list) and isinstance(again[0], ev.ExperimentBegan) and again[0].champion is None


def test_an_empty_session_opens_a_segment_and_a_changed_one_another() -> None:
    assert isinstance(plan(State(), CONTEXT), OpenSegment)
    story = Story()
    story.ran("keep", 1.0)
    assert plan(story.state, Context(now=1.0, new_segment="prepare.py changed")) == OpenSegment("prepare.py changed")
    run = story.began()
    assert plan(story.state, Context(now=1.0, new_segment="prepare.py changed")) == RunTrial(
        run, 1, "c000002", 1337, "candidate"
    )


def test_an_accepted_change_is_applied_again_after_a_crash_before_its_commit() -> None:
    story = Story()
    story.ran("keep", 1.0)
    story.tell(
        ev.ExperimentBegan(at=1, run=2, segment=0, champion=1, gate=Gate()),
        ev.ChangeAccepted(at=1, run=2, description="x", asi={}),
    )
    assert plan(story.state, CONTEXT) == ApplyChange(2)


def test_limits_of_time_and_money_count_from_the_engines_start() -> None:
    story = Story()
    story.ran("keep", 1.0)
    story.tell(ev.ExperimentBegan(at=1, run=2, segment=0, champion=1, gate=Gate()))
    story.tell(ev.ChangeAccepted(at=1, run=2, description="x", asi={}, usage={"cost_usd": 3.0}))
    story.tell(ev.EngineStarted(at=100.0, pid=1, host="h", start_id="s", hours=1.0, cost_usd=2.0))
    limits = Limits(hours=1, cost_usd=2)
    assert limit_reached(story.state, 100.0 + 3599, limits) == ""
    assert limit_reached(story.state, 100.0 + 3600, limits) == "the limit of 1 hours is reached"
    story.tell(ev.ChangeAccepted(at=1, run=2, description="x", asi={}, usage={"cost_usd": 2.0}))
    assert limit_reached(story.state, 100.0, limits) == "the limit of 2 USD is reached"
