"""trackio: the project's database on this machine, and a Hugging Face Space where one is named."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stdout
from typing import Any

from engine.trackers.record import LOSS, Record
from engine.trackers.tracker import TrackerTrouble, sent

ID = "overnight_id"
"""The record's id in a run's config."""
_ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_DATASET_ID", "TRACKIO_BUCKET_ID")
_SYNC = "import sys, trackio; trackio.sync(sys.argv[1], space_id=sys.argv[2])"


class Trackio:
    """`space` is "user/name" or "" for this machine alone; look at it with `trackio show --project PROJECT`."""

    name = "trackio"

    def __init__(self, project: str, space: str, push_s: float) -> None:
        self.target, self._project, self._space, self._push_s = project, project, space, push_s
        self._dirty = bool(space)

    def put(self, record: Record) -> None:
        """Into the local database. Errors: TrackerTrouble."""
        for variable in _ELSEWHERE:  # these would send at once, from this very process
            os.environ.pop(variable, None)
        try:
            import trackio
        except ImportError as error:
            raise TrackerTrouble(f'trackio cannot be used ({error}); pip install "overnight[trackio]"') from error
        try:
            with redirect_stdout(io.StringIO()):  # it tells of every run, on the standard output of whoever asked
                self._write(trackio, record)
        except TrackerTrouble:
            raise
        except Exception as error:  # whatever a library of others raises: it is told, and tried again
            raise TrackerTrouble(f"trackio: {type(error).__name__}: {error}") from error
        self._dirty = bool(self._space)

    def _write(self, trackio: Any, record: Record) -> None:
        self._forget(record.id)
        trackio.init(
            project=self._project,
            name=record.name,
            group=record.group,
            config={**record.config, ID: record.id},
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        for step, loss in record.history:
            trackio.log({LOSS: loss}, step=step)
        trackio.log(dict(record.summary), step=record.history[-1][0] if record.history else 0)
        trackio.finish()
        if self._ids().count(record.id) != 1:
            raise TrackerTrouble(f"trackio did not store {record.name}")

    def push(self) -> None:
        """To the Space, where one is named. Errors: TrackerTrouble."""
        if self._dirty:
            sent([sys.executable, "-c", _SYNC, self._project, self._space], self._push_s)
            self._dirty = False

    def _forget(self, id: str) -> None:
        for run in self._runs():
            if (run.config or {}).get(ID) == id:
                run.delete()

    def _ids(self) -> list[str]:
        return [(run.config or {}).get(ID, "") for run in self._runs()]

    def _runs(self) -> list[Any]:
        import trackio

        try:
            return list(trackio.Api().runs(self._project))
        except ValueError:  # no such project yet
            return []
