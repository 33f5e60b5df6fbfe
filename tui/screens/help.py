"""All keys, from the one table of actions: first those of the pane in front, then by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.actions import ACTIONS, BY_ID, PANES, Action, keys_text
from tui.fitting import width_of
from tui.movement import MOVES
from tui.panes.folded import FoldedView, fold_words
from tui.runs import Line
from tui.screens.full import FullScreen, Row, keys_line

HERE: dict[str, tuple[str, ...]] = {
    "experiments": (
        "look.find", "look.sort", "look.reverse", "look.discards", "look.inside", "look.follow", "decide.revert",
        "decide.keep", "decide.undo", "decide.note", "session.copy",
    ),
    "runlog": ("look.find", "look.find_next", "look.find_previous", "look.follow", "look.wrap", "loop.abort"),
    "gpu": ("pane.zoom",),
    "notes": ("decide.note", "decide.keep", "decide.revert", "decide.undo"),
    "diff": ("decide.keep", "decide.revert", "session.copy", "pane.zoom"),
    "researcher": ("loop.message", "loop.amend", "session.program"),
    "chart": ("session.charts", "pane.zoom"),
}  # fmt: skip
"""The actions that matter most in each pane."""

_READ_ONLY = (
    "This console is read-only: it shows the session and changes nothing. Keys marked – are off for that reason; "
    "overnight attach without --read-only, or the commands on the right, do what they say."
)
_MOST_KEYS = 12


def lines(
    keys: Mapping[str, tuple[str, ...]],
    width: int,
    *,
    read_only: bool = False,
    pane: str = "",
    off: Mapping[str, str] | None = None,
    problems: Sequence[str] = (),
) -> list[Line]:
    """The whole page, folded to `width` cells. `off` tells why an action cannot be done at the moment."""
    off = off or {}
    wide = min(_MOST_KEYS, max(width_of(keys_text(keys.get(action.id, ()))) for action in ACTIONS))
    out: list[Line] = []
    if read_only:
        out += [*fold_words([(_READ_ONLY, "warn")], width), []]
    for problem in problems:
        out += fold_words([("! ", "warn"), (problem, "")], width, 2)
    if problems:
        out.append([])
    if pane in HERE:
        out += fold_words([(f"In this pane: {BY_ID[f'pane.{pane}'].title}", "title")], width)
        for id in HERE[pane]:
            out += _entry(BY_ID[id], keys, wide, width, read_only, off)
        out += [*fold_words([("  moving  ", ""), (_moves(keys), "accent")], width, 4), []]
    group = ""
    for action in ACTIONS:
        if action.group != group:
            group = action.group
            out += [[], [(group, "title")]] if out and out[-1] else [[(group, "title")]]
        out += _entry(action, keys, wide, width, read_only, off)
    out += [[], [("Moving within a pane", "title")]]
    for move in MOVES:
        shown = keys_text(keys.get(move.id, move.keys))
        out += fold_words([("  ", ""), (f"{shown:<{wide}}  ", "accent"), (move.title, "")], width, wide + 4)
    out += [[], *fold_words([("Keys can be changed by these names in keymap.toml: ", "dim")], width)]
    out += fold_words([("  " + ", ".join(action.id for action in ACTIONS), "dim")], width, 2)
    return out


def _entry(
    action: Action,
    keys: Mapping[str, tuple[str, ...]],
    wide: int,
    width: int,
    read_only: bool,
    off: Mapping[str, str],
) -> list[Line]:
    shown = keys_text(keys.get(action.id, action.keys)) or "none"
    blocked = read_only and action.acts
    names = "dim" if blocked else ""
    line: Line = [
        ("– " if blocked else "  ", "warn"),
        (f"{shown:<{wide}}", f"{names} accent".strip()),
        ("  ", ""),
        (action.help, names),
    ]
    if action.verb:
        line.append((f"  overnight {action.verb}", "dim"))
    if blocked:
        line.append(("  (read-only)", "warn"))
    elif off.get(action.id):
        line.append((f"  ({off[action.id]})", "warn"))
    return fold_words(line, width, wide + 4)


def _moves(keys: Mapping[str, tuple[str, ...]]) -> str:
    return " ".join(keys_text(keys.get(move.id, move.keys)[:1]) for move in MOVES)


class HelpScreen(FullScreen[None]):
    """Shows the page. `pane` is the one in front, `off` why actions are off now, `problems` those of the keymap."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,q", "close", "close", show=False)]
    AUTO_FOCUS = "#help-text"

    def __init__(
        self,
        keys: Mapping[str, tuple[str, ...]],
        *,
        read_only: bool = False,
        pane: str = "",
        off: Mapping[str, str] | None = None,
        problems: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._title = Row(id="help-title", classes="full-title")
        self._text = FoldedView(
            lambda width: lines(
                keys, width, read_only=read_only, pane=pane if pane in PANES else "", off=off, problems=problems
            ),
            id="help-text",
        )
        self._keys = Row(id="help-keys")
        self._read_only = read_only

    def compose(self) -> ComposeResult:
        """Title, the page, keys."""
        yield self._title
        yield self._text
        yield self._keys

    def on_mount(self) -> None:
        """Say what this is."""
        self._title.say([("help · all keys", "strong")], [("read-only", "strong")] if self._read_only else [])
        self._keys.say(keys_line(("Esc", "close"), ("j k", "scroll"), ("g G", "start, end")))
