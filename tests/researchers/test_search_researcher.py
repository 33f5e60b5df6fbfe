"""The offline researcher as a whole: what it never does, and that the same session gives the same night."""

import random
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.researchers.base import Exhausted, Message, ResearcherFailed
from engine.researchers.choice import make
from engine.researchers.search import space
from engine.researchers.search.history import History
from engine.researchers.search.searcher import Search
from engine.researchers.search.values import Value
from engine.session.settings import Gate, Settings
from engine.session.state import Experiment
from tests.researchers.playing import SPACE, TRAIN, Play, bowl, values_in


def noise(seed: int):  # type: ignore[no-untyped-def]
    """Results that depend on the values alone, as if by chance; a fifth of them crash."""

    def objective(values: dict[str, Value]) -> float | None:
        chance = random.Random(f"{seed}{sorted(values.items(), key=str)}")
        at_start = values == values_in(TRAIN)
        return None if chance.random() < 0.2 and not at_start else 2.0 + chance.gauss(0, 0.05)

    return objective


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), length=st.integers(5, 30))
def test_whatever_the_results_it_never_repeats_never_leaves_the_range_and_never_breaks_a_rule(
    seed: int, length: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        play = Play(Path(folder), noise(seed), seed=seed)
        known = space.load(play.root)
        seen = {tuple(sorted(values_in(TRAIN).items()))}
        for _ in range(length):
            before = values_in(play.texts[play.champion.run])
            text = play.step().files["train.py"]
            after = values_in(text)
            changed = {name for name in after if after[name] != before[name]}
            assert 1 <= len(changed) <= 2
            assert tuple(sorted(after.items())) not in seen
            seen.add(tuple(sorted(after.items())))
            assert all(known.constants[name].contains(after[name]) for name in changed)
            assert known.broken({**after, "MAX_SEQ_LEN": 256}, {**before, "MAX_SEQ_LEN": 256}) == ""


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6), breaks=st.sets(st.integers(0, 14), max_size=4))
def test_the_same_seed_gives_the_same_night_also_across_restarts(seed: int, breaks: set[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one = Play(Path(folder) / "one", noise(seed), seed=seed)
        two = Play(Path(folder) / "two", noise(seed), seed=seed)
        for number in range(15):
            if number in breaks:
                two.researcher.propose(two.brief())  # an engine killed after this proposal
                two.restart()
            assert one.step() == two.step()
        assert [item.asi for item in one.results] == [item.asi for item in two.results]


def test_other_seeds_give_other_nights(tmp_path: Path) -> None:
    nights = set()
    for seed in range(3):
        play = Play(tmp_path / str(seed), bowl, seed=seed)
        nights.add(tuple(play.step().description for _ in range(25)))
    assert len(nights) == 3


def test_it_finds_what_a_bowl_has_at_its_bottom(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    start = play.champion.metric
    for _ in range(40):
        play.step()
    assert start is not None and play.champion.metric is not None
    assert play.champion.metric - 2.0 < 0.1 * (start - 2.0)


def test_only_the_constants_line_changes_and_comments_stay(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    for _ in range(10):
        before = play.texts[play.champion.run].splitlines()
        proposal = play.step()
        after = proposal.files["train.py"].splitlines()
        different = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        assert len(different) == len(proposal.params)
        for old, new in different:
            assert old.partition("#")[2] == new.partition("#")[2]
            assert old.split("=")[0].strip() in proposal.params


def test_the_first_values_of_the_space_come_first_and_in_order(tmp_path: Path) -> None:
    play = Play(tmp_path, lambda values: 2.0 if values == values_in(TRAIN) else 3.0)
    first = play.step()
    assert first.asi["arch_change"] == "MATRIX_LR 0.02→0.03"
    assert first.description == "raise MATRIX_LR 0.02→0.03"
    assert play.step().asi["arch_change"] == "MATRIX_LR 0.02→0.015"  # for 0.03 was worse
    assert play.step().asi["arch_change"] == "WARMUP 0.0→0.1"
    assert play.step().asi["arch_change"] == "DEPTH 4→5"


def test_a_gain_is_followed_in_its_direction(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    assert play.step().asi["arch_change"] == "MATRIX_LR 0.02→0.03"
    proposal = play.step()
    assert proposal.asi["arch_change"] == "MATRIX_LR 0.03→0.045"
    assert "run 2" in proposal.asi["hypothesis"]


def test_three_failures_in_a_row_are_said_and_change_the_ground(tmp_path: Path) -> None:
    play = Play(tmp_path, lambda values: 2.0 if values == values_in(TRAIN) else 3.0)
    known = space.load(tmp_path).constants
    for failures in range(13):
        proposal = play.step()
        if failures and failures % 3 == 0:
            assert any("failures in a row" in remark for remark in proposal.remarks)
            assert "failures in a row" in proposal.asi["hypothesis"]
            last = {known[name].family for item in play.results[-4:-1] for name in item.params}
            if failures == 3:
                assert not last & {known[name].family for name in proposal.params}
        else:
            assert proposal.remarks == []


def test_a_refused_proposal_is_followed_by_another(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    one = play.researcher.propose(play.brief())
    two = play.researcher.propose(play.brief(refusals=("no",)))
    three = play.researcher.propose(play.brief(refusals=("no", "no")))
    assert len({proposal.description for proposal in (one, two, three)}) == 3


def test_a_small_space_is_exhausted_and_the_message_says_what_would_help(tmp_path: Path) -> None:
    small = '[DEPTH]\nkind = "int"\nlow = 3\nhigh = 5\nfamily = "shape"\n'
    play = Play(tmp_path, lambda values: 2.0 if values["DEPTH"] == 4 else 3.0, space=small)
    assert {play.step().asi["arch_change"] for _ in range(2)} == {"DEPTH 4→3", "DEPTH 4→5"}
    with pytest.raises(Exhausted, match=r"every change within reach of 1 constants was tried on run 1.*Widen"):
        play.step()


def test_a_space_without_constants_of_the_file_is_exhausted(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl, space='[OTHER]\nkind = "int"\nlow = 3\nhigh = 5\n')
    with pytest.raises(Exhausted, match=r"none of the constants of search_space.toml stands in train.py"):
        play.step()


def test_with_everything_frozen_it_says_how_to_go_on(tmp_path: Path) -> None:
    small = '[DEPTH]\nkind = "int"\nlow = 3\nhigh = 5\nfamily = "shape"\n'
    play = Play(tmp_path, bowl, space=small)
    with pytest.raises(Exhausted, match=r"every constant is frozen \(DEPTH\); send: unfreeze NAME") as caught:
        play.step(Message("m1", "freeze DEPTH", "ann"))
    assert caught.value.answers == {"m1": "DEPTH stays at 4 until you unfreeze it."}


def test_an_operators_override_is_read_anew(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    for _ in range(6):
        play.step()
    play.researcher.propose(play.brief())
    kept = [item for item in play.results if item.status == "keep"][-1]
    kept.status = "discard"
    play.champion = next(item for item in play.results if item.run == kept.champion)
    told = play.brief()
    assert play.researcher.propose(told) == Search(play.root, play.seed).propose(told)


def test_an_interrupted_change_may_be_tried_again_and_counts_as_nothing_learnt(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    first = play.researcher.propose(play.brief())
    experiment = play.carry_out(first, "interrupted")
    assert "says nothing about the change" in experiment.asi["result"]
    assert "next_action_hint" not in experiment.asi


@pytest.mark.parametrize("flag", ["gpu_trouble", "champion_failed"])
def test_a_change_that_a_failing_machine_ended_is_not_held_against_its_constant(tmp_path: Path, flag: str) -> None:
    play, fresh = Play(tmp_path / "a", bowl), Play(tmp_path / "b", bowl)
    first = play.researcher.propose(play.brief())
    experiment = play.carry_out(first, "crash")
    assert "next_action_hint" in experiment.asi
    experiment.flags = (flag,)
    told = play.researcher.learn(play.brief(), experiment)
    assert told["result"].endswith("it says nothing about the change") and "next_action_hint" not in told
    history = History(play.results, "lower")
    assert not any(item.failed for item in history.evidence)
    assert history.measured == History(fresh.results, "lower").measured


def test_a_train_py_that_does_not_parse_is_told_with_its_line(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    play.texts[1] = "DEPTH = 4\nMATRIX_LR = = 3\n"
    with pytest.raises(ResearcherFailed, match=r"train.py, line 2: does not parse"):
        play.step()


def test_a_missing_optuna_is_told_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ResearcherFailed, match=r"pip install 'overnight\[search\]'"):
        Play(tmp_path, bowl).step()


def test_a_proposal_stays_cheap_after_five_thousand_results(tmp_path: Path) -> None:
    play = Play(tmp_path, bowl)
    chance = random.Random(1)
    for run in range(2, 5001):
        name, old, new = chance.choice([("MATRIX_LR", "0.02", f"{chance.uniform(0.01, 0.1):.5f}"), ("DEPTH", "4", "3")])
        experiment = Experiment(run, 0, 1, 0.0, Gate(), phase="ended", commit="c", status="discard")
        experiment.params, experiment.metric, experiment.fingerprint = {name: (old, new)}, 3.0, str(run)
        play.results.append(experiment)
    play.researcher.propose(play.brief())
    began = time.process_time()
    play.researcher.propose(play.brief())
    assert time.process_time() - began < 5.0  # no quadratic work; the bench has the figure


@pytest.mark.parametrize("kind", ["nonsense"])
def test_a_researcher_that_is_not_there_is_refused_naming_what_is(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ResearcherFailed, match=rf"researcher.kind is '{kind}'.*supported: search"):
        make(kind, Settings(), tmp_path)


def test_search_is_made_for_the_session_with_its_seed(tmp_path: Path) -> None:
    (tmp_path / "search_space.toml").write_text(SPACE)
    assert isinstance(make("search", Settings(), tmp_path), Search)
