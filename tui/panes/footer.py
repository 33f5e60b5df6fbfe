"""The last row: the keys that matter most here, as many as fit, or the line in which something is typed."""

from __future__ import annotations

from collections.abc import Mapping

from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from tui.actions import BY_ID, FOOTER, key_text
from tui.palette import palette
from tui.runs import Line, line_width, strip_of


def line(keys: Mapping[str, tuple[str, ...]], off: frozenset[str], width: int) -> Line:
    """The footer's keys; those in `off` (nothing to act on, or read-only) are left out, and say why when pressed."""
    out: Line = []
    for id in FOOTER:
        action = BY_ID[id]
        if id in off or not keys.get(id):
            continue
        part: Line = [(f"{key_text(keys[id][0])} ", "accent"), (action.short or action.title, "")]
        if line_width(out) + line_width(part) + 2 > width:
            continue
        if out:
            out.append(("  ", ""))
        out += part
    return out


class KeysLine(Widget):
    """Paints them."""

    DEFAULT_CSS = "KeysLine { height: 1; dock: bottom; }"

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._keys: Mapping[str, tuple[str, ...]] = {}
        self._off: frozenset[str] = frozenset()

    def show(self, keys: Mapping[str, tuple[str, ...]], off: frozenset[str]) -> None:
        """Show these keys."""
        if (keys, off) != (self._keys, self._off):
            self._keys, self._off = keys, off
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The row."""
        shown: Line = [(" ", ""), *line(self._keys, self._off, self.size.width - 1)]
        return strip_of(shown, self.size.width, self.rich_style, palette(self.app))


class AskLine(Input):
    """A line to type in at the bottom, over the keys: for `/` and for notes. It closes itself."""

    BINDINGS = []
    DEFAULT_CSS = "AskLine { dock: bottom; display: none; }"

    class Answered(Message):
        """Enter: `text` for `purpose`."""

        def __init__(self, purpose: str, text: str) -> None:
            super().__init__()
            self.purpose, self.text = purpose, text

    def __init__(self) -> None:
        super().__init__(id="ask", compact=True)
        self.cursor_blink = False
        self.purpose = ""
        self._back: Widget | None = None

    def ask(self, purpose: str, question: str, text: str = "") -> None:
        """Open the line."""
        self.purpose = purpose
        self._back = self.screen.focused
        self.placeholder, self.value = question, text
        self.cursor_position = len(text)
        self.display = True
        self.focus()

    def close(self) -> None:
        """Close it, and give the focus back."""
        self.display = False
        if self._back is not None and self._back.is_attached:
            self._back.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Tell what was typed."""
        event.stop()
        self.close()
        self.post_message(self.Answered(self.purpose, event.value.strip()))

    def on_key(self, event: events.Key) -> None:
        """Esc closes without an answer."""
        if event.key == "escape":
            event.stop()
            event.prevent_default()
            self.close()
