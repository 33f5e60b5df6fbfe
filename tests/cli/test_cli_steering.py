"""Verbs that steer: with a real engine through its inbox, without one at once, and refused with exit 4 when stale."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.session.inbox import Seen, request, send, waiting
from engine.session.locking import holder
from tests.loop.lab import BENCHMARK, ENV, Lab

SLOW = "touch began\nuntil test -e go; do sleep 0.05; done\n" + BENCHMARK
"""A benchmark that waits until the test lets it go on."""


@pytest.fixture
def lab(sessions: Path) -> Iterator[Lab]:
    """A session whose benchmark waits for a file `go`, and whose engine is ended afterwards."""
    lab = Lab(sessions / "slow", SLOW)
    (lab.root / ".git/info/exclude").write_text("began\ngo\n")
    yield lab
    (lab.root / "go").touch()
    held = holder(lab.paths.lock)
    if held is not None and held.kind == "engine":
        os.kill(held.pid, signal.SIGTERM)
        lab.wait(lambda state: state.engine is not None and state.engine.stopped_at)


def started(lab: Lab, overnight) -> dict:
    """Its daemon, once the baseline's trial is under way."""
    said = overnight("start", "slow", "--json")
    assert said.code == 0, said.err
    lab.wait(lambda state: state.current is not None and state.current.trials)
    return said.json


def test_start_is_a_daemon_that_status_sees_and_a_second_start_is_refused(lab, overnight) -> None:
    launched = started(lab, overnight)
    found = overnight("status", "--json").json
    assert found["engine"]["pid"] == launched["pid"]
    assert found["state"].startswith("training run 1")
    again = overnight("start", "slow", "--json")
    assert again.code == 4
    assert f"process {launched['pid']}" in again.json["error"]


def test_a_gpu_that_is_not_there_is_refused_with_what_there_is(lab, overnight) -> None:
    for words in (("--gpu", "77"), ("--gpu", "GPU-of-nobody", "--foreground")):
        said = overnight("start", "slow", *words, "--json")
        assert said.code == 4
        assert f"--gpu is {words[1]}, but there is no such GPU" in said.json["error"]
    assert lab.state().engine is None


def test_pause_resume_and_stop_reach_a_running_engine(lab, overnight) -> None:
    started(lab, overnight)
    said = overnight("pause", "slow", "--reason", "lunch", "--json")
    assert said.code == 0 and said.json["status"] == "done"
    assert said.json["answer"] == "pauses after run 1"
    assert "pausing after it" in overnight("status").out
    (lab.root / "go").touch()
    lab.wait(lambda state: state.current is None and state.paused)
    assert overnight("resume", "slow").code == 0
    lab.wait(lambda state: len(state.experiments) >= 2)
    assert overnight("stop", "slow").code == 0
    state = lab.wait(lambda state: state.engine is not None and state.engine.stopped_at)
    assert state.engine is not None and not state.engine.failed


def test_abort_ends_the_experiment_under_way(lab, overnight) -> None:
    started(lab, overnight)
    said = overnight("abort", "slow", "--json")
    assert said.json["status"] == "done"
    state = lab.wait(lambda state: state.experiments[0].status)
    assert state.experiments[0].status == "crash"


def test_a_stale_abort_is_refused_by_the_engine_with_its_reason(lab, overnight) -> None:
    started(lab, overnight)
    command = request("abort", {}, "ada", Seen(run=7))
    send(lab.paths.inbox, command)
    state = lab.wait(lambda state: command.id in state.commands and state.commands[command.id].status != "queued")
    assert state.commands[command.id].status == "refused"
    assert "meant for run 7" in state.commands[command.id].answer


def test_a_message_to_a_running_engine_is_queued_and_counted(lab, overnight) -> None:
    started(lab, overnight)
    said = overnight("say", "freeze", "ALPHA", "-s", "slow", "--json")
    assert said.code == 0 and said.json["status"] == "queued"
    assert overnight("status", "--json").json["messages_waiting"] == 1
    assert lab.state().commands[said.json["id"]].args == {"text": "freeze ALPHA"}


@pytest.mark.parametrize("verb", ["stop", "abort"])
def test_without_an_engine_stop_and_abort_are_refused(overnight, story, verb: str) -> None:
    story.night().stop()
    said = overnight(verb, "--json")
    assert said.code == 4
    assert "no engine is running" in said.json["error"]
    assert not waiting(story.paths.inbox)


def test_revert_names_the_champion_that_comes_back_and_the_keeps_withdrawn(overnight, story) -> None:
    story.night().stop()
    dry = overnight("revert", "2", "--dry-run", "--json").json
    assert (dry["champion"], dry["metric"], dry["withdrawn"]) == (1, 2.0, [5])
    assert story.state().champion.run == 5
    said = overnight("revert", "2", "--reason", "noise", "--json")
    assert said.code == 0 and said.json["status"] == "done"
    assert said.json["withdrawn"] == [5] and "run 5" in said.json["answer"]
    state = story.state()
    assert state.champion.run == 1
    assert [e.status for e in state.experiments] == ["keep", "discard", "discard", "crash", "discard"]
    assert "ALPHA = 0.9  # first" in (story.root / "train.py").read_text()
    assert story.git("status", "--porcelain", "--", "train.py") == ""


