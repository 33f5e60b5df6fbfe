"""All that keys do, in one table: bindings, footer, help, palette, keymap and the README's key table come from it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tui.keymap import Bindable
from tui.movement import MOVES

Needs = Literal["", "engine", "session", "selection"]
Group = Literal["Panes", "Moving", "Looking", "The loop", "Decisions", "Session", "Console"]


class Action(NamedTuple):
    """One thing that the operator can do.

    `keys` are the defaults in Textual's names; `verb` is the command-line verb that does the same ("" for what only a
    screen can do); `needs` says what must be there: a running engine, a session, or a selected run. `acts` marks what
    changes the session: a read-only console refuses it. `short` is the footer's word.
    """

    id: str
    keys: tuple[str, ...]
    title: str
    group: Group
    help: str
    verb: str = ""
    needs: Needs = ""
    acts: bool = False
    short: str = ""


PANES = ("experiments", "runlog", "gpu", "notes", "diff", "researcher", "chart")
"""The panes in the order of their number keys."""

ACTIONS: tuple[Action, ...] = (
    Action("pane.experiments", ("1",), "experiments", "Panes", "Every run with its result.", verb="log"),
    Action("pane.runlog", ("2",), "run.log", "Panes", "The output of the run, live, or of an earlier run."),
    Action("pane.gpu", ("3",), "GPU", "Panes", "Devices, their memory and processes; without one the machine's load."),
    Action("pane.notes", ("4",), "notes", "Panes", "What is known of the selected run.", verb="show"),
    Action("pane.diff", ("5",), "diff", "Panes", "The selected run's change against its champion.", verb="show"),
    Action("pane.researcher", ("6",), "researcher", "Panes", "What the researcher says, and your messages to it."),
    Action("pane.chart", ("7",), "chart", "Panes", "Results with the running best."),
    Action("pane.next", ("tab",), "next pane", "Panes", "Go to the next pane."),
    Action("pane.previous", ("shift+tab",), "pane before", "Panes", "Go to the pane before."),
    Action("pane.zoom", ("z",), "zoom", "Panes", "Give the focused pane the whole screen, and back.", short="zoom"),
    Action("look.find", ("slash",), "find", "Looking", "Filter the experiments, or search the log.", short="find"),
    Action("look.find_next", ("n",), "next match", "Looking", "The next match in the log."),
    Action("look.find_previous", ("N",), "match before", "Looking", "The match before in the log."),
    Action("look.follow", ("f",), "follow", "Looking", "Follow the end of the run under way.", short="follow"),
    Action("look.wrap", ("w",), "wrap lines", "Looking", "Wrap long lines of the log, or cut them off."),
    Action("look.inside", ("enter",), "look inside", "Looking", "Open the selected run's own log.", needs="selection"),
    Action(
        "look.words", ("t",), "the researcher's words", "Looking", "Open all that the researcher said and did for the"
        " selected run.", verb="show", needs="selection",
    ),
    Action("look.sort", ("o",), "sort by next column", "Looking", "Order the experiments by the next column."),
    Action("look.reverse", ("O",), "sort the other way", "Looking", "Turn the order of the experiments round."),
    Action("look.discards", ("d",), "hide discards", "Looking", "Hide the runs that were not kept, or show them."),
    Action(
        "loop.start", ("r",), "start the engine", "The loop", "Start an engine for this session; it goes on without the"
        " console.", verb="start", needs="session", acts=True, short="start",
    ),
    Action(
        "loop.pause", ("p",), "pause or resume", "The loop", "Pause after this experiment, or go on.",
        verb="pause", needs="session", acts=True, short="pause",
    ),
    Action(
        "loop.stop", ("s",), "stop", "The loop", "Stop the engine after this experiment.", verb="stop",
        needs="engine", acts=True, short="stop",
    ),
    Action(
        "loop.abort", ("x",), "abort this experiment", "The loop", "End the experiment under way now.", verb="abort",
        needs="engine", acts=True, short="abort",
    ),
    Action(
        "loop.message", ("m",), "message the researcher", "The loop", "Write to the researcher; its next prompt carries"
        " it.", verb="say", needs="session", acts=True, short="message",
    ),
    Action(
        "loop.amend", ("M",), "amend the last message", "The loop", "Take back your last message while it is not"
        " delivered, and write it again.", verb="say", needs="session", acts=True,
    ),
    Action(
        "decide.revert", ("R",), "revert", "Decisions", "Take back the selected kept run, or the champion, with all"
        " keeps after it.", verb="revert", needs="session", acts=True, short="revert",
    ),
    Action(
        "decide.keep", ("K",), "keep", "Decisions", "Make the selected run the champion.", verb="keep",
        needs="selection", acts=True, short="keep",
    ),
    Action(
        "decide.undo", ("u",), "undo", "Decisions", "Take the last revert or keep back.", verb="undo",
        needs="session", acts=True,
    ),
    Action(
        "decide.note", ("A",), "annotate", "Decisions", "Write a note on the selected run.", verb="note",
        needs="selection", acts=True,
    ),
    Action(
        "session.program", ("e",), "edit program.md", "Session", "Open the researcher's instructions in $EDITOR.",
        verb="edit", needs="session", acts=True,
    ),
    Action(
        "session.copy", ("y",), "copy", "Session", "Copy what the pane in front shows: the selected run's line,"
        " the log's lines on screen, the patch, the notes, the talk.", needs="session",
    ),
    Action("session.charts", ("c",), "charts", "Session", "All charts on a screen of their own.", needs="session"),
    Action(
        "session.growth", ("W",), "growth", "Session", "The growth search: rounds, candidates, the path taken.",
        verb="grow", needs="session",
    ),
    Action("session.journal", ("J",), "journal", "Session", "autoresearch.md, rendered.", needs="session"),
    Action(
        "session.swarm", ("H",), "swarm", "Session", "What the swarm's members do and found; adopt a result of"
        " theirs.", verb="swarm", needs="session",
    ),
    Action("session.all", ("S",), "sessions", "Session", "All sessions: switch, start, stop, new.", verb="status"),
    Action("console.slow", ("L",), "slow link", "Console", "Refresh every 10 s at most, for a slow line; and back."),
    Action("console.help", ("question_mark",), "help", "Console", "All keys.", short="help"),
    Action("console.palette", ("colon", "ctrl+p"), "palette", "Console", "Find any action by its name."),
    Action("console.close", ("escape",), "close or cancel", "Console", "Close what is open, nothing else."),
    Action(
        "console.detach", ("q",), "detach", "Console", "Leave; the loop goes on. ctrl+c does it too.", verb="attach",
        short="detach",
    ),
)  # fmt: skip

BY_ID = {action.id: action for action in ACTIONS}

FOOTER = (
    "console.help", "loop.start", "loop.pause", "loop.message", "decide.revert", "decide.keep", "loop.abort",
    "loop.stop", "look.find", "console.detach", "look.follow", "pane.zoom",
)  # fmt: skip
"""Actions in the footer, the most needed first where the line is too short for all."""

_SIGNS = {
    "slash": "/", "question_mark": "?", "colon": ":", "escape": "Esc", "enter": "Enter", "tab": "Tab",
    "shift+tab": "Shift+Tab", "space": "Space", "up": "↑", "down": "↓", "left": "←", "right": "→",
    "pagedown": "PgDn", "pageup": "PgUp", "home": "Home", "end": "End",
}  # fmt: skip


def key_text(key: str) -> str:
    """A key as it is written for people: `?`, `Tab`, `ctrl+p`."""
    return _SIGNS.get(key, key)


def keys_text(keys: tuple[str, ...]) -> str:
    """All keys of an action, for help and tables."""
    return " ".join(key_text(key) for key in keys)


def bindables() -> list[Bindable]:
    """What `keymap.toml` may remap: these actions and the moves within a pane."""
    return [Bindable(action.id, action.keys) for action in ACTIONS] + [Bindable(move.id, move.keys) for move in MOVES]


def readme_table() -> str:
    """The key table of the README, in Markdown."""
    lines = ["| Key | What it does | Command |", "|---|---|---|"]
    for action in ACTIONS:
        verb = f"`overnight {action.verb}`" if action.verb else ""
        keys = " ".join(f"`{key_text(key)}`" for key in action.keys)
        lines.append(f"| {keys} | {action.help} | {verb} |")
    moves = " ".join(f"`{key_text(move.keys[0])}`" for move in MOVES)
    lines.append(f"| {moves} | Move within a pane; arrows, Home, End and the page keys do the same. | |")
    return "\n".join(lines) + "\n"
