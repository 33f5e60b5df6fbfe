"""Telling the operator who looks elsewhere: bell, the terminal's title, a command of theirs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.session import events as ev
from engine.session.inert import inert
from engine.session.state import State
from tui.config import Notify


class Happening(NamedTuple):
    """Something to tell: which switch of `[notify]` governs it, and a sentence."""

    kind: str
    text: str


def happenings(events: Iterable[ev.AnyEvent], state: State, name: str) -> list[Happening]:
    """What of these events is worth a bell: a new champion, a crash, the engine's end."""
    found: list[Happening] = []
    for event in events:
        if isinstance(event, ev.Decided):
            experiment = state.experiment(event.run)
            if event.status == "keep" and experiment is not None and not experiment.is_baseline:
                found.append(Happening("champion", f"{name}: run {event.run} is the new champion, {event.metric}"))
            elif event.status == "crash":
                found.append(Happening("crash", f"{name}: run {event.run} crashed: {event.reason}"))
        elif isinstance(event, ev.EngineStopped):
            found.append(Happening("stop", f"{name}: the engine stopped: {event.reason}"))
    return found


def wanted(found: Iterable[Happening], settings: Notify) -> list[Happening]:
    """Those that the operator wants to hear of."""
    return [happening for happening in found if getattr(settings, happening.kind)]


def title_sequence(title: str) -> str:
    """Sets the terminal's title."""
    return f"\x1b]2;{inert(title)}\x07"


PUSH_TITLE, POP_TITLE = "\x1b[22;2t", "\x1b[23;2t"
"""Keep the terminal's own title while the console is open, where the terminal can."""


def run_command(argv: Sequence[str], text: str) -> str:
    """Run the operator's command with the sentence as its last argument; what went wrong, "" if nothing. Blocks."""
    try:
        done = subprocess.run(
            [*argv, text], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, start_new_session=True
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"[notify] command {argv[0]!r}: {error}"
    return f"[notify] command {argv[0]!r} ended with {done.returncode}" if done.returncode else ""
