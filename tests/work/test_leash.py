"""The leash ends whole trees and tells truthfully how they ended: real processes throughout."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.work import leash, sweep

TREE = """
import os, signal, sys
folder = sys.argv[1]
def settle(name, deaf):
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(os.path.join(folder, name), "w").close()
    while True:
        signal.pause()
if os.fork() == 0:
    os.setsid()
    settle("own-session", False)
if os.fork() == 0:
    if os.fork():
        os._exit(0)
    settle("double-forked", False)
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    settle("deaf-daemon", True)
settle("main", True)
"""


def until(true: Callable[[], bool]) -> None:
    """Wait for a condition, a minute at most."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)


@pytest.fixture
def cookie(request: pytest.FixtureRequest) -> str:
    return f"test-{os.getpid()}-{request.node.name}:1:1"


def begin(tmp_path: Path, cookie: str, *argv: str, limit_s: float = 0, grace_s: float = 60) -> leash.Leashed:
    return leash.start(
        argv,
        cwd=tmp_path,
        env=dict(os.environ),
        limit_s=limit_s,
        stdout=tmp_path / "out.txt",
        grace_s=grace_s,
        cookie=cookie,
    )


def begin_tree(tmp_path: Path, cookie: str, **limits: float) -> leash.Leashed:
    folder = tmp_path / "settled"
    folder.mkdir()
    leashed = begin(tmp_path, cookie, sys.executable, "-c", TREE, str(folder), **limits)
    until(lambda: len(list(folder.iterdir())) == 4)
    return leashed


def test_an_exit_code_and_the_output_come_back(tmp_path: Path, cookie: str) -> None:
    ending = begin(tmp_path, cookie, "bash", "-c", "echo out; echo err >&2; exit 3").ended()
    assert (ending.cause, ending.exit_code, ending.signal, ending.killed) == ("exited", 3, None, [])
    assert not ending.clean
    assert sorted((tmp_path / "out.txt").read_text().split()) == ["err", "out"]


def test_a_signal_of_the_childs_own_is_told_as_such(tmp_path: Path, cookie: str) -> None:
    ending = begin(tmp_path, cookie, "bash", "-c", "kill -SEGV $$").ended()
    assert (ending.cause, ending.exit_code, ending.signal, ending.killed) == ("exited", None, 11, [])


def test_a_program_that_does_not_exist_is_told(tmp_path: Path, cookie: str) -> None:
    ending = begin(tmp_path, cookie, "no-such-program-here").ended()
    assert ending.cause == "not_started"
    assert "No such file" in ending.why


def test_a_folder_that_does_not_exist_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(leash.LeashError, match="nowhere"):
        leash.start(["true"], cwd=tmp_path / "nowhere", env={})
    with pytest.raises(leash.LeashError, match="no command"):
        leash.start([], cwd=tmp_path, env={})


def test_terminate_ends_a_tree_that_scattered_itself_and_ignores_sigterm(tmp_path: Path, cookie: str) -> None:
    leashed = begin_tree(tmp_path, cookie, grace_s=1.5)
    assert leashed.poll() is None
    leashed.terminate("aborted by\n the operator")
    ending = leashed.ended()
    assert (ending.cause, ending.why, ending.signal) == ("terminated", "aborted by the operator", 9)
    assert sorted(one.forced for one in ending.killed) == [False, False, True, True]
    assert ending.left == []
    assert sweep.find(cookie) == []


def test_the_limit_ends_the_whole_tree(tmp_path: Path, cookie: str) -> None:
    script = "trap '' TERM; (trap '' TERM; sleep 1000; sleep 1000) & sleep 1000; sleep 1000"
    ending = begin(tmp_path, cookie, "bash", "-c", script, limit_s=0.5, grace_s=0.2).ended()
    assert ending.timed_out
    assert ending.wall_s >= 0.5
    assert ending.killed
    assert sweep.find(cookie) == []


