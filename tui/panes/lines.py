"""A widget that shows lines of runs and paints only the lines that changed: what the text panes are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.fitting import width_of, wrap
from tui.movement import bindings, lines_of, thumb
from tui.palette import palette
from tui.panes.wishes import Sized
from tui.runs import Line, strip_of


class LinesView(Widget, can_focus=True):
    """`show(lines)` replaces what is shown. It scrolls when there are more lines than rows.

    `stick` keeps the end in view until the reader scrolls up.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    DEFAULT_CSS = "LinesView { height: 1fr; }"

    def __init__(self, *, stick: bool = False, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[Line] = []
        self._top = 0
        self._stick = stick
        self._at_end = stick
        self._thumb = (0, 0)
        self._laid_width = 0

    @property
    def lines(self) -> list[Line]:
        """What is shown, scrolled off or not."""
        return self._lines

    @property
    def room(self) -> int:
        """Cells of a line; the last one is the scrollbar's."""
        return max(1, self.size.width - 1)

    def show(self, lines: Sequence[Line], *, from_start: bool = False) -> None:
        """Show these lines; `from_start` for another thing altogether, whose first line is to be seen."""
        old, old_top = self._lines, self._top
        self._laid_width = self.size.width
        self._lines = list(lines)
        if from_start and not self._stick:
            self._top = 0
        self._clamp()
        if self._top != old_top:
            self.refresh()
            return
        for y in range(self.size.height):
            at = self._top + y
            if (old[at] if at < len(old) else None) != (self._lines[at] if at < len(self._lines) else None):
                self.refresh(Region(0, y, self.room, 1))
        if self._bar() != self._thumb:
            self.refresh(Region(self.room, 0, 1, self.size.height))

    def action_move(self, where: str) -> None:
        """Scroll (`down`, `page_up`, `start`, `end`, …)."""
        lines = lines_of(where, self.size.height)
        before = self._top
        if lines is not None:
            self._top += lines
        elif where in ("start", "end"):
            self._top = 0 if where == "start" else len(self._lines)
        self._at_end = False
        self._clamp()
        self._at_end = self._stick and self._top >= len(self._lines) - self.size.height
        if self._top != before:
            self.refresh()

    def _clamp(self) -> None:
        most = max(0, len(self._lines) - self.size.height)
        self._top = most if self._at_end else max(0, min(self._top, most))

    def _bar(self) -> tuple[int, int]:
        return thumb(self._top, self.size.height, len(self._lines), self.size.height)

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        if self._laid_width != self.size.width:
            # Whoever asks the compositor for a widget's place between mounting and layout swallows its Resize.
            self._laid_width = self.size.width
            self.call_later(self.on_resize)
        styles = palette(self.app)
        at = self._top + y
        body = strip_of(self._lines[at] if at < len(self._lines) else [], self.room, self.rich_style, styles)
        start, length = self._thumb = self._bar()
        bar: Line = [("┃", "scroll")] if length and start <= y < start + length else []
        return Strip.join([body, strip_of(bar, self.size.width - self.room, self.rich_style, styles)])

    def on_resize(self) -> None:
        """Keep the place."""
        before = self._top
        self._clamp()
        if self._top != before:
            self.refresh()
        self.post_message(Sized(self))

    def on_mouse_scroll_down(self) -> None:
        """Scroll with the wheel."""
        for _ in range(3):
            self.action_move("down")

    def on_mouse_scroll_up(self) -> None:
        """Scroll with the wheel."""
        for _ in range(3):
            self.action_move("up")


def told_once(texts: Iterable[str]) -> list[str]:
    """`texts` in order, each once, with how often it was said."""
    return [text if count == 1 else f"{text} ({count} times)" for text, count in Counter(texts).items()]


def paragraph(text: str, width: int, names: str = "", indent: int = 0, mark: str = "") -> list[Line]:
    """`text` folded between words to `width` cells; `mark` stands before its first line, within the indent."""
    room = max(8, width - indent)
    out: list[Line] = []
    for part in text.splitlines() or [""]:
        for piece in _fold(part, room):
            lead = mark.ljust(indent)[:indent] if not out else " " * indent
            out.append([(lead, "dim"), (piece, names)] if indent else [(piece, names)])
    return out


def _fold(text: str, width: int) -> list[str]:
    pieces: list[str] = []
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if width_of(joined) <= width:
            line = joined
            continue
        if line:
            pieces.append(line)
        *full, line = wrap(word, width)
        pieces.extend(full)
    return [*pieces, line]
