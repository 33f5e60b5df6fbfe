"""The loss over the steps of one run, kept small whatever the run's length: fed with run.log's bytes as they come."""

from __future__ import annotations

import math
import re

MOST_POINTS = 2000
_LONGEST = 4096  # bytes of an unfinished line that are kept

_POINT = re.compile(rb"step\s+([0-9]{1,15})\s*\([^)\r\n]{0,20}\)\s*\|\s*loss:\s*([^\s|]{1,40})")


class LossCurve:
    """Up to MOST_POINTS points (step, loss): when full, every second one goes and only every other step is taken on.

    A step lower than the last starts the curve over: another run writes into the same log.
    """

    def __init__(self, most: int = MOST_POINTS) -> None:
        self._most = max(2, most)
        self._rest = b""
        self.clear()

    def clear(self) -> None:
        """Forget all points, as for a new run."""
        self._points: list[tuple[int, float]] = []
        self._last: tuple[int, float] | None = None
        self._stride = 1
        self._seen = 0
        self._rest = b""

    def feed(self, data: bytes) -> bool:
        r"""Take the next bytes of a log; a line counts once its `\r` or `\n` is there. True when the curve changed."""
        data = self._rest + data
        end = max(data.rfind(b"\r"), data.rfind(b"\n")) + 1
        before = self._last
        for match in _POINT.finditer(data, 0, end):
            self._add(int(match[1]), match[2])
        self._rest = data[end:][-_LONGEST:]
        return self._last != before

    def points(self) -> list[tuple[int, float]]:
        """(step, loss) by rising step, finite losses only; the newest point is always the last."""
        if self._last is None or (self._points and self._points[-1] == self._last):
            return list(self._points)
        return [*self._points[: self._most - 1], self._last]

    def _add(self, step: int, written: bytes) -> None:
        try:
            loss = float(written)
        except ValueError:
            return
        if not math.isfinite(loss):
            return
        if self._last is not None and step <= self._last[0]:
            if step == self._last[0]:
                return
            rest = self._rest
            self.clear()
            self._rest = rest
        self._last = (step, loss)
        if self._seen % self._stride == 0:
            if len(self._points) >= self._most:
                self._points = self._points[::2]
                self._stride *= 2
            if self._seen % self._stride == 0:
                self._points.append(self._last)
        self._seen += 1
