"""A command from outside: through the inbox of a running engine, or applied at once under its lock without one."""

import time

import msgspec

from engine.loop.commands import react
from engine.loop.editing import edit_setting, is_of_training
from engine.loop.main import LaunchRefused
from engine.loop.projection import Projection
from engine.loop.record import NoRoom, Record
from engine.loop.tree import Tree
from engine.session import inbox
from engine.session.journal import Follower, JournalError
from engine.session.locking import Held, Lock, engine_of
from engine.session.paths import RECORDING, SessionPaths
from engine.session.state import Command, State
from engine.work.repo import GitTrouble, Repo

TOUCH_THE_TREE = ("revert", "keep", "undo", "edit")


class Outcome(msgspec.Struct, frozen=True):
    """Where a command stands: queued (with a running engine), done or refused, and its answer."""

    status: str
    answer: str = ""


def send(paths: SessionPaths, request: inbox.Request, *, wait_s: float = 10.0) -> Outcome:
    """Give the session a command. With an engine, waits up to `wait_s` seconds for its answer; a message is answered
    when the next prompt carries it, so its receipt is enough. Errors: LaunchRefused.
    """
    if paths.recorded and engine_of(paths.lock) is None:
        raise LaunchRefused(f"{paths.root} has no repository: it is {RECORDING}", 4)
    deadline = time.monotonic() + max(wait_s, 5.0)
    while True:
        try:
            with Lock(paths.lock, request.id, kind="hand"):
                return _apply(paths, request)
        except Held as held:
            if held.holder is not None and held.holder.kind == "engine":
                return _through_inbox(paths, request, wait_s)
            if time.monotonic() > deadline:
                raise LaunchRefused(f"session {paths.name} is in use by another command; try again", 4) from held
            time.sleep(0.05)
        except (GitTrouble, JournalError, NoRoom) as error:
            raise LaunchRefused(str(error), 1) from error
        except OSError as error:
            raise LaunchRefused(f"session {paths.name}: {error}", 1) from error


def _through_inbox(paths: SessionPaths, request: inbox.Request, wait_s: float) -> Outcome:
    follower = Follower(paths.journal)
    inbox.send(paths.inbox, request)
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        follower.poll()
        command = follower.state.commands.get(request.id)
        later = request.kind in ("say", "edit", "adopt", *inbox.JOBS)
        if command is not None and (command.status != "queued" or later):
            return _outcome(command, follower.state)
        time.sleep(0.05)
    return Outcome("queued", "the engine has not answered yet; the command stays in its inbox")


def _outcome(command: Command, state: State) -> Outcome:
    if command.status != "queued":
        return Outcome(command.status, command.answer)
    if command.kind == "edit":
        return Outcome("queued", "takes effect between two experiments")
    if command.kind == "adopt":
        return Outcome("queued", "the next experiment tries it; the gate decides")
    if command.kind in inbox.JOBS:
        return Outcome("queued", "done between two experiments")
    current = state.current
    after = f", after run {current.run}" if current else ""
    return Outcome("queued", f"the next prompt carries it{after}")


def _apply(paths: SessionPaths, request: inbox.Request) -> Outcome:
    """Under the lock, without an engine."""
    record = Record(paths)
    try:
        repo = Repo(paths.root, paths.name)
        tree = Tree(repo, record)
        if request.kind in TOUCH_THE_TREE:
            repo.check()  # before anything is written down: what cannot be carried out is not decided either
        record.write(*react(record.state, request, time.time(), engine=False))
        state = record.state
        command = state.commands[request.id]
        waits = is_of_training(command) and (state.current is not None or state.job is not None)
        if command.kind == "edit" and command.status == "queued" and not waits:
            record.write(*edit_setting(state, command.id, tree))
        champion = state.champion
        if champion is not None and state.current is None and state.tree != champion.run:
            repo.check()
            tree.restore(champion.run, None)
        if state.segments:
            Projection(record, tree).complete()
        if waits:
            return Outcome("queued", "the next engine does it, after the experiment that was under way")
        if command.status == "queued" and command.kind in ("adopt", "try"):
            return Outcome("queued", "the next engine's first experiment tries it; the gate decides")
        if command.status == "queued" and command.kind in inbox.JOBS:
            return Outcome("queued", "the next engine does it first")
        if command.status == "queued":
            return Outcome("queued", "the next engine's first prompt carries it")
        return Outcome(command.status, command.answer)
    finally:
        record.close()
