"""What the console costs the line: bytes written to the terminal, counted where the driver writes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

from textual.driver import Driver

_WINDOW_S = 5.0
_QUIET = 100.0  # bytes a second: what showing the figure itself costs


class Wire:
    """Counts bytes; `rate()` is their number a second over the last five seconds."""

    def __init__(self) -> None:
        self.total = 0
        self._marks: deque[tuple[float, int]] = deque()

    def wrote(self, count: int) -> None:
        """`count` bytes went out."""
        self.total += count

    def rate(self, now: float | None = None) -> float:
        """Bytes a second; 0 where it is no more than the figure's own repainting, which must come to rest."""
        now = monotonic() if now is None else now
        self._marks.append((now, self.total))
        while len(self._marks) > 2 and now - self._marks[1][0] >= _WINDOW_S:
            self._marks.popleft()
        since, before = self._marks[0]
        if now <= since:
            return 0.0
        rate = (self.total - before) / (now - since)
        return 0.0 if rate < _QUIET else rate


def counting(driver: type[Driver], wire: Wire, begun: Callable[[], None] = lambda: None) -> type[Driver]:
    """The driver's class with its writes counted; `begun` is called when it takes the terminal, also again."""

    def write(self: Driver, data: str) -> None:
        wire.wrote(len(data) if data.isascii() else len(data.encode("utf-8", "replace")))
        driver.write(self, data)

    def start_application_mode(self: Driver) -> None:
        begun()
        driver.start_application_mode(self)

    own = {"write": write, "start_application_mode": start_application_mode}
    return type(f"Counting{driver.__name__}", (driver,), own)
