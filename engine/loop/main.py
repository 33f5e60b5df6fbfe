"""An engine's life: take the lock, recover, run, leave in order. `python -m engine.loop SESSION` is the daemon."""

import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from types import FrameType

from engine.gpu.locks import DeviceError
from engine.gpu.sampler import Sampler
from engine.loop import device as devices
from engine.loop.engine import Engine, NoBaseline
from engine.loop.failing import ENGINE
from engine.loop.leavings import clear, settle
from engine.loop.projection import Projection
from engine.loop.record import FULL, Listener, NoRoom, Record, keep_reserve, no_room, spend_reserve
from engine.loop.recovery import StartRefused, check_log, check_tree, mend, sweep_children, take_dirt
from engine.loop.training import Training
from engine.loop.tree import Tree
from engine.researchers.base import Researcher
from engine.researchers.choice import make
from engine.session import events as ev
from engine.session import settings as session_settings
from engine.session.journal import JournalError
from engine.session.locking import Held, Lock
from engine.session.paths import SessionPaths
from engine.session.settings import Limits, Settings, SettingsError
from engine.swarm.api import SwarmError
from engine.swarm.collective import Collective
from engine.work import sandbox
from engine.work.repo import GitTrouble, Repo
from engine.work.sweep import become_subreaper

MEMBERSHIP = "swarm.json"
"""In the private folder of a session that joined a swarm (see engine.swarm.membership)."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class LaunchRefused(Exception):
    """An engine could not start or go on. `code` is the exit code; the message is for the operator."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def new_start_id() -> str:
    """A start's own name, by which a command knows which engine its author saw."""
    return secrets.token_hex(6)


def run(
    paths: SessionPaths,
    *,
    limits: Limits | None = None,
    dirty: bool = False,
    stay: bool = False,
    jobs_only: bool = False,
    gpu: str | None = None,
    fit: bool = True,
    start_id: str = "",
    listeners: tuple[Listener, ...] = (),
    ready: Callable[[], None] = lambda: None,
) -> str:
    """Run an engine on the session until it has a reason to stop; returns the reason.

    `limits`: instead of those of overnight.toml; these end the engine, while the file's pause one that stays.
    `stay`: a researcher with nothing left pauses the session (a daemon) instead of ending the run. `jobs_only`: do the
    queued work and leave; the session's tree is not touched, whatever state it is in. `gpu`: an index or UUID, instead
    of gpu.index. `fit`: on the first start look for the largest configuration that the GPU holds. Errors:
    LaunchRefused; after it began, with code 1 and the end written down.
    """
    start_id = start_id or new_start_id()
    try:
        lock = Lock(paths.lock, start_id)
    except Held as error:
        raise LaunchRefused(_held(paths, error), 4) from error
    except OSError as error:
        raise LaunchRefused(f"{paths.lock}: {error.strerror}", 1) from error
    with lock:
        record = None
        try:
            settings = session_settings.load(paths.settings)
            repo = Repo(paths.root, paths.name)
            repo.check()
            keep_reserve(paths)
            record = Record(paths, listeners)
            return _run(record, repo, settings, limits, dirty, stay, jobs_only, gpu, fit, start_id, ready)
        except (SettingsError, StartRefused, DeviceError, sandbox.SandboxError, SwarmError) as error:
            raise LaunchRefused(str(error), 4) from error
        except (GitTrouble, JournalError, NoBaseline, NoRoom) as error:
            raise LaunchRefused(str(error), 4 if record is None else 1) from error
        finally:
            if record is not None:
                record.close()


def _held(paths: SessionPaths, error: Held) -> str:
    who = error.holder
    if who is None:
        return f"session {paths.name} is in use; try again"
    if who.kind != "engine":
        return f"session {paths.name} is in use by a command (process {who.pid} on {who.host}); try again"
    return (
        f"session {paths.name} has an engine already: process {who.pid} on {who.host}."
        f" Watch it: overnight attach {paths.name}; end it: overnight stop {paths.name}"
    )


