"""Telling the operator who looks elsewhere: bell, the terminal's title, a command of theirs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.session import events as ev
from engine.session.inert import inert
from engine.session.state import State
from tui.config import Notify
from tui.fitting import ELLIPSIS, head
from tui.model import View, activity
from tui.runs import plain


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
                value = f", {event.metric:.6f}" if event.metric is not None else ""
                found.append(Happening("champion", f"{name}: run {event.run} is the new champion{value}"))
            elif event.status == "crash":
                found.append(Happening("crash", f"{name}: run {event.run} crashed: {event.reason}"))
        elif isinstance(event, ev.EngineStopped):
            found.append(Happening("stop", f"{name}: the engine stopped: {event.reason}"))
    return found


def wanted(found: Iterable[Happening], settings: Notify) -> list[Happening]:
    """Those that the operator wants to hear of."""
    return [happening for happening in found if getattr(settings, happening.kind)]


def title(view: View) -> str:
    """The terminal's title: what the session does (the strip's glyph), its name and its champion's metric."""
    best = view.state.champion
    value = f" {best.metric:.6f}" if best is not None and best.metric is not None else ""
    return f"{activity(view).glyph} {view.name}{value} – overnight"


def problems_text(problems: Sequence[str], keymap: str) -> str:
    """One sentence for all that is wrong with the operator's own files; help lists them."""
    if len(problems) == 1:
        return problems[0]
    where = keymap if all(keymap in problem for problem in problems) else "your settings"
    return f"{len(problems)} problems in {where}: ? tells them"


def clipped(text: str, width: int, rows: int) -> str:
    """The text, or as much as `rows` lines of `width` cells show whole, with an ellipsis."""
    from tui.panes.folded import fold_words

    lines = [line for part in text.split("\n") for line in fold_words([(part, "")], max(8, width))]
    if len(lines) <= rows:
        return text
    shown = [plain(line).rstrip() for line in lines[:rows]]
    return "\n".join([*shown[:-1], head(shown[-1], max(8, width) - 1).rstrip() + ELLIPSIS])


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
