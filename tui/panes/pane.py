"""What all panes have in common: a heading of one row, a body that takes the focus, and showing a view."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.strip import Strip
from textual.widget import Widget

from tui.actions import PANES
from tui.fitting import shorten, width_of
from tui.model import View
from tui.palette import palette
from tui.panes.wishes import Sized
from tui.runs import Line, line_width, strip_of


class Heading(Widget):
    """The row above a pane: its number key, its name, and on the right what it has to say."""

    DEFAULT_CSS = """
    Heading { height: 1; background: $panel; color: $foreground; }
    Heading.-front { background: $primary; color: $background; text-style: bold; }
    Heading:ansi { background: ansi_default; color: ansi_default; text-style: underline; }
    Heading.-front:ansi { background: ansi_default; color: ansi_default; text-style: reverse bold; }
    """

    def __init__(self, number: int, title: str) -> None:
        super().__init__()
        self._number, self._title = number, title
        self._says: Line = []

    @property
    def says(self) -> str:
        """The text on the right."""
        return "".join(text for text, _ in self._says)

    def say(self, *says: tuple[str, str]) -> None:
        """Show this on the right."""
        if list(says) != self._says:
            self._says = list(says)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The row."""
        styles = palette(self.app)
        left: Line = [(f" {self._number} ", "strong"), (self._title, "strong")]
        room = self.size.width - line_width(left) - 2
        right = self._says
        if line_width(right) > room:
            right = [(shorten(self.says, max(0, room)), "")]
        gap = self.size.width - line_width(left) - sum(width_of(text) for text, _ in right) - 1
        # Colours of states would drown on the heading's ground: only weight and dimness pass.
        weights = {name: styles[name] for name in ("strong", "dim", "italic")}
        return strip_of([*left, (" " * max(1, gap), ""), *right], self.size.width, self.rich_style, weights)


class Pane(Widget):
    """A pane: heading and body. `show(view)` paints what changed; it is called only while the pane is on screen."""

    DEFAULT_CSS = "Pane { layout: vertical; }"

    ident = ""
    title = ""

    def __init__(self) -> None:
        super().__init__(id=f"pane-{self.ident}")
        self.heading = Heading(PANES.index(self.ident) + 1, self.title)

    def on_resize(self) -> None:
        """Its body has its new size after the next refresh."""
        self.call_after_refresh(self.post_message, Sized(self))

    def on_descendant_focus(self) -> None:
        """The heading tells where the keys go."""
        self._mark()

    def on_descendant_blur(self) -> None:
        """They go elsewhere, or to another part of this pane."""
        self._mark()

    def _mark(self) -> None:
        # What was told may be over already: the screen knows where the focus is now.
        self.heading.set_class(self.has_focus_within, "-front")

    def compose(self) -> ComposeResult:
        """The heading, then the body."""
        yield self.heading
        yield from self.body()

    def body(self) -> Iterator[Widget]:
        """The widgets below the heading."""
        raise NotImplementedError

    @property
    def focus_target(self) -> Widget:
        """What takes the focus."""
        raise NotImplementedError

    def show(self, view: View) -> None:
        """Paint what changed since the last call."""
        raise NotImplementedError

    def find(self) -> str | None:
        """What `/` asks for in this pane; None where there is nothing to find."""
        return None

    def find_text(self, text: str) -> None:
        """The operator typed `text` after `/`."""

    def copied(self, view: View) -> str:
        """What `y` copies from this pane: the selected run's line, unless the pane has something of its own."""
        experiment = view.selection
        if experiment is None:
            return ""
        metric = f"{experiment.metric:.6f}" if experiment.metric is not None else "-"
        return f"{experiment.run}\t{experiment.commit}\t{metric}\t{experiment.status}\t{experiment.description}"
