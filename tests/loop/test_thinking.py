"""Researchers that fail: the engine waits, falls back, comes back, mends, and the night goes on."""

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from engine.loop import core, main
from engine.loop.main import run
from engine.researchers import choice
from engine.researchers.base import Brief, Proposal, Researcher, ResearcherFailed
from engine.session import events as ev
from engine.session import publiclog
from engine.session.settings import Limits, Settings
from engine.session.state import Experiment
from tests.loop.lab import BENCHMARK, Lab

SETTINGS = '[researcher]\nkind = "agent"\nagent = "toy"\n\n[gate]\njump = 0\n'
CRASHING = 'grep -q "oops" train.py && { echo "Traceback"; echo "NameError: name oops"; } > run.log && exit 1\n'


class Toy:
    """A researcher that does what the next of its acts says: a failure's kind, or "ok", "broken", "same", "bug".

    `spent` is what all of it cost, in US dollars.
    """

    name = "toy"

    def __init__(self, acts: list[str]) -> None:
        self.acts, self.asked, self.mends, self.count = acts, 0, 0, 0
        self.spent = 0.0
        self.told: list[tuple[str, ...]] = []

    def propose(self, brief: Brief) -> Proposal:
        self.asked += 1
        self.told.append(brief.before)
        self.count += 1
        act = self.acts.pop(0) if self.acts else "ok"
        text = brief.files["train.py"]
        lines = [line for line in text.splitlines() if not line.startswith("TOY")]
        body = "\n".join([*lines, f"TOY_{self.count} = {self.count}"]) + "\n"
        if brief.mend is not None:
            self.mends += 1
            assert "oops" in brief.mend.files["train.py"] and "NameError" in brief.mend.trace
        if act == "bug":
            raise ZeroDivisionError("a defect")
        self.spent += 1.0 if act in ("ok", "broken", "same") else 0.5
        if act == "same":
            body = (brief.mend or brief).files["train.py"]
        elif act == "broken":
            body += f"oops{self.count}\n"
        elif act != "ok":
            raise ResearcherFailed(f"it was {act}", act, usage={"cost_usd": 0.5, "input_tokens": 10.0})
        return Proposal(f"toy {self.count}", {"train.py": body}, usage={"cost_usd": 1.0, "output_tokens": 5.0})

    def learn(self, brief: Brief, experiment: Experiment) -> dict[str, str]:
        return {"result": experiment.reason}

    def close(self) -> None:
        pass


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The session's researcher is the toy; its fallback is the real search. Waits are short."""
    made = Toy([])

    def make(kind: str, settings: Settings, session: Path) -> Researcher:
        return made if kind == "agent" else choice.make(kind, settings, session)

    monkeypatch.setattr(main, "make", make)
    monkeypatch.setattr(core, "RETRY_S", 0.001)
    monkeypatch.setattr(core, "AWAY_S", 0.02)
    return made


def test_failures_are_told_waited_for_and_do_not_become_results(tmp_path: Path, toy: Toy) -> None:
    lab = Lab(tmp_path / "toy", settings=SETTINGS)
    toy.acts += ["rate_limit", "bug"]
    run(lab.paths, limits=Limits(experiments=2))
    state = lab.state()
    assert [e.status for e in state.experiments] == ["keep", "discard", "discard"]
    assert state.experiments[1].attempts[0] == "agent: rate_limit: it was rate_limit"
    assert "ZeroDivisionError" in state.experiments[1].attempts[1]
    assert state.failing == 0 and state.cost == pytest.approx(2.5) and state.tokens == pytest.approx(20)
    assert publiclog.read_log(lab.paths.public_log).results[1].usage["cost_usd"] == pytest.approx(1.5)


def test_the_fallback_steps_in_and_the_researcher_comes_back(tmp_path: Path, toy: Toy) -> None:
    lab = Lab(tmp_path / "toy", settings=SETTINGS)
    toy.acts += ["network"] * 3
    run(lab.paths, limits=Limits(experiments=8))
    state = lab.state()
    who = [e.researcher for e in state.experiments[1:]]
    assert who[0] == "search" and who[-1] == "toy", who
    assert len(state.experiments[1].attempts) == 3


