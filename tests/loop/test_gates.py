"""The gates: which trial comes next, and what a row of trials amounts to."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.loop.gates import NextTrial, next_step, pair_seed
from engine.loop.judgement import Verdict
from engine.session import events as ev
from engine.session.settings import Gate
from engine.session.state import Experiment, State
from tests.session.story import Story

CONFIRM = Gate(kind="confirm", pairs=2, gain_per_line=0.0)


def tried(metric: float | None, gate: Gate = CONFIRM, outcome: str = "ok", **trial: object) -> Story:
    """A champion at 1.0 and an experiment whose first trial has ended."""
    story = Story()
    story.ran("keep", 1.0)
    run = story.began()
    story.state.experiments[-1].gate = gate
    story.tell(ev.TrialBegan(at=1, run=run, trial=1, commit="c000002", seed=1337))
    ended = ev.TrialEnded(at=1, run=run, trial=1, outcome=outcome, metric=metric)
    story.tell(msgspec.structs.replace(ended, **trial))
    return story


def asked(story: Story) -> NextTrial | Verdict:
    return next_step(story.state, story.state.experiments[-1])


def answer(story: Story, metric: float | None, outcome: str = "ok", flags: tuple[str, ...] = ()) -> NextTrial | Verdict:
    """Run the trial that the gate asks for, and ask again."""
    wanted, number = asked(story), len(story.state.experiments[-1].trials) + 1
    assert isinstance(wanted, NextTrial)
    story.tell(
        ev.TrialBegan(at=1, run=2, trial=number, commit=wanted.commit, seed=wanted.seed, of=wanted.of),
        ev.TrialEnded(at=1, run=2, trial=number, outcome=outcome, metric=metric, flags=flags),
    )
    return asked(story)


def verdict(found: NextTrial | Verdict) -> Verdict:
    assert isinstance(found, Verdict), found
    return found


def test_the_first_trial_is_the_candidates_with_the_segments_own_seed() -> None:
    story = Story()
    story.ran("keep", 1.0)
    story.began()
    assert asked(story) == NextTrial("candidate", "c000002", 1337)


def test_a_would_be_keep_is_run_in_pairs_with_the_champion_under_fresh_seeds() -> None:
    story = tried(0.95)
    first = asked(story)
    assert isinstance(first, NextTrial) and first.of == "champion" and first.commit == "c000001"
    second = answer(story, 1.01)
    assert isinstance(second, NextTrial) and second.of == "candidate" and second.commit == "c000002"
    assert second.seed == first.seed != 1337
    third = answer(story, 0.96)
    assert isinstance(third, NextTrial) and third.of == "champion" and third.seed not in (first.seed, 1337)
    answer(story, 1.0)
    kept = verdict(answer(story, 0.95))
    assert kept.status == "keep" and "mean gain +0.050000" in kept.reason


def test_a_gain_that_the_pairs_do_not_show_is_discarded() -> None:
    story = tried(0.95)
    for metric in (1.0, 1.02, 1.0):
        answer(story, metric)
    lost = verdict(answer(story, 0.99))
    assert (lost.status, lost.flags) == ("discard", ("unconfirmed",))
    assert "mean gain -0.005000" in lost.reason


def test_a_mean_gain_within_its_own_error_confirms_nothing() -> None:
    story = tried(0.95)
    for metric in (1.0, 0.9, 1.0):
        answer(story, metric)
    lost = verdict(answer(story, 1.05))  # gains +0.10 and −0.05: mean 0.025, standard error 0.075
    assert lost.status == "discard"
    assert "standard error 0.075000" in lost.reason


def test_one_pair_has_no_error_of_its_own_and_is_judged_by_its_gain() -> None:
    story = tried(0.95, Gate(kind="confirm", pairs=1))
    answer(story, 1.0)
    assert verdict(answer(story, 0.97)).status == "keep"


def test_a_discard_of_the_first_trial_needs_no_pairs() -> None:
    assert verdict(asked(tried(1.2))).status == "discard"


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("crash", "discard"), ("timeout", "discard"), ("aborted", "crash"), ("interrupted", "crash")],
)
def test_a_pair_that_fails_confirms_nothing(outcome: str, status: str) -> None:
    story = tried(0.95)
    answer(story, 1.0)
    found = verdict(answer(story, None, outcome))
    assert found.status == status and "unconfirmed" in found.flags


def test_a_pair_that_cannot_be_believed_confirms_nothing() -> None:
    story = tried(0.95)
    answer(story, 1.0)
    found = verdict(answer(story, 0.9, flags=("clock_disagrees",)))
    assert found.status == "discard" and found.flags == ("unconfirmed", "clock_disagrees")
    story = tried(0.95)
    answer(story, 1.0)
    assert verdict(answer(story, -3.0)).flags == ("unconfirmed", "not_positive")


def test_pairs_are_not_begun_for_a_champion_that_was_withdrawn() -> None:
    story = tried(0.95)
    answer(story, 1.0)
    story.state.segments[-1].line.append(99)
    story.state.experiments += [Experiment(run, 0, 1, 0.0, Gate()) for run in range(3, 100)]
    found = verdict(next_step(story.state, story.state.experiments[1]))
    assert found.status == "discard" and found.flags == ("base_withdrawn",)


def test_a_claim_that_cannot_be_stays_out_of_statistics_also_when_its_base_was_withdrawn_or_its_checks_failed() -> None:
    story = tried(-1.0)
    story.state.segments[-1].line.append(2)
    assert verdict(asked(story)).flags == ("base_withdrawn", "not_positive")
    story = tried(0.5)
    story.state.experiments[-1].checks = "failed"
    assert verdict(asked(story)) == Verdict("checks_failed", "the checks failed: no output", ("jump",))


@pytest.mark.parametrize("outcome", ["crash", "timeout", "no_metric", "bad_metric", "aborted", "interrupted"])
def test_whatever_is_not_ok_is_a_crash_with_its_cause(outcome: str) -> None:
    found = verdict(asked(tried(None, outcome=outcome, detail="CUDA out of memory at step 3")))
    assert (found.status, found.reason) == ("crash", "CUDA out of memory at step 3")
    assert (outcome in found.flags) == (outcome in ("aborted", "interrupted"))


@pytest.mark.parametrize(("metric", "flags"), [(0.0, ("not_positive",)), (-1.0, ("not_positive",))])
def test_a_baseline_that_cannot_be_believed_is_a_crash(metric: float, flags: tuple[str, ...]) -> None:
    story = Story()
    story.began()
    story.tell(ev.TrialBegan(at=1, run=1, trial=1, commit=story.experiment(1).commit, seed=1))
    story.tell(ev.TrialEnded(at=1, run=1, trial=1, outcome="ok", metric=metric))
    found = verdict(asked(story))
    assert (found.status, found.flags) == ("crash", flags)


def test_a_row_of_simplifications_cannot_drift_from_the_best() -> None:
    gate = Gate(equal_within=0.01)
    story = tried(1.008, gate)
    story.state.experiments[-1].net_lines = -3
    assert verdict(asked(story)).status == "keep"  # 0.008 behind the best, which is the baseline
    story = Story()
    story.ran("keep", 1.0)
    story.ran("keep", 1.008)
    run = story.began()
    experiment = story.experiment(run)
    experiment.gate, experiment.net_lines = gate, -3
    story.tell(ev.TrialBegan(at=1, run=run, trial=1, commit=story.experiment(run).commit, seed=1))
    story.tell(ev.TrialEnded(at=1, run=run, trial=1, outcome="ok", metric=1.016))
    drifted = verdict(next_step(story.state, experiment))
    assert drifted.status == "discard" and "behind the best" in drifted.reason


@given(st.integers(0, 2**31), st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 500)), unique=True, max_size=60))
def test_no_two_pairs_share_a_seed_and_none_has_the_segments(seed: int, pairs: list[tuple[int, int]]) -> None:
    story = Story()
    story.segment()
    segment = story.state.segments[-1]
    segment.run = msgspec.structs.replace(segment.run, seed=seed)
    seeds = [pair_seed(segment, run, pair) for run, pair in pairs]
    assert len(set(seeds)) == len(seeds) and seed not in seeds


def test_the_state_is_only_read() -> None:
    story = tried(0.95)
    before = msgspec.json.encode(story.state)
    asked(story)
    assert msgspec.json.encode(story.state) == before
    assert isinstance(story.state, State)


@pytest.mark.parametrize("cause", ["no_gpu", "disk_full"])
def test_what_a_change_seldom_brings_about_is_asked_of_the_champion_at_once(cause: str) -> None:
    assert answer(tried(None, outcome="failed", cause=cause), 1.0) == Verdict("crash", cause)
    broken = verdict(answer(tried(None, outcome="failed", cause=cause), None, "failed"))
    assert broken.flags == ("champion_failed",)
    assert verdict(asked(tried(None, outcome="failed", cause="syntax_error"))).flags == ()
