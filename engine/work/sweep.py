"""The net below the leash: finds what still runs of a trial by the cookie in its environment, and ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import msgspec

from engine.session.cookie import belongs, cookie_of
from engine.work import leashed

GIVE_UP_S = 20.0
LOOK_EVERY_S = 0.02


class Killed(msgspec.Struct, frozen=True, array_like=True):
    """A process that had to be ended; `forced` when SIGTERM was not enough."""

    pid: int
    name: str
    forced: bool = False

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid}{', ignored SIGTERM' if self.forced else ''})"


def become_subreaper() -> None:
    """Make this process the parent of its descendants' orphans, so that they stay in reach. Raises OSError."""
    leashed.prctl(leashed.PR_SET_CHILD_SUBREAPER, 1)


def find(prefix: str) -> list[leashed.Process]:
    """The living processes whose cookie belongs to `prefix`; never this process or one above it."""
    if not prefix:
        raise ValueError("a sweep needs a cookie: an empty one would match no process or all")
    table = {one.pid: one for one in leashed.processes()}
    spared: set[int] = set()
    pid = os.getpid()
    while pid in table and pid not in spared:
        spared.add(pid)
        pid = table[pid].ppid
    return [
        one for one in table.values() if one.pid not in spared and belongs(cookie_of(one.pid), prefix) and one.alive
    ]


def sweep(cookie: str, grace_s: float = 5.0) -> list[Killed]:
    """End every process that carries `cookie` (a whole one or a prefix of its parts): SIGTERM, grace, SIGKILL.

    Returns those it had to signal, in the order met; [] when nothing was left, which is the ordinary case and costs
    one look at the process table. Gives up on what SIGKILL cannot end after 20 s.
    """
    met: dict[int, Killed] = {}
    started = time.monotonic()
    while alive := find(cookie):
        waited = time.monotonic() - started
        if waited > grace_s + GIVE_UP_S:
            break
        force = waited >= grace_s
        for one in alive:
            if force or one.pid not in met:
                met[one.pid] = Killed(one.pid, one.name, force)
                _signal(one, cookie, signal.SIGKILL if force else signal.SIGTERM)
        _reap(met)
        time.sleep(LOOK_EVERY_S)
    _reap(met)
    return list(met.values())


def reap_session(session: int) -> None:
    """Collect ended children of this process that belong to process session `session` (orphans of a lost leash).

    Only those: reaping whatever has ended would take a child's exit code away from the code that waits for it.
    """
    me = os.getpid()
    for one in leashed.processes():
        if one.ppid == me and one.session == session:
            _wait(one.pid)


def _signal(one: leashed.Process, cookie: str, number: int) -> None:
    """Signal through a pidfd, and only after looking again: the number may have gone to someone else meanwhile."""
    try:
        handle = os.pidfd_open(one.pid)
    except OSError:
        return
    try:
        if belongs(cookie_of(one.pid), cookie):
            signal.pidfd_send_signal(handle, number)
            if number == signal.SIGTERM:
                signal.pidfd_send_signal(handle, signal.SIGCONT)
    except OSError:
        pass
    finally:
        os.close(handle)


def _reap(met: dict[int, Killed]) -> None:
    for pid in met:
        _wait(pid)


def _wait(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
