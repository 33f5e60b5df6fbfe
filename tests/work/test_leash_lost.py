"""Nothing outlives a killed engine or a killed leash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.session.cookie import COOKIE, belongs, cookie, cookie_of
from engine.work import leash, sweep

REPOSITORY = Path(__file__).parents[2]
ENGINE = """
import os, signal, sys
from pathlib import Path
from engine.work import leash, sweep
sweep.become_subreaper()
script = "trap '' TERM; (trap '' TERM; touch one; sleep 1000; sleep 1000) & touch two; sleep 1000; sleep 1000"
leash.start(["bash", "-c", script], cwd=Path(sys.argv[1]), env=dict(os.environ), grace_s=0.2, cookie=sys.argv[2])
signal.pause()
"""


def until(true: Callable[[], bool]) -> None:
    """Wait for a condition, a minute at most."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)


def test_when_the_engine_is_killed_the_lifeline_ends_the_tree(tmp_path: Path) -> None:
    mark = cookie(f"lost-engine-{os.getpid()}", 1, 1)
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    engine = subprocess.Popen([sys.executable, "-c", ENGINE, str(tmp_path), mark], env=env)
    until(lambda: (tmp_path / "one").exists() and (tmp_path / "two").exists())
    assert len(sweep.find(mark)) >= 2
    engine.kill()
    engine.wait()
    until(lambda: not sweep.find(mark))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_when_the_leash_is_killed_the_sweep_ends_the_tree(tmp_path: Path, number: int) -> None:
    mark = cookie(f"lost-leash-{os.getpid()}", number, 1)
    script = "(trap '' TERM; touch one; sleep 1000; sleep 1000) & sleep 1000"
    leashed = leash.start(["bash", "-c", script], cwd=tmp_path, env=dict(os.environ), grace_s=0.2, cookie=mark)
    until((tmp_path / "one").exists)
    os.kill(leashed.pid, number)
    ending = leashed.ended()
    assert ending.cause == "leash_lost"
    assert signal.Signals(number).name in ending.why
    assert any(one.forced for one in ending.killed)
    assert sweep.find(mark) == []


def test_a_sweep_ends_what_carries_the_cookie_and_nothing_else(tmp_path: Path) -> None:
    session = f"sweep-{os.getpid()}"
    started = {}
    for run in (7, 70):
        env = {**os.environ, COOKIE: cookie(session, run, 1)}
        started[run] = subprocess.Popen(["sleep", "1000"], env=env, start_new_session=True)
    until(lambda: len(sweep.find(session)) == 2)
    killed = sweep.sweep(f"{session}:7", grace_s=60)
    assert [(one.pid, one.forced) for one in killed] == [(started[7].pid, False)]
    assert [one.pid for one in sweep.find(session)] == [started[70].pid]
    sweep.sweep(session)
    assert sweep.find(session) == []
    assert sweep.sweep(session) == []
    for one in started.values():
        one.wait()


def test_a_sweep_spares_itself_and_those_above_it() -> None:
    mark = f"self-{os.getpid()}"
    program = f"from engine.work import sweep; print([len(sweep.sweep({mark!r})), 'alive'])"
    env = {**os.environ, COOKIE: f"{mark}:1:1", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1"; echo parent too', sys.executable, program],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[0, 'alive']\nparent too\n"


def test_an_empty_cookie_is_refused_as_it_would_name_nothing_or_everything() -> None:
    with pytest.raises(ValueError, match="cookie"):
        sweep.sweep("")
    with pytest.raises(ValueError, match="colon"):
        cookie("a:b", 1, 1)


def test_a_cookie_belongs_to_whole_parts_only() -> None:
    assert belongs("mar5:7:1", "mar5") and belongs("mar5:7:1", "mar5:7") and belongs("mar5:7:1", "mar5:7:1")
    assert not belongs("mar5:70:1", "mar5:7")
    assert not belongs("mar55:7:1", "mar5")
    assert not belongs(None, "mar5") and not belongs("mar5:7:1", "")


def test_a_process_tells_its_cookie_and_one_without_none() -> None:
    plain = {name: value for name, value in os.environ.items() if name != COOKIE}
    marked = subprocess.Popen(["sleep", "1000"], env={**plain, COOKIE: "s:1:2"})
    bare = subprocess.Popen(["sleep", "1000"], env=plain)
    try:
        until(lambda: cookie_of(marked.pid) == "s:1:2")
        assert cookie_of(bare.pid) is None
    finally:
        for one in (marked, bare):
            one.kill()
            one.wait()
    assert cookie_of(marked.pid) is None
