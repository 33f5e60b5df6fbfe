"""The engine's side of the leash: start a child under `leashed.py`, wait for it, end it, learn how it ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from engine.session.cookie import COOKIE
from engine.work import leashed, sweep

PROGRAM = Path(leashed.__file__)
GRACE_S = 5.0
"""Seconds between SIGTERM and SIGKILL."""


class LeashError(Exception):
    """A child could not be put on the leash; the message is the whole text for the operator."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a leashed child ended. Exactly one of `exit_code` and `signal` is set when the child ran to an end.

    `cause`: `exited` (by itself, whatever its code), `timeout`, `terminated` (asked by `terminate`, or the leash was
    sent SIGTERM), `engine_gone`, `not_started` (`why` says what the system said), `leash_lost` (the leash itself was
    killed; the tree was then swept by its cookie).
    `killed`: whom the leash had to signal, helpers left behind by a child that exited included.
    `left`: whom not even SIGKILL could end (they hang in the kernel). `oom_kills`: the kernel's kills for want of
    memory meanwhile, in the whole machine. `peak_rss_mb`: the most resident memory that one process of the tree had.
    """

    cause: str
    why: str = ""
    exit_code: int | None = None
    signal: int | None = None
    wall_s: float = 0.0
    killed: list[sweep.Killed] = []
    left: list[sweep.Killed] = []
    oom_kills: int = 0
    peak_rss_mb: float = 0.0

    @property
    def clean(self) -> bool:
        """The child exited by itself with code 0."""
        return self.cause == "exited" and self.exit_code == 0

    @property
    def timed_out(self) -> bool:
        """The wall limit ended it."""
        return self.cause == "timeout"


class Leashed:
    """A child on the leash. Every method may be called from any thread."""

    def __init__(self, leash: subprocess.Popen[bytes], lifeline: int, result: int, cookie: str, grace_s: float) -> None:
        self.pid = leash.pid
        """The leash's own pid, which is also its process session's id."""
        self.child_pid: int | None = None
        """The child's pid, once the leash has told it (see `poll`)."""
        self.cookie = cookie
        self.began = time.monotonic()
        self._leash = leash
        self._lifeline: int | None = lifeline
        self._result = result
        self._grace_s = grace_s
        self._said = b""
        self._ending: Ending | None = None
        self._lock = threading.RLock()
        os.set_blocking(result, False)

    def fileno(self) -> int:
        """A descriptor that becomes readable when there is news; call `poll` then. Closed once the child has ended."""
        return self._result

    def poll(self) -> Ending | None:
        """The ending if the child has ended, else None. Never blocks on a living child."""
        with self._lock:
            while self._ending is None:
                try:
                    piece = os.read(self._result, 65536)
                except BlockingIOError:
                    self._hear()
                    return None
                self._said += piece
                if not piece:
                    self._ending = self._finish()
            return self._ending

    def wait(self, timeout_s: float | None = None) -> Ending | None:
        """Wait for the end, at most `timeout_s` seconds; None when it is not there yet (never without a timeout)."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while (ending := self.poll()) is None:
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                return None
            poller = select.poll()
            try:
                poller.register(self._result, select.POLLIN)
                poller.poll(None if remaining is None else remaining * 1000)
            except (OSError, ValueError):
                continue  # another thread has just seen the end
        return ending

    def ended(self) -> Ending:
        """Wait for the end without a limit."""
        while (ending := self.wait()) is None:
            pass
        return ending

    def terminate(self, why: str) -> None:
        """Ask the leash to end the whole tree; returns at once. The first reason given is the one reported."""
        with self._lock:
            if self._lifeline is not None:
                with contextlib.suppress(BrokenPipeError):
                    os.write(self._lifeline, " ".join(why.split())[:1000].encode() + b"\n")

    def _hear(self) -> dict[str, object]:
        """The last complete thing that the leash said; the child's pid is noted on the way."""
        last: dict[str, object] = {}
        for line in self._said.split(b"\n")[:-1]:
            last = msgspec.json.decode(line, type=dict[str, object])
            if isinstance(pid := last.get("started"), int):
                self.child_pid = pid
        return last

    def _finish(self) -> Ending:
        """The result pipe is closed: the leash has ended, one way or the other."""
        self._leash.wait()
        os.close(self._result)
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        said = self._hear()
        if "cause" in said:
            return msgspec.convert(said, Ending, strict=False)
        code = self._leash.returncode
        how = str(said.get("failed") or (f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"))
        killed = sweep.sweep(self.cookie, self._grace_s) if self.cookie else []
        if self.child_pid is not None:
            sweep.reap_session(self.child_pid)
        return Ending(
            cause="leash_lost",
            why=f"the process that supervised it ended ({how})",
            wall_s=round(time.monotonic() - self.began, 4),
            killed=killed,
        )


def start(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    limit_s: float = 0.0,
    stdout: Path | int | None = None,
    stderr: Path | int | None = None,
    stdin: int | None = None,
    grace_s: float = GRACE_S,
    cookie: str = "",
) -> Leashed:
    """Start `argv` under a leash.

    `limit_s`: wall limit in seconds, 0 = none. `stdout`: a file (truncated), a descriptor, or None for nowhere;
    `stderr` the same, None = where stdout goes. `stdin`: a descriptor, None = empty. `env` is the child's whole
    environment; `cookie` is added to it, so that `sweep` finds what the leash could not end. Raises LeashError when
    there is nothing to start or the folder or the leash itself cannot be used; a program that does not exist is
    reported by the ending (`not_started`).
    """
    if not argv:
        raise LeashError("There is no command to run: expected a program and its arguments.")
    environment = {**env, COOKIE: cookie} if cookie else dict(env)
    with contextlib.ExitStack() as opened:
        out = _target(stdout, opened)
        err = out if stderr is None else _target(stderr, opened)
        lifeline_r, lifeline_w = os.pipe()
        result_r, result_w = os.pipe()
        opened.callback(os.close, lifeline_r)
        opened.callback(os.close, result_w)
        arguments = [str(lifeline_r), str(result_w), str(limit_s), str(grace_s), "--", *argv]
        try:
            leash = subprocess.Popen(
                [sys.executable, "-I", "-S", str(PROGRAM), *arguments],
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=out,
                stderr=err,
                pass_fds=(lifeline_r, result_w),
                start_new_session=True,
            )
        except OSError as error:
            os.close(lifeline_w)
            os.close(result_r)
            raise LeashError(f"{argv[0]} could not be started in {cwd}: {error}.") from error
    return Leashed(leash, lifeline_w, result_r, cookie, grace_s)


def _target(where: Path | int | None, opened: contextlib.ExitStack) -> int | IO[bytes]:
    if where is None:
        return subprocess.DEVNULL
    if isinstance(where, int):
        return where
    try:
        return opened.enter_context(where.open("wb"))
    except OSError as error:
        raise LeashError(
            f"{where} cannot be written: {error.strerror}. Check the folder's rights and space."
        ) from error
