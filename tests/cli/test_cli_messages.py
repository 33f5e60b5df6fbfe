"""A message can be written anew while no prompt has carried it."""

import json
from pathlib import Path

from engine.loop.main import run
from engine.session.settings import Limits
from tests.loop.lab import Lab


def test_a_message_said_instead_takes_the_last_one_back(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    run(lab.paths, limits=Limits(experiments=1))
    lab.overnight("say", "-s", str(lab.root), "try ALPHA=0.2")
    done = lab.overnight("say", "-s", str(lab.root), "--json", "--instead", "last", "try ALPHA=0.4")
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "queued"
    state = lab.state()
    assert [state.commands[id].status for id in state.messages] == ["refused", "queued"]
    run(lab.paths, limits=Limits(experiments=1))
    assert lab.state().experiments[-1].params["ALPHA"][1] == "0.4"
    late = lab.overnight("say", "-s", str(lab.root), "--instead", "last", "try ALPHA=0.5")
    assert late.returncode == 4 and "no message" in late.stderr


def test_a_message_can_be_taken_back_and_nothing_said_instead(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    run(lab.paths, limits=Limits(experiments=1))
    lab.overnight("say", "-s", str(lab.root), "try ALPHA=0.2")
    done = lab.overnight("say", "-s", str(lab.root), "--json", "--take-back")
    assert done.returncode == 0 and json.loads(done.stdout)["answer"] == "the message is taken back"
    assert lab.state().undelivered() == []
    late = lab.overnight("say", "-s", str(lab.root), "--take-back")
    assert late.returncode == 4 and "no message" in late.stderr
    both = lab.overnight("say", "-s", str(lab.root), "--take-back", "last", "and this")
    assert both.returncode == 2 and "--take-back says nothing" in both.stderr


def test_a_sessions_name_before_the_words_is_not_taken_for_one_of_them(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    run(lab.paths, limits=Limits(experiments=1))
    for verb in ("note", "say"):
        slip = lab.overnight(verb, "toy", "the fan is loud", "--sessions", str(tmp_path))
        assert slip.returncode == 2 and f"overnight {verb} -s toy TEXT" in slip.stderr
    assert not lab.state().commands
    meant = lab.overnight("note", "toy data are too easy", "--sessions", str(tmp_path))
    assert meant.returncode == 0 and [text for _, _, text in lab.state().notes] == ["toy data are too easy"]
