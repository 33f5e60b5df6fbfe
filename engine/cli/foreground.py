"""A loop in the foreground: lines as things happen, and on a terminal a bar for the trial that runs."""

import os
import sys
import threading
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from engine.cli import figures
from engine.cli.narration import line
from engine.cli.output import safe
from engine.session import events as ev
from engine.session.runlog import last_progress
from engine.session.state import State
from engine.session.tail import Tail

LOOK_S = 0.25
"""How often run.log is looked at for the bar."""


class Foreground:
    """Use it as a context, and `heard` as the engine's listener. Writes to standard error only."""

    def __init__(self, run_log: Path) -> None:
        self._run_log = run_log
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars: Progress | None = None
        if self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[said]}"),
                console=self._console,
                transient=True,
                refresh_per_second=4,
            )
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> "Foreground":
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_bar()
        if self._bars is not None:
            self._bars.stop()

    def heard(self, event: ev.AnyEvent, state: State) -> None:
        """Take in one event of the journal."""
        if isinstance(event, ev.TrialBegan):
            self._begin_bar(event)
        elif isinstance(event, ev.TrialEnded):
            self._end_bar()
        self.tell(line(event, state))

    def tell(self, text: str) -> None:
        """Print a line above the bar."""
        if not text:
            return
        if self._bars is not None:
            self._console.print(Text(safe(text)))
        else:
            print(safe(text), file=sys.stderr, flush=True)

    def tell_at_once(self, text: str) -> None:
        """From a signal handler, which may have come in the middle of another line: past every buffer and lock."""
        os.write(2, f"\n{text}\n".encode())

    def _begin_bar(self, event: ev.TrialBegan) -> None:
        if self._bars is None:
            return
        self._end_bar()
        what = f"run {event.run}" + (f" trial {event.trial}" if event.trial > 1 else "")
        self._task = self._bars.add_task(escape(what), total=100, said="starting")
        self._ended.clear()
        self._watcher = threading.Thread(target=self._watch, args=(self._bars, self._task), daemon=True)
        self._watcher.start()

    def _end_bar(self) -> None:
        self._ended.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None
        if self._bars is not None and self._task is not None:
            self._bars.remove_task(self._task)
            self._bars.refresh()  # else the next line is printed above the bar that was
            self._task = None

    def _watch(self, bars: Progress, task: TaskID) -> None:
        # What stands in run.log when a trial begins may still be the last one's: only what comes now counts.
        tail = Tail(self._run_log, last=0)
        try:
            while not self._ended.wait(LOOK_S):
                try:
                    grown = tail.poll()
                except OSError:
                    continue
                progress = last_progress("\n".join([*grown.lines[-20:], grown.current]))
                if progress is None:
                    continue
                said = f"loss {progress.loss:.4f}"
                if progress.percent >= 100:
                    said += ", evaluating"
                elif progress.remaining_s is not None:
                    said += f", {figures.seconds(progress.remaining_s)} left"
                bars.update(task, completed=progress.percent, said=said)
        finally:
            tail.close()
