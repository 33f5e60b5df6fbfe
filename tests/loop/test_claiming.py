"""Proposals against a swarm's claims: sent back with what is known, up to five times, then run and said so."""

from pathlib import Path

import msgspec
import pytest

from engine.loop.proposing import adopt, propose
from engine.researchers.base import Brief, Proposal
from engine.session import events as ev
from engine.session.settings import Gate, Metric, Settings
from engine.session.state import Experiment
from engine.swarm.api import Unreachable
from engine.swarm.collective import ALONE, TRIES, WHO, Answer, Foreign
from engine.swarm.records import Klass

CHAMPION = Experiment(1, 0, None, 0.0, Gate(), metric=1.0, status="keep", phase="ended")


class Counting:
    """Proposes ALPHA = 1, 2, 3 …; remembers the reasons it was given."""

    name = "counting"

    def __init__(self) -> None:
        self.asked = 0
        self.told: tuple[str, ...] = ()

    def propose(self, brief: Brief) -> Proposal:
        self.asked += 1
        self.told = brief.refusals
        return Proposal(description=f"ALPHA {self.asked}", files={"train.py": f"ALPHA = {self.asked}\n"})

    def learn(self, brief: Brief, experiment: Experiment) -> dict[str, str]:
        return {}

    def close(self) -> None:
        pass


def brief(session: Path) -> Brief:
    return Brief(
        run=2, session=session, settings=Settings(), metric=Metric(), files={"train.py": "ALPHA = 0\n"},
        champion=CHAMPION, results=(CHAMPION,), failures_in_row=0,
    )  # fmt: skip


@pytest.mark.parametrize("taken", range(TRIES + 3))
def test_what_others_have_leads_to_another_proposal_and_after_five_it_is_run_alone_and_said(
    tmp_path: Path, taken: int
) -> None:
    researcher, claims = Counting(), []

    def claim(given: Brief, proposal: Proposal, new: dict[str, str]) -> Answer:
        claims.append(new["train.py"])
        if len(claims) <= taken:
            return Answer(taken=f"the swarm: this very change is done by amy: {len(claims)}; propose another")
        return Answer(claim="c" * 32, token=4)

    outcome = propose(researcher, brief(tmp_path), ("train.py",), {}, claim=claim)
    accepted = next(event for event in outcome.events if isinstance(event, ev.ChangeAccepted))
    refused = [event.reason for event in outcome.events if isinstance(event, ev.ProposalRefused)]
    said = [event.text for event in outcome.events if isinstance(event, ev.ResearcherSaid)]
    assert len(claims) == len(set(claims)) == researcher.asked == min(taken + 1, TRIES)
    assert researcher.told == tuple(refused) and len(refused) == researcher.asked - 1
    if taken < TRIES:
        assert (accepted.claim, accepted.token) == ("c" * 32, 4) and not said
    else:
        assert accepted.claim == ALONE and "run all the same" in said[0] and "done by amy" in said[0]


def test_without_a_swarm_nothing_is_claimed(tmp_path: Path) -> None:
    outcome = propose(Counting(), brief(tmp_path), ("train.py",), {})
    accepted = next(event for event in outcome.events if isinstance(event, ev.ChangeAccepted))
    assert (accepted.claim, accepted.token) == ("", 0)


def foreign(text: str) -> Foreign:
    return Foreign(
        id="a" * 32, name="amy", description="wider", files={"train.py": text}, metric=0.98, state="verified",
        klass=Klass(contract="c" * 64, gpu="cpu"), seed=1, code="d" * 64,
    )  # fmt: skip


def test_an_adoption_is_a_change_like_any_other_and_tells_its_constants(tmp_path: Path) -> None:
    outcome = adopt(brief(tmp_path), "cmd", lambda: foreign("ALPHA = 7\n"), ("train.py",))
    accepted, done = outcome.events
    assert isinstance(accepted, ev.ChangeAccepted) and isinstance(done, ev.CommandDone)
    assert accepted.params == {"ALPHA": ("0", "7")} and accepted.researcher == WHO
    assert accepted.asi["adopted"] == "a" * 32 and outcome.files == {"train.py": "ALPHA = 7\n"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ALPHA = (\n", "does not parse"),
        ("ALPHA = 0  # mine\n", "only comments"),
        ('ALPHA = 7\nimport subprocess\nsubprocess.run(["true"])\n', "line 3"),
    ],
)
def test_an_adoption_that_fails_the_checks_is_refused_with_the_reason(tmp_path: Path, text: str, why: str) -> None:
    outcome = adopt(brief(tmp_path), "cmd", lambda: foreign(text), ("train.py",))
    assert [type(event) for event in outcome.events] == [ev.CommandRefused] and outcome.files is None
    assert why in msgspec.to_builtins(outcome.events[0])["reason"]


def test_an_adoption_from_a_swarm_that_is_away_is_refused(tmp_path: Path) -> None:
    def away() -> Foreign:
        raise Unreachable("no answer within 10 s")

    outcome = adopt(brief(tmp_path), "cmd", away, ("train.py",))
    assert isinstance(outcome.events[0], ev.CommandRefused) and "no answer" in outcome.events[0].reason


def test_what_is_adopted_by_itself_must_still_be_better_than_the_champion(tmp_path: Path) -> None:
    worse = msgspec.structs.replace(foreign("ALPHA = 7\n"), metric=1.01)
    stale = adopt(brief(tmp_path), "cmd", lambda: worse, ("train.py",), by_itself=True)
    assert [type(event) for event in stale.events] == [ev.CommandRefused]
    wanted = adopt(brief(tmp_path), "cmd", lambda: worse, ("train.py",))
    assert isinstance(wanted.events[0], ev.ChangeAccepted), "a person may want it all the same"


@pytest.mark.parametrize("state", ["withdrawn", "refuted", "quarantined", "reported"])
def test_what_is_adopted_by_itself_must_still_be_verified_when_its_turn_comes(tmp_path: Path, state: str) -> None:
    doubted = msgspec.structs.replace(foreign("ALPHA = 7\n"), state=state)
    (stale,) = adopt(brief(tmp_path), "cmd", lambda: doubted, ("train.py",), by_itself=True).events
    assert isinstance(stale, ev.CommandRefused) and state in stale.reason
    wanted = adopt(brief(tmp_path), "cmd", lambda: doubted, ("train.py",))
    assert isinstance(wanted.events[0], ev.ChangeAccepted), "a person may want it all the same"
