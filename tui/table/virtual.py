"""A table that asks its source for the rows on screen only, and repaints no line that did not change.

Ten thousand rows cost what ten do: nothing is kept for a row off the screen. It draws its own heading and scrollbar,
so that a new row never lays the screen out again.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tui.fitting import fit, width_of
from tui.movement import bindings, lines_of, thumb
from tui.palette import palette
from tui.runs import Line, crop, strip_of
from tui.table.source import Source
from tui.table.widths import GAP, Piece, Stop, arrange, pieces, stops, wanted

_SAMPLE = 60


class VirtualTable(Widget, can_focus=True):
    """Shows a `Source` with a row cursor; at the last row it follows new ones.

    After the source changed call `update_rows(first)` (rows were added or differ from index `first` on) or `reload()`
    (sorted, filtered, replaced): the selected row stays selected by its key. `empty_text` is shown without rows.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(), Binding("enter", "look_inside", show=False, id="look.inside")]
    COMPONENT_CLASSES = {"virtual-table--heading", "virtual-table--cursor"}
    DEFAULT_CSS = """
    VirtualTable {
        width: 1fr;
        height: 1fr;
        & > .virtual-table--heading { color: $primary; text-style: bold; }
        & > .virtual-table--cursor { background: $surface-lighten-2; text-style: none; }
        &:focus > .virtual-table--cursor {
            background: $block-cursor-background; color: $block-cursor-foreground; text-style: none;
        }
        &:nocolor > .virtual-table--cursor { text-style: bold; }
        &:nocolor:focus > .virtual-table--cursor { text-style: reverse; }
        &:ansi > .virtual-table--cursor { text-style: bold; }
        &:ansi:focus > .virtual-table--cursor { text-style: reverse; background: ansi_default; color: ansi_default; }
    }
    """

    sideways: reactive[int] = reactive(0, repaint=True)
    """Steps scrolled to the right: each brings another column beside the first one, which always stays."""

    class RowHighlighted(Message):
        """The cursor came to another row."""

        def __init__(self, table: VirtualTable, key: Hashable) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> VirtualTable:
            return self.table

    class RowSelected(RowHighlighted):
        """Enter, or a click on the row with the cursor."""

    def __init__(
        self,
        source: Source,
        *,
        empty_text: str = "nothing yet",
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.source = source
        self.empty_text = empty_text
        self.following = True
        self._top = 0
        self._count = len(source)
        self._cursor = max(0, len(source) - 1)
        self._key: Hashable | None = source.key(self._cursor) if len(source) else None
        self._asked: list[int] = []
        self._widths: list[int] = []
        self._stops = [Stop(1)]
        self._laid_out = Size(0, 0)
        self._thumb = (0, 0)

    # What it is showing

    @property
    def cursor(self) -> int:
        """The row with the cursor; 0 without rows."""
        return self._cursor

    @property
    def selected_key(self) -> Hashable | None:
        """Key of the row with the cursor, None without rows."""
        return self._key

    @property
    def top(self) -> int:
        """The first row on screen."""
        return self._top

    @property
    def page(self) -> int:
        """Rows that fit below the heading."""
        return max(1, self.size.height - 1)

    # What the owner calls

    def update_rows(self, first: int) -> None:
        """Rows from index `first` on are new or different; only lines that show them are painted again."""
        old_top, old_cursor, count = self._top, self._cursor, self._count
        self._settle()
        if self._measure():
            self.refresh()
        elif self._top != old_top:
            self._repaint_body()
        else:
            self._repaint(first, max(count, len(self.source)))
            if not count or not len(self.source):
                self._repaint_body()
            if self._cursor != old_cursor:
                self._repaint(old_cursor, old_cursor + 1)
                self._repaint(self._cursor, self._cursor + 1)
            self._repaint_bar()

    def reload(self) -> None:
        """Everything may be different: measure and paint anew, the cursor staying with its row."""
        self._asked = []
        self._settle(keep=True)
        self._measure()
        self.refresh()

    def select(self, key: Hashable) -> bool:
        """Put the cursor on the row with this key; False where the source does not show it."""
        index = self.source.index(key)
        if index is None:
            return False
        self._go(index)
        return True

    def action_move(self, where: str) -> None:
        """Move the cursor (`down`, `page_up`, `start`, …) or the columns (`left`, `right`)."""
        if where in ("left", "right"):
            step = 1 if where == "right" else -1
            self.sideways = min(len(self._stops) - 1, max(0, self.sideways + step))
        elif where in ("start", "end"):
            self._go(0 if where == "start" else len(self.source) - 1)
        elif (lines := lines_of(where, self.page)) is not None:
            self._go(self._cursor + lines)

    # Moving

    def _go(self, index: int) -> None:
        if not len(self.source):
            return
        old, old_top = self._cursor, self._top
        self._cursor = min(len(self.source) - 1, max(0, index))
        self.following = self._cursor == len(self.source) - 1
        self._reveal()
        self._take_key()
        if self._top != old_top and self._measure():
            self.refresh()
        elif self._top != old_top:
            self._repaint_body()
        elif old != self._cursor:
            self._repaint(old, old + 1)
            self._repaint(self._cursor, self._cursor + 1)

    def _settle(self, *, keep: bool = False) -> None:
        """Find the cursor's row again after the source changed; follow the end if it was there.

        In an order of its own a new row is not at the end: there, and with `keep`, the selected row is kept.
        """
        count = self._count = len(self.source)
        if not count:
            self._cursor = self._top = 0
            self._key = None
            self.following = True
            return
        keep = (keep or bool(getattr(self.source, "sorted_by", ""))) and self._key is not None
        if self.following and not keep:
            self._cursor = count - 1
        else:
            place = self.source.index(self._key) if self._key is not None else None
            offset = self._cursor - self._top
            if place is not None:
                if place != self._cursor:
                    self._top = max(0, place - offset)
                self._cursor = place
            else:
                self._cursor = min(self._cursor, count - 1)
        self.following = self._cursor == count - 1
        self._reveal()
        self._take_key()

    def _reveal(self) -> None:
        page = self.page
        most = max(0, len(self.source) - page)
        self._top = min(most, max(self._cursor - page + 1, min(self._top, self._cursor)))

    def _take_key(self) -> None:
        key = self.source.key(self._cursor)
        if key != self._key:
            self._key = key
            self.post_message(self.RowHighlighted(self, key))

    def scroll_rows(self, rows: int) -> None:
        """Scroll by `rows`, as a mouse wheel does; the cursor stays on screen."""
        self._go(self._cursor + rows)

    # Widths

    def _measure(self) -> bool:
        """Work out the columns' widths; True where they changed."""
        count = len(self.source)
        near = range(max(0, self._top - _SAMPLE // 2), min(count, self._top + self.page + _SAMPLE // 2))
        rows = [self.source.row(index) for index in near]
        asked = wanted(self.source.columns, rows, self._asked)
        widths = arrange(self.source.columns, asked, self._room())
        changed = widths != self._widths
        self._asked, self._widths = asked, widths
        self._stops = stops(self.source.columns, widths, asked, self._room())
        self.sideways = min(self.sideways, len(self._stops) - 1)
        return changed

    def _room(self) -> int:
        return max(1, self.size.width - 2)  # the last cells are a gap and the scrollbar

    def _pieces(self) -> list[Piece]:
        """What is drawn. Scrolled sideways every column has its full width; otherwise stretching ones give way."""
        widths = self._asked if self.sideways else self._widths
        return pieces(self.source.columns, widths, self._room(), self._stops[self.sideways])[0]

    # Painting

    def on_resize(self) -> None:
        self._laid_out = self.size
        self._reveal()
        self._measure()
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self.source) + 1

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        width = self.size.width
        styles = palette(self.app)
        if self._laid_out != self.size:  # its Resize may have been swallowed, as in LinesView
            self._laid_out = self.size
            self.call_later(self.on_resize)
        if not self._widths:
            self._reveal()
            self._measure()
        if y == 0:
            return strip_of(self._heading(), width, self.get_component_rich_style("virtual-table--heading"), styles)
        index = self._top + y - 1
        if index >= len(self.source):
            line: Line = [(self.empty_text, "dim")] if y == 1 and not len(self.source) else []
            return strip_of(line, width, base, styles)
        if index == self._cursor:
            base = self.get_component_rich_style("virtual-table--cursor")
            if self.has_focus:  # the cursor's colours must stay readable over any cell's
                styles = {name: _uncoloured(style) for name, style in styles.items()}
        row = self._row(index)
        body = strip_of(row, self._room(), base, styles)
        return Strip.join([body, strip_of(self._bar(y - 1), width - self._room(), self.rich_style, palette(self.app))])

    def _heading(self) -> Line:
        line: Line = []
        sort = getattr(self.source, "sorted_by", "")
        for place, _, width in self._pieces():
            column = self.source.columns[place]
            title = column.title
            if column.id == sort and sort:
                title += "▼" if getattr(self.source, "descending", False) else "▲"
            line += [(fit(title, width, right=column.right), ""), (" " * GAP, "")]
        more = "›" if self.sideways < len(self._stops) - 1 else ""
        less = "‹" if self.sideways else ""
        line = crop(line, 0, self._room())
        used = sum(width_of(text) for text, _ in line)
        return [*line, (" " * max(0, self._room() - used) + (less + more).rjust(2), "accent")]

    def _row(self, index: int) -> Line:
        line: Line = []
        cells = self.source.row(index)
        for place, skip, width in self._pieces():
            text, names = cells[place]
            right = self.source.columns[place].right
            if skip:
                line += crop([(fit(text, self._asked[place], right=right), names)], skip, width)
            else:
                line.append((fit(text, width, right=right), names))
            line.append((" " * GAP, ""))
        return line

    def _bar(self, row: int) -> Line:
        start, length = self._thumb = thumb(self._top, self.page, len(self.source), self.page)
        return [(" ", ""), ("┃", "scroll")] if length and start <= row < start + length else []

    def _repaint(self, first: int, end: int) -> None:
        """Paint the lines of rows `first` to `end` again, as far as they are on screen."""
        low = max(0, first - self._top)
        high = min(self.page, end - self._top)
        if high > low:
            self.refresh(Region(0, low + 1, self.size.width, high - low))

    def _repaint_body(self) -> None:
        self.refresh(Region(0, 1, self.size.width, self.page))

    def _repaint_bar(self) -> None:
        now = thumb(self._top, self.page, len(self.source), self.page)
        if now != self._thumb and self.size.width > 1:
            self.refresh(Region(self.size.width - 1, 1, 1, self.page))

    # Input

    def action_look_inside(self) -> None:
        """Tell that the row with the cursor was chosen."""
        if self._key is not None:
            self.post_message(self.RowSelected(self, self._key))

    def on_click(self, event: events.Click) -> None:
        index = self._top + event.y - 1
        if event.y < 1 or index >= len(self.source):
            return
        if index == self._cursor and self._key is not None:
            self.post_message(self.RowSelected(self, self._key))
        else:
            self._go(index)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-3)

    def on_focus(self) -> None:
        self._repaint(self._cursor, self._cursor + 1)

    def on_blur(self) -> None:
        self._repaint(self._cursor, self._cursor + 1)


def _uncoloured(style: Style) -> Style:
    return Style(bold=style.bold, italic=style.italic, underline=style.underline)
