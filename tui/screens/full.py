"""What the screens that cover the console have in common: a title row, a body, a row of keys; Esc closes."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, ScreenResultType
from textual.strip import Strip
from textual.widget import Widget

from tui.palette import palette
from tui.runs import Line, line_width, strip_of


class Row(Widget):
    """One row of runs: `left`, and at the right end `right`; what does not fit is cut, the right part first."""

    DEFAULT_CSS = "Row { height: 1; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._left: Line = []
        self._right: Line = []

    @property
    def says(self) -> str:
        """The text, left then right."""
        return " ".join("".join(text for text, _ in part) for part in (self._left, self._right)).strip()

    def say(self, left: Line, right: Line | None = None) -> None:
        """Show this."""
        right = right or []
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The row."""
        width = self.size.width
        gap = width - 2 - line_width(self._left) - line_width(self._right)
        line: Line = [(" ", ""), *self._left]
        if gap >= 1:
            line += [(" " * gap, ""), *self._right]
        return strip_of(line, width, self.rich_style, palette(self.app))


class FullScreen(ModalScreen[ScreenResultType]):
    """A screen of its own over the console; nothing of the console shows through or reacts to keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", show=False, id="console.close")]
    DEFAULT_CSS = """
    FullScreen { background: $background; layout: vertical; }
    FullScreen > .full-title { background: $primary; color: $background; text-style: bold; }
    FullScreen > .full-title:ansi { background: ansi_default; color: ansi_default; text-style: reverse bold; }
    """

    def action_close(self) -> None:
        """Close without a result."""
        self.dismiss(None)


def keys_line(*keys: tuple[str, str]) -> Line:
    """A row of keys with what they do, for the bottom."""
    line: Line = []
    for key, what in keys:
        line += [("  " if line else "", ""), (key, "accent strong"), (f" {what}", "")]
    return line
