"""A log of any size on the screen: follows its end, or stands still wherever the reader stopped it.

Only the rows on screen are ever read. Place is kept as the byte offset of the top row, so nothing that is written
below moves the text under a reader. While following, a burst of lines costs one repaint each `interval` seconds, and
rows that look the same are not painted again.
"""

from __future__ import annotations

from time import monotonic
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from engine.session.growth import Change
from tui.fitting import width_of
from tui.logview.finder import Direction, Finder, Found
from tui.logview.rows import Place, Row, rows_at_end, rows_before, rows_from, runs_of, unfolded
from tui.logview.source import LogText, NewLines
from tui.movement import bindings, lines_of, thumb
from tui.palette import palette
from tui.runs import Line, crop, strip_of

_SIDEWAYS = 16
_CATCH_UP = 0.02
_ANEW, _ANEW_S = "the log was started anew", 10.0


class LogView(Widget, can_focus=True):
    """Shows a `LogText`. The owner calls `poll()` when the file may have changed; `show(log)` shows another one.

    `following`, `new_lines` and `notice` say how it stands; a `Status` message comes when one of them changes.
    `interval` is the least time in seconds between two repaints that growth causes (longer for a slow link).
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    DEFAULT_CSS = """
    LogView { width: 1fr; height: 1fr; }
    """

    wrapped: reactive[bool] = reactive(False)
    """Fold long lines instead of scrolling sideways."""

    class Status(Message):
        """`following`, `new_lines` or `notice` changed."""

        def __init__(self, view: LogView) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> LogView:
            return self.view

    def __init__(
        self,
        log: LogText | None = None,
        *,
        empty_text: str = "no output yet",
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.interval = 0.35
        self.empty_text = empty_text
        self.following = True
        self.notice = ""
        self.ended = False
        self._log = log
        self._generation = 0
        self._failed = False
        self._top = Place(0)
        self._rows: list[Row] = []
        self._sideways = 0
        self._current: int | None = None
        self._finder = Finder()
        self._new = NewLines()
        self._told: tuple[bool, int, str] = (True, 0, "")
        self._looked = 0.0
        self._timer: Timer | None = None
        self._bar = (0, 0)
        self._laid_out = Size(0, 0)

    # How it stands

    @property
    def new_lines(self) -> int:
        """Lines that came since following was stopped; 0 while following."""
        return self._new.count

    @property
    def status_text(self) -> str:
        """How it stands in a few words, for a title: `following`, `142 new lines`, and the notice if there is one.

        A log that has ended is neither followed nor stopped.
        """
        count = self._new.count
        if count:
            state = f"{count:,} new line{'s' if count != 1 else ''}"
        else:
            state = "" if self.ended else "following" if self.following else "stopped"
        return " · ".join(part for part in (state, self.notice) if part)

    @property
    def pattern(self) -> str:
        """What was last searched for."""
        return self._finder.pattern

    @property
    def top_offset(self) -> int:
        """Byte offset of the line on the top row."""
        return self._rows[0].place.offset if self._rows else 0

    @property
    def text(self) -> str:
        """The lines on screen, uncut and unfolded."""
        return unfolded(self._rows)

    # What the owner calls

    def show(self, log: LogText | None, *, follow: bool = True, ended: bool = False) -> None:
        """Show another log from its end (`follow`) or its start; what was searched for stays.

        `ended`: nothing will be added to it.
        """
        self._finder.cancel()
        self.ended = ended
        self._log = log
        self._restart(follow=follow)
        self._fill()
        self._tell()

    def poll(self) -> None:
        """The file may have changed: look, at once if the last look is `interval` ago, else when it will be."""
        if self._log is None or self._timer is not None or not self.is_attached:
            return
        wait = self.interval - (monotonic() - self._looked)
        if wait <= 0:
            self._look()
        else:
            self._timer = self.set_timer(wait, self._look)

    def follow(self, on: bool | None = None) -> None:
        """Follow the end, or stand still; without `on` the other of the two."""
        wanted = not self.following if on is None else on
        if wanted:
            self._follow()
        elif self.following:
            self._stop_following()
        self._fill()
        self._tell()

    def search(self, text: str) -> None:
        """Look for `text`: upwards from the end while following, else downwards from the top row; "" ends a search."""
        direction: Direction = "backward" if self.following else "forward"
        self._current = None
        self._finder.begin(text, direction)
        if not text:
            self._finder.cancel()
            self.notice = ""
            self.refresh()
            self._tell()
            return
        self.refresh()
        self._seek(direction)

    def search_next(self) -> None:
        """The next match, in the direction of the search."""
        self._seek(self._finder.direction)

    def search_previous(self) -> None:
        """The next match the other way."""
        self._seek(self._finder.other_way())

    def toggle_wrap(self) -> None:
        """Fold long lines, or stop folding them."""
        self.wrapped = not self.wrapped

    def action_move(self, where: str) -> None:
        """Scroll (`down`, `page_up`, `start`, `end`, `left`, …); reaching the end follows again."""
        lines = lines_of(where, self.size.height)
        if lines is not None:
            self._scroll_safely(lines)
        elif where == "start":
            self._stop_following()
            self._top = Place(0)
        elif where == "end":
            self._follow()
        elif not self.wrapped:
            widest = max((width_of(row.text) for row in self._rows), default=0)
            most = max(0, widest - self._room())
            step = _SIDEWAYS if where == "right" else -_SIDEWAYS
            sideways = max(0, min(most, self._sideways + step) if step > 0 else self._sideways + step)
            if sideways != self._sideways:
                self._sideways = sideways
                self.refresh()
        self._fill()
        self._tell()

    # Looking at the file

    def _look(self) -> None:
        self._timer = None
        self._looked = monotonic()
        if self._log is None or not self.is_attached:
            return
        try:
            change = self._log.changed()
            if self._failed:
                self._failed, self.notice = False, ""
            self._take(change)
        except OSError as error:
            self._cannot(error)
        self._tell()

    def _cannot(self, error: OSError) -> None:
        """A disk or a network file system failed: say so, keep what is shown, and look again at the next poll."""
        self._failed = True
        self.notice = f"cannot be read: {error.strerror or error}"

    def _take(self, change: Change) -> None:
        if change is Change.REPLACED:
            anew = bool(self._rows)
            self._restart(follow=True)
            if anew:
                self.notice = _ANEW
                self.set_timer(_ANEW_S, self._anew_no_more)
            self._fill()
        elif change is Change.GONE:
            self.notice = "the file is gone; this is what it held"
        elif change is Change.GROWN:
            if self.notice == _ANEW:
                self.notice = ""
            if self.following or self._unfinished():
                self._fill()
            if self._new.active:
                self._count()

    def _anew_no_more(self) -> None:
        if self.notice == _ANEW:
            self.notice = ""
            self._tell()

    def _count(self) -> None:
        if self._log is not None and self._new.advance(self._log) and self._timer is None:
            self._timer = self.set_timer(_CATCH_UP, self._count_on)

    def _count_on(self) -> None:
        self._timer = None
        try:
            self._count()
        except OSError as error:
            self._cannot(error)
        self._tell()

    def _unfinished(self) -> bool:
        """Whether growth of the file can show on the present rows though they stand still."""
        return len(self._rows) < self.size.height or not (self._rows[-1].last and self._rows[-1].complete)

    def _restart(self, *, follow: bool) -> None:
        self._generation += 1
        self._top, self._current, self._sideways, self.notice = Place(0), None, 0, ""
        self.following = follow
        self._new.stop()
        if not follow and self._log is not None:
            self._new.start(self._log.size)
        self._rows = []
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self.is_attached:
            self.refresh()

    # Moving

    def _follow(self) -> None:
        self.following = True
        self.notice = ""
        self._current = None
        self._new.stop()

    def _stop_following(self) -> None:
        if self.following and self._log is not None:
            self.following = False
            self._new.start(self._log.size)
            if self._rows:
                self._top = self._rows[0].place

    def _scroll_safely(self, lines: int) -> None:
        try:
            self._scroll(lines)
        except OSError as error:
            self._cannot(error)

    def _scroll(self, lines: int) -> None:
        if self._log is None or (self.following and lines > 0):
            return
        fold, height = self._fold(), self.size.height
        if lines < 0:
            top = self._rows[0].place if self._rows else self._top
            above = rows_before(self._log, top, -lines, fold)
            if above:
                self._stop_following()
                self._top = above[0].place
            return
        below = rows_from(self._log, self._top, height + lines + 1, fold)
        if len(below) <= height + lines:  # the last row comes on screen
            self._follow()
        else:
            self._top = below[lines].place

    def _fold(self) -> int:
        return self._room() if self.wrapped else 0

    def _room(self) -> int:
        return max(1, self.size.width - 1)

    # Searching

    def _seek(self, direction: Direction) -> None:
        if self._log is None or not self._finder.pattern:
            return
        if self._current is not None:
            start = self._current + (1 if direction == "forward" else 0)
        elif self.following:
            start = self._log.size
        else:
            start = self.top_offset
        self.notice = f"searching {self._finder.pattern!r} …"
        self._tell()
        self.run_worker(self._find(self._log, start, direction), group="search", exclusive=True)

    async def _find(self, log: LogText, start: int, direction: Direction) -> None:
        generation = self._generation
        try:
            found = await self._finder.find(log, start, direction)
        except OSError as error:
            self._cannot(error)
            self._tell()
            return
        if found is not None and generation == self._generation:
            self._arrive(found, direction)

    def _arrive(self, found: Found, direction: Direction) -> None:
        if found.offset is None:
            self.notice = f"{self._finder.pattern!r} is not in this log"
        else:
            around = "the start" if direction == "forward" else "the end"
            self.notice = (
                f"{self._finder.pattern!r}, gone round to {around}" if found.wrapped else f"{self._finder.pattern!r}"
            )
            self._current = found.offset
            if found.offset not in {row.place.offset for row in self._rows}:
                self._stop_following()
                self._centre(found.offset)
            else:
                self._stop_following()
            self.refresh()
        self._fill()
        self._tell()

    def _centre(self, offset: int) -> None:
        if self._log is None:
            return
        try:
            above = rows_before(self._log, Place(offset), self.size.height // 3, self._fold())
        except OSError as error:
            above = []
            self._cannot(error)
        self._top = above[0].place if above else Place(offset)

    # Painting

    def _fill(self) -> None:
        """Read the rows that belong on screen, and paint those that differ from what is there."""
        height = self.size.height
        if not height or not self.is_attached:
            return
        try:
            rows = self._read(height)
        except OSError as error:
            self._cannot(error)
            return
        old, self._rows = self._rows, rows
        if bool(old) != bool(rows):
            self.refresh()
            return
        current = self._current
        for y in range(height):
            before = old[y] if y < len(old) else None
            after = rows[y] if y < len(rows) else None
            same_text = (before and before.text) == (after and after.text)
            marked = current is not None and current in (
                (before and before.place.offset),
                (after and after.place.offset),
            )
            if not same_text or marked:
                self.refresh(Region(0, y, self._room(), 1))
        if self._thumb() != self._bar:
            self.refresh(Region(self._room(), 0, 1, height))

    def _read(self, height: int) -> list[Row]:
        if self._log is None:
            return []
        fold = self._fold()
        if self.following:
            return rows_at_end(self._log, height, fold)
        rows = rows_from(self._log, self._top, height, fold)
        if len(rows) < height and self._top != Place(0):  # after a resize: no blank space below the end
            rows = rows_at_end(self._log, height, fold)
            self._top = rows[0].place if rows else Place(0)
        return rows

    def _thumb(self) -> tuple[int, int]:
        if self._log is None or not self._rows:
            return 0, 0
        first = self._rows[0].place.offset
        shown = max(1, self._rows[-1].end - first)
        if self.following:
            first = max(0, self._log.size - shown)
        return thumb(first, shown, self._log.size, self.size.height)

    def render_line(self, y: int) -> Strip:
        if self._laid_out != self.size:
            # Whoever asks the compositor for a widget's place between mounting and layout swallows its Resize.
            self._laid_out = self.size
            self.call_later(self.on_resize)
        base, styles, width = self.rich_style, palette(self.app), self.size.width
        room = self._room()
        if y >= len(self._rows):
            line: Line = [(self.empty_text, "dim")] if y == 0 and not self._rows else []
            return strip_of(line, width, base, styles)
        row = self._rows[y]
        line = runs_of(row.text, self._finder.pattern, current=row.place.offset == self._current)
        over = not self.wrapped and width_of(row.text) > self._sideways + room
        line = crop(line, self._sideways, room - 1 if over else room)
        body = strip_of([*line, ("›", "dim")] if over else line, room, base, styles)
        start, length = self._bar = self._thumb()
        bar: Line = [("┃", "scroll")] if length and start <= y < start + length else []
        return Strip.join([body, strip_of(bar, width - room, base, styles)])

    def _tell(self) -> None:
        now = (self.following, self._new.count, self.notice)
        if now != self._told and self.is_attached:
            self._told = now
            self.post_message(self.Status(self))

    # Events

    def watch_wrapped(self) -> None:
        self._sideways = 0
        self._top = Place(self._top.offset)
        self._fill()
        self.refresh()

    def on_resize(self) -> None:
        self._laid_out = self.size
        if self.wrapped:
            self._top = Place(self._top.offset)
        self._fill()
        self.refresh()

    def on_show(self) -> None:
        self.poll()

    def on_unmount(self) -> None:
        self._finder.cancel()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll_safely(3)
        self._fill()
        self._tell()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll_safely(-3)
        self._fill()
        self._tell()