def test_helpers_left_behind_by_a_good_run_are_ended_and_named(tmp_path: Path, cookie: str) -> None:
    ending = begin(tmp_path, cookie, "bash", "-c", "sleep 1000 & exit 0").ended()
    assert ending.clean
    assert len(ending.killed) == 1
    assert sweep.find(cookie) == []


def test_a_tree_that_forks_anew_when_asked_to_end_is_ended(tmp_path: Path, cookie: str) -> None:
    script = "trap 'sleep 1000 & sleep 1000 &' TERM; touch set; while :; do sleep 0.05; done"
    leashed = begin(tmp_path, cookie, "bash", "-c", script, grace_s=0.5)
    until((tmp_path / "set").exists)
    leashed.terminate("enough")
    assert leashed.ended().left == []
    assert sweep.find(cookie) == []


def test_a_stopped_process_follows_sigterm(tmp_path: Path, cookie: str) -> None:
    leashed = begin(tmp_path, cookie, "bash", "-c", "touch here; kill -STOP $$; sleep 1000")
    until((tmp_path / "here").exists)
    leashed.terminate("enough")
    assert not any(one.forced for one in leashed.ended().killed)


def test_a_sigterm_to_the_leashs_group_is_survived_long_enough_to_end_the_tree(tmp_path: Path, cookie: str) -> None:
    leashed = begin_tree(tmp_path, cookie, grace_s=0.2)
    os.killpg(leashed.pid, 15)
    ending = leashed.ended()
    assert (ending.cause, len(ending.killed)) == ("terminated", 4)
    assert "SIGTERM" in ending.why
    assert sweep.find(cookie) == []


def test_a_child_that_signals_its_own_group_does_not_hit_the_leash(tmp_path: Path, cookie: str) -> None:
    ending = begin(tmp_path, cookie, "bash", "-c", "kill -KILL 0; sleep 1000").ended()
    assert (ending.cause, ending.signal) == ("exited", 9)


def test_the_child_inherits_no_descriptors_and_no_ignored_signals(tmp_path: Path, cookie: str) -> None:
    program = (
        "import os\nprint(sorted(map(int, os.listdir('/proc/self/fd'))))\n"
        "for line in open('/proc/self/status'):\n    if line.startswith('SigIgn'): print(line.split()[1])\n"
    )
    assert begin(tmp_path, cookie, "sh", "-c", "cat /proc/self/status; ls -l /proc/self/fd").ended().clean
    listing = (tmp_path / "out.txt").read_text()
    ignored = int(listing.split("SigIgn:")[1].split()[0], 16)
    assert not ignored & (1 << 0 | 1 << 12 | 1 << 14 | 1 << 24), "HUP, PIPE, TERM and XFSZ are at their defaults"
    assert "pipe:" not in listing
    assert begin(tmp_path, cookie, sys.executable, "-I", "-c", program).ended().clean
    assert (tmp_path / "out.txt").read_text().startswith("[0, 1, 2, 3]")


def test_the_childs_python_variables_reach_it_and_do_not_touch_the_leash(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONHOME": "/nowhere", "PYTHONPATH": str(tmp_path)}
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    leashed = leash.start(["sh", "-c", "echo $PYTHONHOME"], cwd=tmp_path, env=env, stdout=tmp_path / "out.txt")
    assert leashed.ended().clean
    assert (tmp_path / "out.txt").read_text() == "/nowhere\n"


def test_the_end_can_be_waited_for_with_a_limit_and_in_a_select_loop(tmp_path: Path, cookie: str) -> None:
    leashed = begin(tmp_path, cookie, "sh", "-c", "read line", limit_s=60)
    leashed.ended()
    leashed = begin(tmp_path, cookie, "sleep", "1000")
    assert leashed.wait(0.05) is None
    leashed.terminate("enough")
    while leashed.poll() is None:
        assert select.select([leashed.fileno()], [], [], 60)[0]
    assert leashed.wait(0) == leashed.ended()
    leashed.terminate("a second time, which changes nothing")
