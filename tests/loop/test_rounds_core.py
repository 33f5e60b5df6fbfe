"""The core's growth rounds by themselves: choices, and a cut anywhere that changes nothing."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session import events as ev
from engine.session import growing, lineage
from engine.session.settings import Grow
from tests.loop.growingworld import NAMES, GrowingWorld, costs_of, loss_of, told


def grown(cost: str = "params", **more: object) -> GrowingWorld:
    world = GrowingWorld(Grow(cost=cost, seeds=2, **more))  # type: ignore[arg-type]
    world.run()
    return world


@pytest.mark.parametrize("cost", ["params", "vram", "iter"])
def test_each_round_takes_what_an_independent_sum_says(cost: str) -> None:
    world = grown(cost, rounds=4, iterations=2)
    metric, scale = {"params": ("num_params_M", 1e6), "vram": ("peak_vram_mb", 1), "iter": ("step_ms", 1)}[cost]
    here = dict.fromkeys(NAMES, 1)

    def figures(sizes: dict[str, int]) -> tuple[float, float]:
        return sum(math.exp(-loss_of(sizes, seed, 10)) for seed in (5, 6)) / 2, costs_of(sizes)[metric] * scale

    for one in growing.of_state(world.state).rounds:
        score, paid = figures(here)
        worth = {}
        for name in NAMES:
            for m in (1, 2):
                new = figures({**here, name: here[name] + m})
                if new[0] > score:
                    spent = new[1] - paid
                    worth[f"{name}={here[name] + m}"] = (
                        (new[0] - score) / spent if spent > 1e-9 else math.inf,
                        new[0] - score,
                    )
        assert one.chosen == (max(worth, key=lambda key: worth[key]) if worth else "")
        if one.chosen:
            name, value = one.chosen.split("=")
            here[name] = int(value)
    assert len(world.state.rounds) == 4 or world.over.startswith("no_positive_efficiency")


@pytest.mark.parametrize("increase", [0, 5])
def test_when_no_step_helps(increase: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.loop.growingworld.loss_of", lambda sizes, seed, length: sum(sizes.values()) + 5 / length)
    world = grown("params", rounds=2, max_iters_increase=increase)
    rounds = world.state.rounds
    if not increase:
        assert world.over.startswith("no_positive_efficiency: none of 3 candidates raised the score")
        assert len(rounds) == 1 and len(world.state.experiments) == 4
        world.grow = Grow(cost="vram", seeds=2)  # other settings: it looks again, at what was measured already
        world.run()
        assert world.over.startswith("no_positive") and len(world.state.experiments) == 4
        return
    assert [(r.number, r.budget, r.length) for r in rounds] == [(1, "10", "15"), (2, "15", "")]
    baselines = [e for e in world.state.experiments if e.is_baseline]
    assert [world.state.segments[e.segment].budget for e in baselines] == ["", "15"]
    assert all(len(e.trials) == 2 for e in baselines), "the baseline is measured again, with the same seeds"


def test_a_candidate_that_crashes_is_left_out_and_told() -> None:
    world = GrowingWorld(Grow(cost="params", seeds=2, rounds=1), crash="A=2")
    world.run()
    one = growing.of_state(world.state).rounds[0]
    assert [(c.key, c.status) for c in one.candidates] == [("A=2", "crash"), ("B=2", "done"), ("C=2", "done")]
    assert one.chosen == "B=2" and "left out: A=2" in one.reason


def test_what_a_person_takes_back_is_replaced_by_the_next_best() -> None:
    world = grown("params", rounds=1)
    first = world.state.rounds[0].chosen
    undone = lineage.undo(world.state)
    world.write(
        ev.Overridden(
            at=world.now, command="x", kind=undone.kind, run=undone.run, line=undone.line, statuses=undone.statuses,
            withdrawn=undone.withdrawn, by="someone",
        )
    )  # fmt: skip
    world.run()
    assert first is not None and world.state.rounds[0].chosen not in (None, first)
    assert len(world.state.experiments) == 4, "nothing is measured again"
    champion = world.state.champion
    assert champion is not None and champion.run == world.state.rounds[0].chosen


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(["params", "vram", "iter"]), st.integers(1, 3))
def test_a_search_cut_off_after_any_events_goes_on_to_the_same_end(data: st.DataObject, cost: str, seeds: int) -> None:
    grow = Grow(cost=cost, seeds=seeds, rounds=3)  # type: ignore[arg-type]
    whole = GrowingWorld(grow, crash="C=2")
    whole.run()
    world = whole
    for _ in range(2):
        cut = data.draw(st.integers(0, len(world.journal)))
        world = GrowingWorld(grow, world.journal[:cut], crash="C=2")
        world.run()
    assert told(world.state) == told(whole.state)
    assert len(world.state.experiments) == len(whole.state.experiments), "what had ended is not run again"
    extra = sum(t.outcome == "interrupted" for e in world.state.experiments for t in e.trials)
    trials = sum(len(e.trials) for e in world.state.experiments)
    assert trials - extra == sum(len(e.trials) for e in whole.state.experiments)
    assert extra <= 2


def test_every_single_cut() -> None:
    grow = Grow(cost="iter", seeds=2, rounds=2)
    whole = GrowingWorld(grow)
    whole.run()
    for cut in range(len(whole.journal)):
        world = GrowingWorld(grow, whole.journal[:cut])
        world.run()
        assert told(world.state) == told(whole.state), f"cut after {cut} events"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1e6, 1e6)), min_size=1, max_size=8))
def test_only_a_score_that_rose_counts_and_a_cost_that_did_not_ranks_above_all(
    pairs: list[tuple[float, float]],
) -> None:
    those = tuple(
        growing.Candidate(str(at), "p", at, "done", at, None, gained, paid, growing.efficiency(gained, paid))
        for at, (gained, paid) in enumerate(pairs)
    )
    ranked = growing.ranked(those)
    assert {c.run for c in ranked} == {at for at, (gained, _) in enumerate(pairs) if gained > 0}
    for better, worse in pairwise(ranked):
        if better.delta_cost > 0:
            assert worse.delta_cost > 0, "one that costs nothing ranks above"
            assert better.delta_score / better.delta_cost >= worse.delta_score / worse.delta_cost
        elif worse.delta_cost <= 0:
            assert better.delta_score >= worse.delta_score, "ties by the score"


def test_a_candidate_that_was_not_taken_tells_why_once_its_round_is_over() -> None:
    state = grown("params", rounds=3).state
    told_of = {e.run: growing.fate(state, e) for e in state.experiments if e.status == "discard"}
    assert told_of
    for one in growing.of_state(state).rounds:
        assert one.picked is not None
        for found in one.candidates:
            if found.run in told_of and found.run is not None:
                rose = found.delta_score > 0
                says = f"took {one.chosen} (run {one.picked.run}), which won more" if rose else "score did not rise"
                assert says in told_of[found.run]


def test_while_its_round_is_open_a_candidate_tells_what_the_gate_said() -> None:
    world = grown("params", rounds=1)
    cut = next(at for at, event in enumerate(world.journal) if isinstance(event, ev.RoundDecided))
    state = GrowingWorld(Grow(cost="params", seeds=2, rounds=1), world.journal[:cut]).state
    assert {growing.fate(state, e) for e in state.experiments if e.candidate} == {
        "round 1: no verdict before the round ends"
    }


def test_a_step_that_was_taken_and_taken_back_tells_so() -> None:
    world = grown("params", rounds=1)
    first = growing.of_state(world.state).rounds[0].picked
    assert first is not None and first.run is not None
    undone = lineage.undo(world.state)
    world.write(
        ev.Overridden(
            at=world.now, command="x", kind=undone.kind, run=undone.run, line=undone.line, statuses=undone.statuses,
            withdrawn=undone.withdrawn, by="anna",
        )
    )  # fmt: skip
    world.run()
    taken_back = world.state.experiment(first.run)
    assert taken_back is not None
    assert growing.fate(world.state, taken_back) == "round 1 took it first, and that was taken back"
