"""autoresearch.md, rendered: the session's living document, read again whenever it changes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Markdown
from textual.worker import get_current_worker

from engine.session.inert import inert
from engine.session.paths import SessionPaths
from tui.fitting import bytes_text
from tui.movement import bindings, lines_of
from tui.screens.full import FullScreen, Row, keys_line

_LOOK_S = 2.0
_MOST = 256 * 1024
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_MISSING = "# No journal yet\n\nThe engine writes `{name}` after the first experiment; what you write into it stays."


class Document(NamedTuple):
    """What was read: the text to render, the file's size, and when it changed (unix seconds); 0 where there is none."""

    text: str
    size: int = 0
    changed_at: float = 0.0
    problem: str = ""


def shown(text: str) -> str:
    """The document's text made harmless, without the marks of its generated parts."""
    return inert(_COMMENT.sub("", text), newlines=True)


def read(path: Path) -> Document:
    """Read the document; to be called in a thread."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(_MOST)
    except FileNotFoundError:
        return Document(_MISSING.format(name=path.name))
    except OSError as error:
        return Document("", problem=f"{path.name} cannot be read: {error.strerror or error}")
    text = shown(data.decode("utf-8", "replace"))
    if found.st_size > _MOST:
        text += f"\n\n*Only the first {bytes_text(_MOST)} are shown; the file has {bytes_text(found.st_size)}.*\n"
    return Document(text, found.st_size, found.st_mtime)


class JournalScreen(FullScreen[None]):
    """Shows the document and looks every two seconds whether it changed; the reader's place stays."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    DEFAULT_CSS = """
    JournalScreen > VerticalScroll {
        padding: 0 2; height: 1fr; scrollbar-size: 1 1; scrollbar-background: $background; scrollbar-color: $primary;
    }
    JournalScreen Markdown { max-width: 110; margin: 0; padding: 0; }
    JournalScreen MarkdownH1 { content-align: left middle; margin: 0 0 1 0; }
    JournalScreen MarkdownH2 { margin: 1 0 1 0; }
    JournalScreen:ansi Markdown { background: ansi_default; color: ansi_default; }
    JournalScreen MarkdownTableContent { keyline: none; grid-gutter: 0 1; }
    JournalScreen MarkdownTableContent > .header { text-style: bold; }
    """
    AUTO_FOCUS = ""

    def __init__(self, paths: SessionPaths) -> None:
        super().__init__()
        self.paths = paths
        self._document = Document("")
        self._title = Row(id="journal-title", classes="full-title")
        self._markdown = Markdown("", open_links=False, id="journal-text")
        self._scroll = VerticalScroll(self._markdown, id="journal-scroll", can_focus=False)
        self._keys = Row(id="journal-keys")

    def compose(self) -> ComposeResult:
        """Title, text, keys."""
        yield self._title
        yield self._scroll
        yield self._keys

    def on_mount(self) -> None:
        """Read it."""
        name = f"{self.paths.document.name} · {self.paths.name}"
        self._title.say([(inert(name), "strong")])
        self._keys.say(keys_line(("Esc", "close"), ("j k", "scroll"), ("g G", "start, end")))
        self.set_interval(_LOOK_S, self.look)
        self.look()

    @property
    def document(self) -> Document:
        """What is shown."""
        return self._document

    def look(self) -> None:
        """See whether it changed."""
        self.run_worker(self._look, thread=True, exclusive=True, group="journal", exit_on_error=False)

    def _look(self) -> None:
        path, known = self.paths.document, self._document
        try:
            found = path.stat()
            if (found.st_size, found.st_mtime) == (known.size, known.changed_at):
                return
        except OSError:
            if known.text and not known.changed_at:
                return
        document = read(path)
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._take, document)

    def _take(self, document: Document) -> None:
        if self.is_attached:
            self._document = document
            self.run_worker(self._write(document), exclusive=True, group="journal-text")

    async def _write(self, document: Document) -> None:
        place = self._scroll.scroll_y
        await self._markdown.update(document.text or document.problem)
        self._scroll.scroll_to(y=place, animate=False, force=True)

    def action_move(self, where: str) -> None:
        """Scroll."""
        lines = lines_of(where, self._scroll.size.height)
        if lines is not None:
            self._scroll.scroll_relative(y=lines, animate=False)
        elif where == "start":
            self._scroll.scroll_home(animate=False)
        elif where == "end":
            self._scroll.scroll_end(animate=False)
