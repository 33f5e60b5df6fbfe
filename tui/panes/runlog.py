"""run.log: the live tail of the run under way, or the log of any earlier run."""

from __future__ import annotations

from collections.abc import Iterator

from textual import on
from textual.widget import Widget

from engine.session.paths import SessionPaths
from engine.session.textlog import TextLog
from tui.logview.view import LogView
from tui.model import View
from tui.panes.pane import Pane


class RunLogPane(Pane):
    """The log view and which log it shows. `run` is None for the live one; `words`: its researcher's, not its own."""

    ident = "runlog"
    title = "run.log"

    def __init__(self) -> None:
        super().__init__()
        self.view = LogView(empty_text="no output yet", id="runlog-view")
        self.run: int | None = None
        self.words = False
        self._log: TextLog | None = None

    def body(self) -> Iterator[Widget]:
        """The log view."""
        yield self.view

    @property
    def focus_target(self) -> Widget:
        """The log view."""
        return self.view

    @property
    def is_open(self) -> bool:
        """Whether a log is shown at all."""
        return self._log is not None

    def open(self, log: TextLog, run: int | None, *, words: bool = False, ended: bool = True) -> None:
        """Show `log`, of `run` (None: the live one), or with `words` its researcher's; it was opened in a thread."""
        old, self._log, self.run, self.words = self._log, log, run, words
        self.view.empty_text = "its researcher left no words" if words else "no output yet"
        self.view.show(log, ended=run is not None and ended)
        if old is not None:
            old.close()
        self._say()

    def poll(self) -> None:
        """The file may have changed."""
        self.view.poll()

    def show(self, view: View) -> None:
        """The log is followed by `poll`; here only the pace is set."""
        self.view.interval = 10.0 if view.slow else 0.35

    @on(LogView.Status)
    def _say(self) -> None:
        whose = f"run {self.run}'s researcher" if self.words else f"run {self.run}"
        which = f"{whose} (f: the live log)" if self.run is not None else ""
        self.heading.say((" · ".join(part for part in (which, self.view.status_text) if part), ""))

    def copied(self, view: View) -> str:
        """The lines on screen."""
        return self.view.text

    def find(self) -> str | None:
        """`/` searches."""
        return "search"

    def find_text(self, text: str) -> None:
        """Search for it; n and N go on."""
        self.view.search(text)


def log_of(paths: SessionPaths, run: int | None, *, words: bool = False) -> TextLog:
    """The live log (None), or a run's own: its run.log, or what the benchmark printed where there is none. Blocks.

    `words`: what its researcher said and did.
    """
    if run is None:
        return TextLog(paths.run_log)
    folder = paths.run(run)
    if words:
        return TextLog(folder / "researcher.log")
    log = folder / "run.log"
    return TextLog(log if log.exists() else folder / "benchmark.out")
