"""A question with one dangerous answer: another key than the one that asked says yes; Enter and Esc cancel."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.actions import key_text
from tui.diffview import DiffView
from tui.panes.lines import LinesView
from tui.steering import Question


class ConfirmScreen(ModalScreen[bool]):
    """Dismissed with True when confirmed. `diff` (a future of unified-diff text) fills the lower part when it comes."""

    DEFAULT_CSS = """
    ConfirmScreen { align: center middle; }
    ConfirmScreen > Vertical {
        width: 90%; max-width: 120; height: auto; max-height: 90%;
        border: round $warning; background: $surface; padding: 0 1;
    }
    ConfirmScreen LinesView { height: auto; }
    ConfirmScreen DiffView { height: 1fr; min-height: 4; max-height: 24; border-top: solid $panel; }
    """

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question
        self._text = LinesView(id="question")
        self._text.can_focus = False
        self._diff = DiffView(empty_text="reading the diff …", id="question-diff")

    def compose(self) -> ComposeResult:
        """The question, the diff, and what the keys do."""
        box = Vertical(id="confirm")
        box.border_title = self.question.title
        box.border_subtitle = f"{key_text(self.question.key)} {self.question.word} · Esc or Enter cancels"
        with box:
            yield self._text
            if self.question.diff_of is not None:
                yield self._diff

    def on_mount(self) -> None:
        """Lay out the text at its height."""
        self._text.styles.height = len(self.question.lines)
        self._text.show(self.question.lines)
        if self.question.diff_of is not None:
            self._diff.show_diff("")
            self._diff.focus()

    def show_diff(self, diff: str, problem: str = "") -> None:
        """The diff came, or could not be had."""
        if self.question.diff_of is not None and self.is_attached:
            self._diff.empty_text = f"no diff: {problem}" if problem else "no difference"
            self._diff.rows = []
            self._diff.show_diff(diff)
            self._diff.on_resize()

    def on_key(self, event: events.Key) -> None:
        """Yes by its own key; everything that leaves is no."""
        if event.key == self.question.key:
            event.stop()
            self.dismiss(True)
        elif event.key in ("escape", "enter", "q", "n"):
            event.stop()
            self.dismiss(False)