def _run(
    record: Record,
    repo: Repo,
    settings: Settings,
    own_limits: Limits | None,
    dirty: bool,
    stay: bool,
    jobs_only: bool,
    gpu: str | None,
    fit: bool,
    start_id: str,
    ready: Callable[[], None],
) -> str:
    paths = record.paths
    become_subreaper()
    killed = sweep_children(record)
    repo.clear_stale_lock()
    tree = Tree(repo, record)
    check_tree(record, tree, settings, dirty or jobs_only)
    check_log(record, tree)
    unguarded = sandbox.trouble(settings.guard.sandbox)
    sampler = Sampler()
    device = devices.take(sampler.sample(), settings, record.state, paths.name, start_id, gpu)
    limits = own_limits or settings.limits
    training = Training(paths, device.uuid)
    collective = None if jobs_only else member_of(paths)
    engine = Engine(record, tree, training, make_for(paths), settings, stay, own_limits, jobs_only, fit, collective)
    before = {number: signal.signal(number, _handler(engine)) for number in SIGNALS}
    try:
        record.write(
            ev.EngineStarted(
                at=time.time(),
                pid=os.getpid(),
                host=socket.gethostname(),
                start_id=start_id,
                version=own_version(),
                experiments=limits.experiments,
                hours=limits.hours,
                cost_usd=limits.cost_usd,
                tokens=limits.tokens,
                device=device.uuid,
                device_name=(device.gpu.name or "") if device.gpu else "",
                jobs_only=jobs_only,
            )
        )
        if killed:
            record.write(
                ev.Trouble(at=time.time(), text=f"left over from an earlier engine, killed: {', '.join(killed)}")
            )
        for text in [*device.trouble, *_mirror(paths, settings, jobs_only)]:
            record.write(ev.Trouble(at=time.time(), text=text))
        engine.vacancy.tell_others()
        if unguarded and all(text != unguarded for _, text in record.state.troubles):
            record.write(ev.Trouble(at=time.time(), text=unguarded))
        by_engine = record.state.paused and record.state.pause_by == ENGINE
        if by_engine and not jobs_only:  # whoever starts anew has mended what it was for
            record.write(ev.PauseSet(at=time.time(), paused=False, by=ENGINE, reason="started again"))
        ready()
        return _watched(record, tree, engine, settings, dirty)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        device.release()


def _mirror(paths: SessionPaths, settings: Settings, jobs_only: bool) -> list[str]:
    """Start the mirror where one is wanted; what the operator should know."""
    if jobs_only or settings.mirror == session_settings.Mirror():
        return []
    from engine.trackers import launch

    return launch.start(paths, settings.mirror)


def _watched(record: Record, tree: Tree, engine: Engine, settings: Settings, dirty: bool) -> str:
    """Recover and run; however it ends, the end is in the journal when there is any room for it."""
    paths, reason, failed = record.paths, "", True
    try:
        if dirty:
            take_dirt(record, tree, settings)
        if not engine.jobs_only:
            mend(record, tree)
        Projection(record, tree).complete()
        clear(paths, record.state)
        settle(paths, record.state, settings.keep.checkpoints)
        tree.repo.collect()
        reason = engine.run()
        failed = False
        return reason
    except OSError as error:
        if error.errno not in FULL:
            reason = str(error)
            raise
        full = no_room(error.filename or paths.root, error)
        reason = str(full)
        raise full from error
    except BaseException as error:
        reason = str(error) or type(error).__name__
        raise
    finally:
        engine.training.abort("the engine ends")
        try:
            last = ev.EngineStopped(at=time.time(), reason=reason, failed=failed)
            try:
                record.write(last)
            except NoRoom:
                spend_reserve(paths)
                record.write(last)
            Projection(record, tree).complete()
            at_rest = record.state.current is None and record.state.segment is not None
            if at_rest and not engine.jobs_only:
                tree.commit_rest("what was learnt up to the engine's end", list(record.state.segments[-1].editable))
        except (NoRoom, GitTrouble, OSError):
            pass  # the reason is raised already, and the next start completes what is missing


def _handler(engine: Engine) -> Callable[[int, FrameType | None], None]:
    return lambda number, frame: engine.interrupt(signal.Signals(number).name)


def make_for(paths: SessionPaths) -> Callable[[Settings], Researcher]:
    """How this session makes its researcher."""
    return lambda settings: make(settings.researcher.kind, settings, paths.root)


def member_of(paths: SessionPaths) -> Collective | None:
    """The session's membership at work, None where it has joined no swarm. Errors: SwarmError."""
    if not (paths.private / MEMBERSHIP).exists():
        return None
    try:
        from engine.swarm.member import Member  # with the cryptography that only members need
        from engine.swarm.membership import load
    except ImportError as error:
        raise SwarmError(
            f"{paths.name} is in a swarm, and {error.name} is not installed; mend: pip install 'overnight[swarm]'; or"
            f" go on alone: rm {paths.private / MEMBERSHIP}",
            "missing",
        ) from error

    membership = load(paths.private)
    return None if membership is None else Member(paths, membership)


def own_version() -> str:
    """The installed version of overnight."""
    try:
        return version("overnight")
    except PackageNotFoundError:
        return ""
