"""Loss curves of runs, read from their logs on the disk: to be called in a thread, never in the screen's own loop."""

from __future__ import annotations

from pathlib import Path

from engine.session.losscurve import LossCurve
from engine.session.paths import SessionPaths
from engine.session.state import Experiment, State
from engine.session.tail import Tail
from tui.chartdata import Loss
from tui.model import current_trial

_MOST = 64 * 1024 * 1024  # bytes of a log that are read for its curve
_BLOCK = 1024 * 1024


class CurveReader:
    """The curve of the run under way, followed as its log grows, and the champion's, read once.

    Use it from one thread at a time.
    """

    def __init__(self, paths: SessionPaths) -> None:
        self.paths = paths
        self._tail: Tail | None = None
        self._live = LossCurve()
        self._began = 0.0
        self._champion = Loss(0)

    def read(self, state: State) -> tuple[Loss, Loss]:
        """(the run under way or the last one, the champion); run 0 where there is none."""
        return self._current(state), self._champions(state)

    def close(self) -> None:
        """Give the log back."""
        if self._tail is not None:
            self._tail.close()
            self._tail = None

    def _current(self, state: State) -> Loss:
        current = state.current
        trial = current_trial(state)
        if current is None or trial is None:
            self._began = 0.0
            last = last_trained(state)
            return Loss(last.run, self._finished(last.run)) if last is not None else Loss(0)
        if self._began != trial.began_at:
            self._began = trial.began_at
            self.close()
            self._live.clear()
        # Until the benchmark truncates it, run.log still tells of the run before.
        if not _written_since(self.paths.run_log, trial.began_at):
            return Loss(current.run)
        if self._tail is None:
            self._tail = Tail(self.paths.run_log)
        read = 0
        while read < _MOST:
            grown = self._tail.poll(_BLOCK)
            if grown.restarted:
                self._live.clear()
            self._live.feed(grown.data)
            read += len(grown.data)
            if not grown.more or not grown.data:
                break
        return Loss(current.run, self._live.points())

    def _champions(self, state: State) -> Loss:
        champion = state.champion
        if champion is None:
            return Loss(0)
        if champion.run != self._champion.run or not self._champion.points:
            self._champion = Loss(champion.run, self._finished(champion.run))
        return self._champion

    def _finished(self, run: int) -> list[tuple[int, float]]:
        return read_curve(self.paths.run(run) / "run.log")


def last_trained(state: State) -> Experiment | None:
    """The last experiment that trained at all."""
    return next((one for one in reversed(state.experiments) if one.trials), None)


def read_curve(path: Path) -> list[tuple[int, float]]:
    """The curve in a finished log; empty where there is no log, or no step in it."""
    curve = LossCurve()
    try:
        with path.open("rb") as file:
            for _ in range(_MOST // _BLOCK):
                data = file.read(_BLOCK)
                if not data:
                    break
                curve.feed(data)
    except OSError:
        return []
    curve.feed(b"\n")
    return curve.points()


def _written_since(path: Path, at: float) -> bool:
    try:
        return path.stat().st_mtime >= at
    except OSError:
        return False
