"""The leash: the small program that every child of the engine runs under.

Started as `python -I -S leashed.py LIFELINE_FD RESULT_FD LIMIT_S GRACE_S -- ARGV…` by `engine.work.leash`. It imports
a few modules of the standard library and nothing else, because it starts once per child and must start fast.

It keeps one promise: when it ends, nothing that its child ever started is left. To that end it is a session leader
and a child subreaper (orphans of the tree come to it, whatever they did to their session), it reads the process table
rather than trust process groups, and it asks with SIGTERM, waits the grace, then sends SIGKILL until nobody is left.

The tree is ended when the child exits, when LIMIT_S (0 = none) is over, when a line arrives on the lifeline (its text
is the reason), when the lifeline closes (the engine is gone) or when the leash itself gets SIGTERM or SIGINT.
On RESULT_FD it writes JSON lines: `{"started": pid}` and, last, the ending (`engine.work.leash.Ending`).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LINGER_S = 0.2
"""Seconds for helpers of a child that exited to end by themselves too: bash does not wait for `> >(tee)`."""
GIVE_UP_S = 20.0
"""Seconds for which SIGKILL is repeated; what is left then hangs in the kernel and is reported, not waited for."""
OOM_SCORE = "500"
"""The kernel, short of memory, is to take the training run rather than the engine."""


class Process:
    """One line of the process table."""

    __slots__ = ("name", "pid", "ppid", "session", "started", "state")

    def __init__(self, pid: int, ppid: int, name: str, state: str, session: int, started: int) -> None:
        self.pid = pid
        self.ppid = ppid
        self.name = name
        self.state = state
        self.session = session
        self.started = started

    @property
    def alive(self) -> bool:
        """False for a zombie; a zombie leader of threads that still run is alive."""
        if self.state not in "ZX":
            return True
        try:
            return sum(1 for _ in os.scandir(f"/proc/{self.pid}/task")) > 1
        except OSError:
            return False


def process(pid: int) -> Process | None:
    """What the process table says of `pid`; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            raw = file.read()
    except OSError:
        return None
    head, _, tail = raw.rpartition(b")")  # a name may itself contain spaces and parentheses
    fields = tail.split()
    name = head.partition(b"(")[2].decode("utf-8", "replace")
    return Process(pid, int(fields[1]), name, fields[0].decode(), int(fields[3]), int(fields[19]))


def processes() -> list[Process]:
    """The process table."""
    found = (process(int(entry.name)) for entry in os.scandir("/proc") if entry.name.isdigit())
    return [one for one in found if one is not None]


def descendants(root: int) -> list[Process]:
    """Everything alive below `root`, `root` itself excluded."""
    children: dict[int, list[Process]] = {}
    for one in processes():
        children.setdefault(one.ppid, []).append(one)
    found: list[Process] = []
    todo = [root]
    while todo:
        for one in children.pop(todo.pop(), []):
            found.append(one)
            todo.append(one.pid)
    return [one for one in found if one.alive]


def prctl(option: int, value: int) -> None:
    """Linux prctl(2) with one argument. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def oom_kills() -> int:
    """How often the kernel has killed for want of memory since boot; 0 where it does not tell."""
    try:
        with open("/proc/vmstat", "rb") as file:
            for line in file:
                if line.startswith(b"oom_kill "):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0


def send(pid: int, number: int) -> None:
    """A signal to a process that may be gone or someone else's by now."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


