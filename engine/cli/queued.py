"""Work that is queued to the engine: asked for, waited for, told. Without an engine one is started for it."""

import time

import msgspec

from engine.cli.output import Output
from engine.cli.trouble import DONE, FAILED, REFUSED, Refused
from engine.session import inbox
from engine.session.inbox import Seen, request
from engine.session.journal import Follower
from engine.session.locking import engine_of, holder
from engine.session.operator import operator
from engine.session.paths import SessionPaths
from engine.session.state import Command, Job, State

LOOK_S = 0.1
STARTS = 5
"""Engines that are started before the work is given up: one may leave just as the command comes."""
ABORT_S = 30.0


class Ended(msgspec.Struct, frozen=True):
    """What came of it; `job` is None where it never began. `code` is the exit code."""

    command: Command
    job: Job | None
    code: int


def do(paths: SessionPaths, kind: str, args: dict[str, str], out: Output) -> Ended:
    """Ask for it, and wait until it is over. Errors: Refused, LaunchRefused, JournalError; ^C is told, then raised."""
    from engine.loop.byhand import send

    asked = request(kind, args, operator())
    waiting = _Waiting(paths, asked.id, out)
    try:
        outcome = send(paths, asked, wait_s=5.0)
        if outcome.status == "refused":
            raise Refused(f"{kind} refused: {outcome.answer}")
        return _wait(waiting)
    except KeyboardInterrupt:
        _leave(waiting, kind)
        raise


def _wait(waiting: "_Waiting") -> Ended:
    """Until it is over, with an engine for it where none is."""
    try:
        while (ended := waiting.look()) is None:
            if engine_of(waiting.paths.lock) is None:
                _start(waiting)
            time.sleep(LOOK_S)
        return ended
    except Exception:
        _take_back(waiting.paths, waiting.id, 0.0)
        raise


def _leave(waiting: "_Waiting", kind: str) -> None:
    """Interrupted: an engine that was there goes on with it, and that is told; else nothing of it is left."""
    if not waiting.stands():
        return
    if not waiting.ours and engine_of(waiting.paths.lock) is not None:
        then = f"what came of it: overnight status {waiting.paths.name}"
        waiting.out.narrate(f"the {kind} goes on in the engine; {then}")
        return
    waiting.out.narrate(f"ending the {kind} …")
    _take_back(waiting.paths, waiting.id, ABORT_S)


class _Waiting:
    """Follows the journal, and tells once what it waits for and when the work begins."""

    def __init__(self, paths: SessionPaths, id: str, out: Output) -> None:
        self.paths, self.id, self.out = paths, id, out
        self.starts = 0
        self.ours = False
        """An engine was started for it here."""
        self._follower = Follower(paths.journal)
        self._told = ""

    def look(self) -> Ended | None:
        """Its end, if it is over."""
        self._follower.poll()
        state = self._follower.state
        command = state.commands.get(self.id)
        job = next((job for job in reversed(state.jobs) if job.command == self.id), None)
        if command is not None and command.status in ("done", "refused"):
            return Ended(command, job, _code(command, job))
        self._tell(state, job)
        return None

    def stands(self) -> bool:
        """Whether it was asked for and is not over: the journal has it, or the inbox."""
        self._follower.poll()
        command = self._follower.state.commands.get(self.id)
        if command is not None:
            return command.status in ("queued", "delivered")
        return any(path.name.startswith(self.id) for path in inbox.waiting(self.paths.inbox))

    def _tell(self, state: State, job: Job | None) -> None:
        current, other = state.current, state.job
        if job is not None:
            said = f"the {job.kind} of run {job.run} is on; it works in {self.paths.job(self.id)}"
        elif state.delayed and engine_of(self.paths.lock) is not None:
            said = state.delayed
        elif other is not None:
            said = f"waits for the {other.kind} of run {other.run} to end"
        elif current is not None and current.phase != "proposing" and engine_of(self.paths.lock) is not None:
            said = "waits for the experiment under way to end" if not self._told else self._told
        else:
            return
        if said != self._told:
            self._told = said
            self.out.narrate(said)


def _code(command: Command, job: Job | None) -> int:
    if job is None:
        return REFUSED
    return DONE if job.outcome == "ok" and command.status == "done" else FAILED


def _start(waiting: _Waiting) -> None:
    """Start an engine for the queued work, where no other is quicker. Errors: LaunchRefused, Refused."""
    from engine.loop.launch import start_daemon
    from engine.loop.main import LaunchRefused

    paths, before = waiting.paths, waiting.ours
    if waiting.starts >= STARTS:
        raise Refused(f"{STARTS} engines came and left without doing it; see {paths.engine_log}")
    waiting.ours = True  # before it is there: an interrupt may come while it loads
    try:
        start_daemon(paths, jobs_only=True)
    except LaunchRefused:
        waiting.ours = before
        if holder(paths.lock) is None:
            raise
    else:
        waiting.starts += 1


def _take_back(paths: SessionPaths, id: str, wait_s: float) -> None:
    """Nobody waits for it any more: it is ended, or never begun."""
    from engine.loop.byhand import send
    from engine.loop.main import LaunchRefused

    if inbox.withdraw(paths.inbox, id):
        return
    try:
        send(paths, request("abort", {}, operator(), Seen(job=id)), wait_s=5.0)
    except LaunchRefused:
        return
    deadline, follower = time.monotonic() + wait_s, Follower(paths.journal)
    while time.monotonic() < deadline:
        follower.poll()
        command = follower.state.commands.get(id)
        if command is None or command.status in ("done", "refused"):
            return
        time.sleep(LOOK_S)


def told(paths: SessionPaths, ended: Ended, out: Output, text: str, extra: dict[str, object] | None = None) -> int:
    """Print what came of it: `text` where it was done; its exit code."""
    command, job = ended.command, ended.job
    document: dict[str, object] = {
        "session": paths.name,
        "id": command.id,
        "kind": command.kind,
        "status": command.status,
        "answer": command.answer,
        "run": job.run if job else None,
        "outcome": job.outcome if job else None,
        "metric": job.metric if job else None,
        "metrics": job.metrics if job else {},
        "folder": str(paths.job(command.id)) if job else None,
        "files": list(job.files) if job else [],
        **(extra or {}),
    }
    if command.status != "done":
        document["code"] = ended.code
        out.narrate(f"overnight: {command.kind}: {command.answer}")
        text = ""
    out.result(document, text)
    return ended.code
