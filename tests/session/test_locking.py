"""The engine's lock, held and lost by real processes."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.session.locking import Held, Lock, holder

HOLD = """
import sys
from pathlib import Path
from engine.session.locking import Lock
lock = Lock(Path(sys.argv[1]), "the child's start")
print("held", flush=True)
sys.stdin.read()
"""


def child(path: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def ended(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate(timeout=60)


def test_a_lock_names_its_holder_while_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "engine.lock"
    assert holder(path) is None
    with Lock(path, "start 1") as lock:
        assert lock.holder == holder(path)
        assert (lock.holder.pid, lock.holder.host) == (os.getpid(), socket.gethostname())
        assert (lock.holder.start_id, lock.holder.kind) == ("start 1", "engine")
    assert holder(path) is None
    lock.release()


def test_a_second_one_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    process = child(path)
    try:
        with pytest.raises(Held, match=f"process {process.pid} on .* holds {path}") as held:
            Lock(path, "mine")
        assert held.value.holder is not None and held.value.holder.start_id == "the child's start"
        assert holder(path) == held.value.holder, "the refused one left the holder's name alone"
    finally:
        ended(process)


def test_a_killed_holders_lock_is_free_and_its_name_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    process = child(path)
    process.send_signal(signal.SIGKILL)
    ended(process)
    assert path.read_bytes()
    assert holder(path) is None
    with Lock(path, "next") as lock:
        assert holder(path) == lock.holder


def test_looking_at_who_holds_it_never_gets_in_the_way_of_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    Lock(path, "earlier").release()
    looking = os.open(path, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)  # `holder`, caught in the middle
    taken: list[Lock] = []
    taking = threading.Thread(target=lambda: taken.append(Lock(path, "mine")))
    taking.start()
    taking.join(0.05)
    os.close(looking)
    taking.join(60)
    assert taken and holder(path) == taken[0].holder
    taken[0].release()


def test_a_text_that_is_no_holder_is_a_holder_unknown(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    lock = Lock(path, "mine")
    path.write_bytes(b"\xff{")
    found = holder(path)
    assert found is not None and found.pid == 0
    with pytest.raises(Held, match="another process holds") as held:
        Lock(path, "other")
    assert held.value.holder is None
    lock.release()


def test_the_lock_is_not_inherited_by_what_an_engine_runs(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    lock = Lock(path, "mine")
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        lock.release()
        Lock(path, "next").release()
    finally:
        sleeper.kill()
        sleeper.wait()