def test_undo_takes_the_last_decision_back(overnight, story) -> None:
    story.night().stop()
    before = (story.root / "train.py").read_text()
    assert overnight("keep", "3").code == 0
    assert story.state().champion.run == 3
    assert "ALPHA = 0.3  # first" in (story.root / "train.py").read_text()
    assert overnight("undo").code == 0
    assert story.state().champion.run == 5
    assert (story.root / "train.py").read_text() == before
    assert overnight("undo").code == 4


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("revert", "1"), "baseline"),
        (("revert", "3"), "not part of the champion"),
        (("keep", "4"), "no metric"),
        (("keep", "5"), "already part"),
        (("keep", "77"), "1 to 5"),
        (("undo",), "no revert or keep"),
    ],
)
def test_decisions_that_cannot_be_are_refused_and_change_nothing(overnight, story, words, why: str) -> None:
    story.night().stop()
    before = story.paths.journal.read_bytes()
    said = overnight(*words)
    assert said.code == 4
    assert why in said.err
    assert story.paths.journal.read_bytes() == before


def test_pause_without_an_engine_holds_for_the_next_one(overnight, story) -> None:
    story.night().stop()
    assert overnight("pause").code == 0
    assert story.state().paused
    assert "paused by" in overnight("status").out
    assert overnight("resume").code == 0
    assert not story.state().paused


def test_notes_are_kept_with_their_author(overnight, story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERNIGHT_OPERATOR", "ada")
    story.night().stop()
    assert overnight("note", "looks", "like", "noise", "--run", "3").code == 0
    assert overnight("note", "a quiet night").code == 0
    assert story.state().experiments[2].notes == ["ada: looks like noise"]
    assert story.state().notes[-1][1:] == ("ada", "a quiet night")
    assert "ada: looks like noise" in overnight("show", "3").out
    assert overnight("note", "x", "--run", "9").code == 4
    assert overnight("note", " ").code == 2


def test_edit_keeps_comments_and_is_committed(overnight, story) -> None:
    story.night().stop()
    story.paths.settings.write_text("# mine\n[gate]\njump = 0  # off\n")
    story.git("commit", "-qam", "settings")
    said = overnight("edit", "gate.kind", "confirm", "--json")
    assert said.code == 0 and said.json["status"] == "done" and said.json["opens_segment"] is False
    text = story.paths.settings.read_text()
    assert "# mine" in text and "# off" in text and 'kind = "confirm"' in text
    assert story.git("status", "--porcelain", "--", "overnight.toml") == ""
    assert overnight("edit", "run.timeout_s", "60", "--json").json["opens_segment"] is True


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("gate.kind", "lucky", "'greedy' or 'confirm'"),
        ("run.timeout_s", "soon", "a number"),
        ("gate.pairs", "0", "at least 1"),
        ("gate.nothing", "1", "one of"),
        ("nothing", "1", "section.key"),
    ],
)
def test_a_bad_setting_is_refused_before_it_is_sent(overnight, story, key: str, value: str, allowed: str) -> None:
    before = story.paths.settings.read_text()
    said = overnight("edit", key, value)
    assert said.code == 4
    assert allowed in said.err
    assert story.paths.settings.read_text() == before
    assert not story.state().commands


def test_foreground_narrates_and_ends_at_its_limit(sessions: Path) -> None:
    lab = Lab(sessions / "toy")
    done = lab.overnight("start", str(lab.root), "--foreground", "--experiments", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["experiments"] == 3
    assert "engine started" in done.stderr and "run 1   keep" in done.stderr and "engine stopped" in done.stderr
    assert "\x1b" not in done.stderr
    assert len([line for line in lab.public() if '"run"' in line]) == 3


def test_interrupting_the_foreground_is_told_and_is_130(lab) -> None:
    words = [sys.executable, "-m", "engine.cli.front", "start", str(lab.root), "--foreground"]
    process = subprocess.Popen(words, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lab.wait(lambda state: state.current is not None and state.current.trials)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping: the running experiment is aborted" in err
    state = lab.state()
    assert state.engine is not None and state.engine.stopped_at
    assert holder(lab.paths.lock) is None


@pytest.mark.parametrize("words", [("--experiments", "-1"), ("--hours", "nan"), ("--hours", "soon")])
def test_a_limit_that_is_none_is_wrong_usage(overnight, story, words) -> None:
    assert overnight("start", *words).code == 2


def test_a_dirty_tree_refuses_the_start_and_loses_nothing(overnight, sessions: Path) -> None:
    lab = Lab(sessions / "toy")
    (lab.root / "train.py").write_text("mine = 1\n")
    said = overnight("start", "toy")
    assert said.code == 4
    assert "train.py" in said.err
    assert (lab.root / "train.py").read_text() == "mine = 1\n"
