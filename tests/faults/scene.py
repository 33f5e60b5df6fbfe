"""What the fault tests share: the real command as a user types it, and a look at what a refusal must leave alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from engine.session import publiclog
from engine.session.cookie import session_id
from engine.session.locking import engine_of
from engine.work import sweep
from tests.loop.lab import BENCHMARK, ENV, Lab

HANGS = BENCHMARK + 'test "$OVERNIGHT_RUN" = 1 || sleep 1000\n'
"""A benchmark whose baseline is quick and whose experiments never end."""
FRONT = [sys.executable, "-m", "engine.cli.front"]
PATIENCE_S = 60.0


def verb(
    lab: Lab, *words: str, env: Mapping[str, str] = ENV, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """`overnight VERB … -s SESSION`, ended. `prefix`: a program that starts it, with its arguments."""
    command = [*prefix, *FRONT, words[0], "-s", str(lab.root), *words[1:]]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False
    )


def start(
    lab: Lab, *words: str, env: Mapping[str, str] = ENV, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """One experiment after the baseline, in the foreground."""
    return verb(lab, "start", "--foreground", "--experiments", "1", *words, env=env, prefix=prefix)


def until(true: Callable[[], object], what: str = "it") -> None:
    """Wait until `true()`. Errors: AssertionError after a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"{what} never came true"
        time.sleep(0.02)


@contextmanager
def daemon(lab: Lab, *words: str) -> Iterator[int]:
    """A daemon started by the verb; its process id. Killed at the end if it is still there."""
    done = verb(lab, "start", *words)
    assert done.returncode == 0, done.stderr
    held = engine_of(lab.paths.lock)
    assert held is not None
    try:
        yield held.pid
    finally:
        if engine_of(lab.paths.lock) is not None:
            os.kill(held.pid, signal.SIGKILL)
            gone(lab)
        sweep.sweep(session_id(lab.root))


def gone(lab: Lab) -> None:
    """Wait until no engine holds the session."""
    until(lambda: engine_of(lab.paths.lock) is None, "the engine's end")


def in_run(lab: Lab, run: int) -> None:
    """Wait until a trial of `run` is on and sleeps: its script has been read, and may be changed for the next."""
    lab.wait(lambda s: s.current is not None and s.current.run == run and s.current.trials)
    until(lambda: any(one.name == "sleep" for one in sweep.find(session_id(lab.root))), "the run's sleep")


def seen(lab: Lab) -> dict[str, object]:
    """Everything that a refused verb must leave as it is: files, commits, references, journal, public log."""
    files = {
        str(path.relative_to(lab.root)): path.read_bytes()
        for path in sorted(lab.root.rglob("*"))
        if path.is_file() and not {".git", ".overnight"} & set(path.relative_to(lab.root).parts)
    }
    journal = lab.paths.journal.read_bytes() if lab.paths.journal.exists() else b""
    git = lab.git("for-each-ref"), lab.git("status", "--porcelain") if (lab.root / ".git" / "HEAD").exists() else ""
    return {"files": files, "journal": journal, "git": git}


def at_rest(lab: Lab) -> None:
    """Between experiments: the champion's files, one line a result, nothing left running, each run committed once."""
    state, log = lab.state(), publiclog.read_log(lab.paths.public_log)
    champion = state.champion
    assert champion is not None and state.current is None
    assert lab.git("show", "HEAD:train.py") == lab.git("show", f"{champion.commit}:train.py")
    assert lab.git("status", "--porcelain", "train.py") == ""
    assert not log.problems and [r.run for r in log.results] == [e.run for e in state.experiments]
    assert sweep.find(session_id(lab.root)) == []
    runs = lab.git("log", "--format=%(trailers:key=Overnight-Run,valueonly)").split()
    assert len(runs) == len(set(runs)), "an experiment was committed twice"
