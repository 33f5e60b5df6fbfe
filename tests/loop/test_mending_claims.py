"""A crash that is mended is another change: claimed in place of the crashed one, and told under its own claim."""

from pathlib import Path

import msgspec
import pytest

from engine.loop import main
from engine.loop.main import run
from engine.loop.proposing import mend
from engine.researchers.base import Brief, Mend, Proposal, Researcher
from engine.session import events as ev
from engine.session.settings import Gate, Limits, Metric, Settings
from engine.session.state import Experiment
from engine.swarm.collective import ALONE, Answer
from tests.loop.lab import BENCHMARK, Lab

pytest.importorskip("sqlalchemy", reason="the extra `swarm` is not installed")

SETTINGS = '[researcher]\nkind = "agent"\nagent = "toy"\n\n[gate]\njump = 0\n'
CRASHING = 'grep -q "oops" train.py && { echo "Traceback"; echo "NameError: name oops"; } > run.log && exit 1\n'
CHAMPION = Experiment(1, 0, None, 0.0, Gate(), metric=1.0, status="keep", phase="ended")


class Mender:
    """Its change of one constant crashes; its mend has the same constant and code that runs."""

    name = "mender"

    def propose(self, brief: Brief) -> Proposal:
        text = brief.files["train.py"] + ("" if brief.mend else "oops\n") + "MENDED = 1\n"
        return Proposal("a try", {"train.py": text}, params={"MENDED": ("0", "1")})

    def learn(self, brief: Brief, experiment: Experiment) -> dict[str, str]:
        return {}

    def close(self) -> None:
        pass


def test_a_mended_change_is_claimed_anew_told_under_its_claim_and_leaves_the_crashed_one_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.swarm.embedded import open as opened

    def make(kind: str, settings: Settings, session: Path) -> Researcher:
        return Mender()

    monkeypatch.setattr(main, "make", make)
    lab, file = Lab(tmp_path / "amy", benchmark=CRASHING + BENCHMARK, settings=SETTINGS), tmp_path / "swarm.db"
    for words in (("init", str(file)), ("join", str(file), "-s", str(lab.root), "--name", "amy")):
        done = lab.overnight("swarm", *words)
        assert done.returncode == 0, done.stderr
    run(lab.paths, limits=Limits(experiments=1))
    mended = lab.state().experiments[1]
    assert (mended.mends, [t.outcome for t in mended.trials]) == (1, ["crash", "ok"])
    assert mended.claim not in ("", ALONE) and mended.token == 1
    store = opened(file)
    row = next(row for row in store.results(limit=9) if row.record.body["run"] == 2)
    assert (row.record.body["alone"], row.record.body["claim"]) == (False, mended.claim)
    assert store.claims(live=True) == [], "nobody is kept from what crashed"
    assert not lab.state().troubles


def mending(tmp_path: Path, answer: Answer) -> list[ev.AnyEvent]:
    start = {"train.py": "ALPHA = 0\n"}
    given = Brief(
        run=2, session=tmp_path, settings=Settings(), metric=Metric(), files=start, champion=CHAMPION,
        results=(CHAMPION,), failures_in_row=0,
    )  # fmt: skip
    about = Mend(attempt=1, files={"train.py": "ALPHA = 0\noops\n"}, cause="bug", trace="NameError")
    given = msgspec.structs.replace(given, mend=about)
    return mend(Mender(), given, ("train.py",), lambda *_: answer).events


def test_a_mend_that_another_member_has_ends_there_and_one_made_alone_says_so(tmp_path: Path) -> None:
    (failed,) = mending(tmp_path, Answer(taken="the swarm: this very change is done by bob; propose another"))
    assert isinstance(failed, ev.MendFailed) and failed.reason == "the swarm: this very change is done by bob"
    said, accepted = mending(tmp_path, Answer(claim=ALONE, said=("nobody is there",)))
    assert isinstance(said, ev.ResearcherSaid) and said.text == "nobody is there"
    assert isinstance(accepted, ev.ChangeAccepted) and (accepted.claim, accepted.mend) == (ALONE, 1)
