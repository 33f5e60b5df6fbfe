"""Signals to the engine, its starter and its group: the loop ends in order, or does not notice."""

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.session import inbox
from engine.session.locking import engine_of
from tests.faults.scene import FRONT, HANGS, PATIENCE_S, at_rest, daemon, gone, in_run, start, until, verb
from tests.loop.lab import BENCHMARK, ENV, Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "toy", benchmark=HANGS)


@contextmanager
def foreground(lab: Lab) -> Iterator["subprocess.Popen[str]"]:
    """A loop in the foreground, in a process group of its own; its second run hangs."""
    command = [*FRONT, "start", "-s", str(lab.root), "--foreground", "--json"]
    process = subprocess.Popen(
        command, env=ENV, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    )
    try:
        in_run(lab, 2)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_a_foreground_ended_by_a_signal_tells_it_and_leaves_the_tree_clean(lab: Lab, number: signal.Signals) -> None:
    with foreground(lab) as process:
        os.killpg(process.pid, number)
        out, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130 and '"interrupted":true' in out.replace(" ", "") and "Traceback" not in said
    if number == signal.SIGINT:
        assert "stopping" in said
    state = lab.state()
    assert state.engine is not None and number.name in state.engine.stop_reason
    assert "interrupted" in state.experiments[1].flags and "interrupted" in state.experiments[1].reason
    at_rest(lab)
    (lab.root / "autoresearch.sh").write_text(BENCHMARK)
    assert start(lab).returncode == 0
    at_rest(lab)


def test_an_impatient_second_ctrl_c_changes_nothing_about_the_order(lab: Lab) -> None:
    with foreground(lab) as process:
        for _ in range(3):
            os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    at_rest(lab)


def test_a_closed_terminal_does_not_touch_a_daemon(lab: Lab) -> None:
    """The starter runs on a terminal of its own, which is closed under it."""
    command = [*FRONT, "start", "-s", str(lab.root)]
    main, side = pty.openpty()
    script = (
        "import signal, subprocess, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); subprocess.run(sys.argv[1:]);"
        " print('started', flush=True); sys.stdin.read()"
    )  # of a suite that runs under nohup all children ignore it
    starter = subprocess.Popen(
        [sys.executable, "-c", script, *command], env=ENV, stdin=side, stdout=side, stderr=side, start_new_session=True
    )
    os.close(side)
    drained = threading.Thread(target=drain, args=(main,), daemon=True)
    drained.start()
    try:
        in_run(lab, 2)
        held = engine_of(lab.paths.lock)
        assert held is not None
        os.killpg(starter.pid, signal.SIGHUP)
        starter.wait(timeout=PATIENCE_S)
        assert verb(lab, "note", "still here").returncode == 0
        now = engine_of(lab.paths.lock)
        assert now is not None and now.pid == held.pid
        os.kill(held.pid, signal.SIGTERM)
        gone(lab)
    finally:
        starter.kill()
        starter.wait()
    at_rest(lab)


def drain(fd: int) -> None:
    try:
        while os.read(fd, 4096):
            pass
    except OSError:
        pass
    os.close(fd)


def test_sigterm_ends_a_daemon_in_order(lab: Lab) -> None:
    with daemon(lab) as pid:
        in_run(lab, 2)
        os.kill(pid, signal.SIGTERM)
        gone(lab)
    state = lab.state()
    assert state.engine is not None and not state.engine.failed and "SIGTERM" in state.engine.stop_reason
    assert "interrupted" in state.experiments[1].flags
    at_rest(lab)


def test_a_stopped_engine_answers_a_waiting_command_when_it_goes_on(lab: Lab) -> None:
    with daemon(lab) as pid:
        in_run(lab, 2)
        os.kill(pid, signal.SIGSTOP)
        try:
            done = verb(lab, "pause", "--wait", "0.2")
            assert done.returncode == 0 and "not answered yet" in done.stdout, done
            assert not lab.state().paused
        finally:
            os.kill(pid, signal.SIGCONT)
        lab.wait(lambda s: s.paused)
        assert verb(lab, "abort").returncode == 0
        lab.wait(lambda s: s.current is None)
        assert verb(lab, "stop").returncode == 0
        gone(lab)
    at_rest(lab)


def test_the_benchmarks_own_kill_of_its_group_does_not_reach_the_engine(tmp_path: Path) -> None:
    suicidal = BENCHMARK + 'test "$OVERNIGHT_RUN" != 2 || kill -9 0\n'
    lab = Lab(tmp_path / "toy", benchmark=suicidal)
    assert start(lab, "--experiments", "2").returncode == 0
    assert lab.state().experiments[1].status == "crash" and lab.state().experiments[2].status != "crash"
    at_rest(lab)


def test_a_run_that_reaches_for_the_engine_fails_or_is_told_as_interrupted_by_the_next(tmp_path: Path) -> None:
    murder = (
        'if [ "$OVERNIGHT_RUN" = 2 ]; then kill -9 "$(sed "s/.*pid.:\\([0-9]*\\).*/\\1/" .overnight/engine.lock)"; fi\n'
    )
    lab = Lab(tmp_path / "toy", benchmark=murder + BENCHMARK)
    done = start(lab)
    assert done.returncode in (0, -signal.SIGKILL)
    (lab.root / "autoresearch.sh").write_text(BENCHMARK)
    assert start(lab).returncode == 0
    assert ("interrupted" in lab.state().experiments[1].flags) == (done.returncode != 0)
    at_rest(lab)


def test_a_pause_outlives_the_engine_that_took_it(lab: Lab) -> None:
    with daemon(lab) as pid:
        in_run(lab, 2)
        assert verb(lab, "pause").returncode == 0
        os.kill(pid, signal.SIGKILL)
        gone(lab)
    (lab.root / "autoresearch.sh").write_text(BENCHMARK)
    with daemon(lab):
        lab.wait(lambda s: s.current is None and s.experiments[1].phase == "ended")
        assert lab.state().paused and len(lab.state().experiments) == 2
        assert verb(lab, "resume").returncode == 0
        lab.wait(lambda s: len(s.experiments) > 2)
        assert verb(lab, "stop").returncode == 0
        gone(lab)
    at_rest(lab)


def test_a_message_not_yet_delivered_when_the_engine_is_killed_is_delivered_once(lab: Lab) -> None:
    with daemon(lab) as pid:
        in_run(lab, 2)
        assert verb(lab, "say", "try ALPHA=0.33").returncode == 0
        os.kill(pid, signal.SIGKILL)
        gone(lab)
    (lab.root / "autoresearch.sh").write_text(BENCHMARK)
    assert start(lab, "--experiments", "3").returncode == 0
    state = lab.state()
    assert [e.params.get("ALPHA", ("", ""))[1] for e in state.experiments].count("0.33") == 1
    command = state.commands[state.messages[0]]
    assert command.status == "done" and len(state.messages) == 1
    at_rest(lab)


def test_a_command_that_waits_in_the_inbox_of_a_killed_engine_reaches_the_next(lab: Lab) -> None:
    with daemon(lab) as pid:
        in_run(lab, 2)
        os.kill(pid, signal.SIGSTOP)
        request = inbox.request("note", {"text": "kept"}, "tester")
        inbox.send(lab.paths.inbox, request)
        os.kill(pid, signal.SIGKILL)
        gone(lab)
    (lab.root / "autoresearch.sh").write_text(BENCHMARK)
    assert start(lab).returncode == 0
    until(lambda: len(lab.state().notes) == 1, "the note")
    at_rest(lab)
