"""kill -9 of the engine at any moment: `start` goes on, nothing is lost or told twice, no child is left over."""

import os
import signal
import time
from pathlib import Path

import pytest

from engine.loop.main import run
from engine.session import events as ev
from engine.session import inbox, journal, publiclog
from engine.session.cookie import session_id
from engine.session.settings import Limits
from engine.work import sweep
from tests.loop.lab import BENCHMARK, Lab

SLOW = BENCHMARK + "sleep 0.05\n"
KINDS = [
    ev.EngineStarted,
    ev.SegmentOpened,
    ev.ExperimentBegan,
    ev.ChangeAccepted,
    ev.ChangeCommitted,
    ev.TrialBegan,
    ev.TrialEnded,
    ev.Decided,
    ev.TreeSettled,
    ev.Learnt,
    ev.ExperimentEnded,
]


def whole(lab: Lab) -> None:
    """The promises of design section 3 and 4 about a session at rest."""
    state = lab.state()
    results = publiclog.read_log(lab.paths.public_log)
    assert not results.problems
    assert [r.run for r in results.results] == [e.run for e in state.experiments if e.phase == "ended"]
    assert [e.run for e in state.experiments] == list(range(1, len(state.experiments) + 1))
    champion = state.champion
    assert champion is not None
    assert lab.git("show", "HEAD:train.py") == lab.git("show", f"{champion.commit}:train.py")
    assert lab.git("status", "--porcelain", "train.py") == ""
    assert sweep.find(session_id(lab.root)) == []
    commits = lab.git("log", "--format=%(trailers:key=Overnight-Run,valueonly)").split()
    assert len(commits) == len(set(commits)), "an experiment was committed twice"


def kill_when(lab: Lab, kind: type, run: int) -> None:
    """Start an engine and kill it as soon as the journal holds an event of that kind for that run or a later one."""
    engine = lab.engine()
    follower = journal.Follower(lab.paths.journal)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(isinstance(e, kind) and getattr(e, "run", run) >= run for e in follower.poll()):
            break
        time.sleep(0.001)
    engine.kill()
    engine.communicate(timeout=60)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_killed_after_each_kind_of_event(tmp_path: Path, kind: type) -> None:
    lab = Lab(tmp_path / "toy", benchmark=SLOW)
    kill_when(lab, kind, 3 if issubclass(kind, (ev.ChangeAccepted, ev.ExperimentBegan)) else 2)
    ended = [e.run for e in lab.state().experiments if e.phase == "ended"]
    run(lab.paths, limits=Limits(experiments=2))
    whole(lab)
    state = lab.state()
    assert [e.run for e in state.experiments][: len(ended)] == ended
    assert len(state.experiments) >= 3


def test_killed_while_training_no_process_is_left_and_the_interruption_is_told(tmp_path: Path) -> None:
    stubborn = BENCHMARK + 'test "$OVERNIGHT_RUN" = 1 || { trap "" TERM; setsid sleep 1000 & sleep 1000; }\n'
    lab = Lab(tmp_path / "toy", benchmark=stubborn)
    engine = lab.engine()
    lab.wait(lambda s: s.current is not None and s.current.run == 2 and s.current.trials)
    deadline = time.monotonic() + 60
    while not sweep.find(session_id(lab.root)) and time.monotonic() < deadline:
        time.sleep(0.02)
    engine.kill()
    engine.communicate(timeout=60)
    (lab.root / "autoresearch.sh").write_text(BENCHMARK)
    run(lab.paths, limits=Limits(experiments=1))
    state = lab.state()
    assert "interrupted" in state.experiments[1].flags and state.experiments[1].status == "crash"
    assert sweep.find(session_id(lab.root)) == []
    whole(lab)


def test_killed_ten_times_at_moments_of_its_own_the_session_is_whole(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=SLOW)
    seen = 0
    for turn in range(10):
        engine = lab.engine()
        target = seen + 5 + 7 * turn % 11
        lab.wait(lambda s, least=target: s.events >= least)
        engine.kill()
        engine.communicate(timeout=60)
        seen = lab.state().events
    run(lab.paths, limits=Limits(experiments=1))
    whole(lab)


def test_a_command_claimed_by_a_killed_engine_is_carried_out_once(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    run(lab.paths, limits=Limits(experiments=1))
    path = inbox.send(lab.paths.inbox, inbox.request("note", {"text": "remember"}, "tester"))
    _, request = inbox.claim(path)
    run(lab.paths, limits=Limits(experiments=1))
    state = lab.state()
    assert [text for _, _, text in state.notes] == ["remember"] and state.commands[request.id].status == "done"
    inbox.send(lab.paths.inbox, request)  # as if the claim's file had outlived the journal's line
    run(lab.paths, limits=Limits(experiments=1))
    assert len(lab.state().notes) == 1


def test_an_edit_made_while_no_engine_ran_survives_the_next_start(tmp_path: Path) -> None:
    """The work tree holds a person's edit when a change is in flight: it is saved under a reference and told."""
    lab = Lab(tmp_path / "toy", benchmark=BENCHMARK + 'test "$OVERNIGHT_RUN" = 1 || sleep 1000\n')
    engine = lab.engine()
    lab.wait(lambda s: s.current is not None and s.current.run == 2 and s.current.trials)
    os.kill(engine.pid, signal.SIGKILL)
    engine.communicate(timeout=60)
    (lab.root / "train.py").write_text("ALPHA = 0.123456\nBETA = 0.5\n")
    (lab.root / "autoresearch.sh").write_text(BENCHMARK)
    run(lab.paths, limits=Limits(experiments=1))
    refs = lab.git("for-each-ref", "--format=%(refname)", "refs/overnight/toy/rescue").split()
    assert any("0.123456" in lab.git("show", f"{ref}:train.py") for ref in refs)
    assert any("saved as" in text for _, text in lab.state().troubles)
    whole(lab)
