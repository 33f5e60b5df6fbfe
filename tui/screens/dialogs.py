"""The question before a destructive act: what comes of it, the diff that goes or comes, and Cancel in focus.

The key that confirms is another one than the key that asked; Enter on Cancel and Esc change nothing.
"""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from tui.actions import key_text
from tui.diffview import layout, parse
from tui.fitting import width_of
from tui.movement import bindings
from tui.panes.folded import FoldedView, fold_words
from tui.runs import Line
from tui.steering import Question

_LABEL = 12  # cells of the labels in a question's lines
_CHROME = 6  # rows of the box beside its text: border, title, two blanks, buttons
_WIDEST = 132
_OTHERS = ("y", "Y", "o")


def confirming_key(question: Question, asked_by: tuple[str, ...]) -> str:
    """The question's key, or another one where the operator's keymap gave that very key to the act."""
    return next(key for key in (question.key, *_OTHERS, "f12") if key not in asked_by)


def facts(question: Question, width: int) -> list[Line]:
    """The question's lines folded to `width` cells."""
    return [folded for line in question.lines for folded in fold_words(line, width, _indent(line))]


def _indent(line: Line) -> int:
    """A line that begins with a label goes on beside it."""
    return _LABEL if line and width_of(line[0][0]) == _LABEL else 0


def diff_lines(title: str, diff: str | None, problem: str, width: int) -> list[Line]:
    """The diff with its heading; while it is None it is being read."""
    heading: Line = [(f"── {title} ", "strong")]
    if problem:
        return [[], heading, *fold_words([(f"no diff: {problem}", "warn")], width)]
    if diff is None:
        return [[], heading, [("reading …", "dim")]]
    if not diff.strip():
        return [[], heading, [("nothing: it measured its champion's text", "dim")]]
    return [[], heading, *layout(parse(diff), width)]


class ConfirmScreen(ModalScreen[bool]):
    """Asks `question`; its result is True only when confirmed. `asked_by` are the keys of the act itself.

    The diff of `question.diff_of` may come later, by `show_diff`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(False)", "cancel", show=False, id="console.close"),
        Binding("left,right", "other_button", show=False),
        *bindings(),
    ]
    DEFAULT_CSS = """
    ConfirmScreen { align: center middle; }
    ConfirmScreen > #question { border: round $warning; background: $surface; padding: 0 1; }
    ConfirmScreen #question-title { text-style: bold; color: $warning; height: 1; margin-bottom: 1; }
    ConfirmScreen #question-buttons { height: 1; margin-top: 1; }
    ConfirmScreen Button { margin-right: 2; min-width: 12; }
    ConfirmScreen #question-more { width: 1fr; text-align: right; color: $text-muted; height: 1; }
    ConfirmScreen:ansi > #question { background: ansi_default; }
    ConfirmScreen Button { background: $panel; color: $foreground; }
    ConfirmScreen #question-do { color: $warning; }
    ConfirmScreen Button:focus { background: $surface; color: $primary; text-style: bold reverse; }
    ConfirmScreen:ansi Button { background: ansi_default; color: ansi_default; }
    ConfirmScreen:ansi Button:focus { background: ansi_default; color: ansi_default; text-style: bold reverse; }
    """
    AUTO_FOCUS = "#question-cancel"

    def __init__(
        self, question: Question, *, diff: str | None = None, asked_by: tuple[str, ...] = (), id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self.question = question
        self.key = confirming_key(question, asked_by)
        self._diff, self._problem = diff, ""
        # Made here, not when composed: whoever brings the diff may come before the screen is up.
        self.text = FoldedView(self._laid, id="question-text")
        self._box = Vertical(id="question")
        self._more = Static("", id="question-more", markup=False)

    def compose(self) -> ComposeResult:
        """Title, text, buttons."""
        word = f"{key_text(self.key)}  {self.question.word}"
        with self._box:
            yield Static(self.question.title, id="question-title", markup=False)
            yield self.text
            with Horizontal(id="question-buttons"):
                yield Button("Esc  cancel", id="question-cancel", compact=True)
                yield Button(_plain(word), id="question-do", compact=True)
                yield self._more

    def show_diff(self, diff: str, problem: str = "") -> None:
        """The diff is here, or `problem` says why it is not."""
        self._diff, self._problem = diff, problem
        if self._box.is_attached:
            self._fit()

    def on_mount(self) -> None:
        """Find the size of the box. The text scrolls by keys of the screen and leaves the focus to the buttons."""
        self.text.can_focus = False
        self.styles.background = "transparent"  # the console stays in sight, and need not be painted again
        self._fit()

    def on_resize(self) -> None:
        """Find it anew."""
        self._fit()

    def on_key(self, event: events.Key) -> None:
        """The confirming key; it is none of the bindings, since no keymap may move it onto the asking key."""
        if self.key in (event.key, event.character):
            event.stop()  # or it would go on to the console's own binding, once this screen is gone
            self.dismiss(True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button was chosen."""
        self.dismiss(event.button.id == "question-do")

    def action_answer(self, sure: bool) -> None:
        """Close with this answer."""
        self.dismiss(sure)

    def action_other_button(self) -> None:
        """To the other button."""
        self.focus_next("Button")

    def action_move(self, where: str) -> None:
        """Scroll the text."""
        self.text.action_move(where)
        self._say_more()

    def _laid(self, width: int) -> list[Line]:
        lines = facts(self.question, width)
        run, title = self.question.diff_of, self.question.diff_title
        if run is not None or title:
            lines += diff_lines(title or f"what run {run} changed", self._diff, self._problem, width)
        return lines

    def _fit(self) -> None:
        width = max(20, min(_WIDEST, self.size.width - 4))
        height = min(self.size.height - 2, len(self._laid(width - 5)) + _CHROME)
        self._box.styles.width, self._box.styles.height = width, max(_CHROME + 1, height)
        self.text.relay()
        self.call_after_refresh(self._say_more)

    def _say_more(self) -> None:
        below = self.text.below
        self._more.update(f"{below} more line{'s' if below > 1 else ''} below: j k" if below else "")


def _plain(text: str) -> str:
    """Text of ours for a button's label, whose markup is not wanted."""
    return text.replace("[", "\\[")
