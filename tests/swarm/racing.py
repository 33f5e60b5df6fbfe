"""Members in processes of their own, started together."""

import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from engine.swarm.store.store import Store

ROOT = Path(__file__).parents[2]
LONGEST_S = 500


class Race(NamedTuple):
    """What the processes counted together, and the seconds from the start to the last one's end."""

    granted: int
    refused: int
    seconds: float


def begin(url: str, store: Store, name: str, what: str, argument: str) -> "subprocess.Popen[str]":
    """A member that is ready and waits for a line."""
    command = [sys.executable, "-m", "tests.swarm.claimer", url, name, store.invite(), what, argument]
    found = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert found.stdout is not None
    return found


def ready(process: "subprocess.Popen[str]") -> None:
    """Wait until it is."""
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def race(url: str, store: Store, processes: int, changes: int) -> Race:
    """All processes try to claim and publish all changes."""
    started = [begin(url, store, f"m{number}", "race", str(changes)) for number in range(processes)]
    try:
        for process in started:
            ready(process)
        began = time.perf_counter()
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [process.communicate(timeout=LONGEST_S)[0].split() for process in started]
        seconds = time.perf_counter() - began
        assert all(process.returncode == 0 for process in started)
    finally:
        for process in started:
            process.kill()
    return Race(sum(int(one[0]) for one in told), sum(int(one[1]) for one in told), seconds)