def test_a_simple_crash_goes_back_to_the_researcher_twice_at_most(tmp_path: Path, toy: Toy) -> None:
    lab = Lab(tmp_path / "toy", benchmark=CRASHING + BENCHMARK, settings=SETTINGS)
    toy.acts += ["broken", "ok", "broken", "broken", "broken", "ok"]
    run(lab.paths, limits=Limits(experiments=3))
    state = lab.state()
    mended, given_up, last = state.experiments[1:]
    assert (mended.status, mended.mends, [t.outcome for t in mended.trials]) == ("discard", 1, ["crash", "ok"])
    assert (given_up.status, given_up.mends, len(given_up.trials)) == ("crash", 2, 3)
    assert last.status == "discard" and toy.mends == 3
    champion = state.champion
    assert champion is not None
    assert lab.git("show", "HEAD:train.py") == lab.git("show", f"{champion.commit}:train.py")


def test_what_came_of_an_earlier_ask_is_told_when_it_is_asked_again(tmp_path: Path, toy: Toy) -> None:
    lab = Lab(tmp_path / "toy", settings=SETTINGS)
    toy.acts += ["empty", "rate_limit", "bad_answer", "ok", "ok"]
    run(lab.paths, limits=Limits(experiments=8))
    assert toy.told[:2] == [(), ("it was empty",)]
    assert toy.told[2] == ("it was empty",), "a rate limit is nothing that it could do otherwise"
    assert toy.told[-1] == (), "the next experiment starts afresh"


def test_a_defect_while_it_learns_costs_the_note_alone(
    tmp_path: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def learn(brief: Brief, experiment: Experiment) -> dict[str, str]:
        raise KeyError("a defect")

    monkeypatch.setattr(toy, "learn", learn)
    lab = Lab(tmp_path / "toy", settings=SETTINGS)
    run(lab.paths, limits=Limits(experiments=2))
    first, *_ = lab.state().experiments[1:]
    assert first.status == "discard" and "a defect" in first.asi["learning_failed"]


def test_a_token_limit_ends_the_run_with_its_reason(tmp_path: Path, toy: Toy) -> None:
    lab = Lab(tmp_path / "toy", settings=SETTINGS)
    assert "tokens" in run(lab.paths, limits=Limits(tokens=12))
    assert len(lab.state().experiments) == 4


def test_a_flaky_researcher_never_stops_the_night(tmp_path: Path, toy: Toy) -> None:
    """200 experiments, 30% of the answers failing, in each way: it falls back, comes back, never stops or spins."""
    lab = Lab(tmp_path / "toy", benchmark=CRASHING + BENCHMARK, settings=SETTINGS)
    fate = random.Random(7)
    kinds = ["rate_limit", "credentials", "timeout", "exit", "network", "server", "refusal", "empty", "bad_answer"]
    kinds += ["bug", "same", "broken"]
    toy.acts += [fate.choice(kinds) if fate.random() < 0.3 else "ok" for _ in range(600)]
    toy.acts[50:60] = ["network"] * 10
    run(lab.paths, limits=Limits(experiments=200))
    state = lab.state()
    assert len(state.experiments) == 201 and all(e.phase == "ended" for e in state.experiments)
    assert {e.researcher for e in state.experiments[1:]} == {"toy", "search"}
    assert state.experiments[-1].researcher == "toy"
    events = [ev.decode(line) for line in lab.paths.journal.read_bytes().splitlines()]
    told = Counter(event.kind for event in events if isinstance(event, ev.AttemptFailed))
    assert set(told) == {*kinds, "failed"} - {"bug", "same", "broken"}
    asked = sum(told.values()) + sum(isinstance(e, (ev.ProposalRefused, ev.MendFailed)) for e in events)
    asked += sum(isinstance(e, ev.ChangeAccepted) and e.researcher == "toy" for e in events)
    assert toy.asked == asked, "each attempt is accounted for"
    outcomes = [e for e in events if isinstance(e, (ev.AttemptFailed, ev.ChangeAccepted))]
    for failed, following in pairwise(outcomes):
        at_once = isinstance(failed, ev.AttemptFailed) and failed.wait_s == 0
        assert not at_once or following.fallback, "it is asked again only after a wait, or the fallback steps in"
    results = publiclog.read_log(lab.paths.public_log).results
    assert len(results) == 201
    assert state.cost == pytest.approx(toy.spent) and state.cost == pytest.approx(
        sum(result.usage.get("cost_usd", 0.0) for result in results)
    )
