"""A session of thousands of experiments with a run.log of a gigabyte, written in seconds."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from engine.session import events as ev
from tests.tui.recording import Recording

_LINE = "step {:07d} (12.3%) | loss: 3.210000 | lrm: 1.00 | dt: 376ms | tok/sec: 1,394,022 | mfu: 39.8%\n"
LAST_LINE = "the last line of the log"


class Bulk(Recording):
    """A recording that is written at once: `flush()`."""

    def __init__(self, root: Path, name: str = "mar5") -> None:
        super().__init__(root, name)
        self._held: list[ev.AnyEvent] = []

    def write(self, *events: ev.AnyEvent) -> None:
        """Hold events back."""
        self._held += events

    def flush(self) -> None:
        """Append what was held back."""
        self.journal.append(self._held)
        self._held = []


def long_session(root: Path, experiments: int) -> Bulk:
    """A session of so many experiments whose engine has stopped in order; the newest is "the newest change"."""
    recording = Bulk(root)
    recording.open().night(experiments - 2)
    recording.experiment("discard", 1.2, "the newest change")
    recording.write(ev.EngineStopped(at=recording.tick(), reason="asked by ann"))
    recording.flush()
    return recording


def long_log(path: Path, size: int) -> None:
    """A log of about `size` bytes, of lines, with a last one to look for."""
    block = "".join(_LINE.format(step) for step in range(10_000)).encode()
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(block)
        file.write(LAST_LINE.encode() + b"\n")


class Writer(threading.Thread):
    """Appends `lines(n)` to the file every `every` seconds until stopped; `wrote[n]` is when (perf_counter)."""

    def __init__(self, path: Path, every: float, lines: Callable[[int], str]) -> None:
        super().__init__(daemon=True)
        self._path, self._every, self._lines = path, every, lines
        self._over = threading.Event()
        self.wrote: list[float] = []

    def run(self) -> None:
        """Write, at an even pace."""
        with self._path.open("ab", buffering=0) as file:
            due = time.perf_counter()
            while not self._over.wait(max(0.0, due - time.perf_counter())):
                file.write(self._lines(len(self.wrote)).encode())
                self.wrote.append(time.perf_counter())
                due += self._every

    def stop(self) -> None:
        """No more."""
        self._over.set()
        self.join()