class Leash:
    """Runs one child, and sees its whole tree to its end."""

    def __init__(self, lifeline: int, result: int, limit_s: float, grace_s: float) -> None:
        self.lifeline = lifeline
        self.result = result
        self.limit_s = limit_s
        self.grace_s = grace_s
        self.cause = ""
        self.why = ""
        self.child = 0
        self.status: int | None = None
        self.began = 0.0
        self.ended = 0.0
        self.met: dict[int, list[object]] = {}
        self.left: list[list[object]] = []
        for fd in (lifeline, result):
            os.set_inheritable(fd, False)
        self.wake_r, self.wake_w = os.pipe()
        os.set_blocking(self.wake_r, False)
        os.set_blocking(self.wake_w, False)
        self.poll = select.poll()
        self.poll.register(lifeline, select.POLLIN)
        self.poll.register(self.wake_r, select.POLLIN)

    def run(self, argv: list[str]) -> None:
        """Start `argv`, wait for its end or a reason to end it, clear the tree, report."""
        if os.getsid(0) != os.getpid():
            os.setsid()
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        signal.set_wakeup_fd(self.wake_w, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self.told)
        ooms = oom_kills()
        self.began = time.monotonic()
        error = self.spawn(argv)
        import json  # while the child starts: the leash has nothing better to do
        import resource

        if not error:
            self.write(json.dumps({"started": self.child}))
        self.watch()
        self.clear()
        status = self.status
        ending = {
            "cause": "not_started" if error else self.cause,
            "why": error or self.why,
            "exit_code": status if status is not None and status >= 0 else None,
            "signal": -status if status is not None and status < 0 else None,
            "wall_s": round((self.ended or time.monotonic()) - self.began, 4),
            "killed": list(self.met.values()),
            "left": self.left,
            "oom_kills": oom_kills() - ooms,
            "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, 3),
        }
        self.write(json.dumps(ending))

    def write(self, line: str) -> None:
        try:
            os.write(self.result, line.encode() + b"\n")
        except BrokenPipeError:
            pass  # the engine is gone; the tree still had to be ended

    def told(self, number: int, frame: object) -> None:
        """A signal asks the leash to end: it ends the tree first."""
        self.end("terminated", f"the leash received {signal.Signals(number).name}")

    def end(self, cause: str, why: str) -> None:
        """Note the first reason to end the tree."""
        if not self.cause:
            self.cause, self.why = cause, why

    def spawn(self, argv: list[str]) -> str:
        """Fork and exec in a session of its own (a child that signals its group must not hit the leash).

        Returns why the program could not be started, or "".
        """
        error_r, error_w = os.pipe()
        me = os.getpid()
        self.child = os.fork()
        if self.child == 0:
            try:
                signal.set_wakeup_fd(-1)
                for number in ("TERM", "INT", "QUIT", "HUP", "CHLD", "PIPE", "XFSZ"):
                    signal.signal(getattr(signal, f"SIG{number}"), signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, [])
                os.setsid()
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != me:
                    os._exit(127)
                try:
                    with open("/proc/self/oom_score_adj", "w") as file:
                        file.write(OOM_SCORE)
                except OSError:
                    pass
                os.execvp(argv[0], argv)
            except BaseException as failure:
                os.write(error_w, str(failure).encode())
            finally:
                os._exit(127)
        os.close(error_w)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):  # whoever reads the child's output must see its end, not the leash's
            os.dup2(null, fd)
        error = os.read(error_r, 4096).decode("utf-8", "replace")
        os.close(error_r)
        return error

    def pause(self, seconds: float | None) -> None:
        """Wait for a signal or the lifeline, then reap."""
        try:
            ready = self.poll.poll(None if seconds is None else max(0.0, seconds) * 1000)
        except InterruptedError:
            ready = []
        for fd, _ in ready:
            if fd == self.wake_r:
                os.read(fd, 4096)
            elif text := os.read(fd, 4096).decode("utf-8", "replace").strip():
                self.end("terminated", text)
            else:
                self.poll.unregister(fd)
                self.end("engine_gone", "the engine is gone")
        self.reap()

    def reap(self) -> None:
        """Collect what has ended, orphans of the tree included."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.child:
                self.status = os.waitstatus_to_exitcode(status)
                self.ended = time.monotonic()

    def watch(self) -> None:
        """Until the child has ended or there is a reason to end it."""
        self.reap()
        while self.status is None and not self.cause:
            if not self.limit_s:
                self.pause(None)
                continue
            remaining = self.began + self.limit_s - time.monotonic()
            if remaining <= 0:
                self.end("timeout", f"still running after {self.limit_s:g} s")
            else:
                self.pause(remaining)
        if self.status is not None and self.cause != "timeout":
            self.end("exited", "")

    def clear(self) -> None:
        """End the tree: linger (only after a natural end), SIGTERM, grace, SIGKILL until nobody is left."""
        me = os.getpid()
        if self.cause == "exited":
            self.until(time.monotonic() + LINGER_S, 0)
        if self.until(time.monotonic() + self.grace_s, signal.SIGTERM):
            self.until(time.monotonic() + GIVE_UP_S, signal.SIGKILL)
        self.reap()
        self.left = [[one.pid, one.name, True] for one in descendants(me)]

    def until(self, deadline: float, number: int) -> bool:
        """Signal every descendant (SIGTERM once each, SIGKILL again and again); True when some are left at the end."""
        asked: set[int] = set()
        while alive := descendants(os.getpid()):
            fresh = False
            for one in alive:
                if number and (number == signal.SIGKILL or one.pid not in asked):
                    self.met[one.pid] = [one.pid, one.name, number == signal.SIGKILL]
                    send(one.pid, number)
                    if number == signal.SIGTERM:
                        send(one.pid, signal.SIGCONT)  # a stopped process cannot follow SIGTERM
                fresh |= one.pid not in asked
                asked.add(one.pid)
            if time.monotonic() >= deadline:
                return True
            # a tree that forks faster than it is looked at is not given time to
            self.pause(0.0 if number == signal.SIGKILL and fresh else 0.02)
        return False


def main(args: list[str]) -> int:
    """Entry point; see the module's docstring for the arguments."""
    lifeline, result, limit_s, grace_s = int(args[0]), int(args[1]), float(args[2]), float(args[3])
    try:
        Leash(lifeline, result, limit_s, grace_s).run(args[5:])
    except Exception as error:
        os.write(result, b'{"failed": "%s"}\n' % ascii(error).encode().replace(b"\\", b"/").replace(b'"', b"'"))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
