"""The journal's first fold, in a thread that starts before anything of the screen is imported."""

from __future__ import annotations

import threading

from engine.session import savedfold
from engine.session.journal import Follower, JournalError
from engine.session.paths import SessionPaths

SAVE_AFTER = 2000  # events folded anew that make it worth saving the fold at once


class Loading:
    """`start()`, then `wait()` (or `done`) and look at `follower`: with an `error` it has what could be read."""

    def __init__(self, paths: SessionPaths) -> None:
        self.paths = paths
        self.follower: Follower | None = None
        self.error = ""
        self.fresh = 0
        self._thread = threading.Thread(target=self._run, name="fold", daemon=True)

    def start(self) -> Loading:
        """Begin."""
        self._thread.start()
        return self

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self.follower is not None

    def wait(self) -> None:
        """Until it is over."""
        self._thread.join()

    def _run(self) -> None:
        follower = Follower(self.paths.journal)
        try:
            follower = savedfold.load(self.paths.journal)
            self.fresh = follower.catch_up()
        except (JournalError, OSError) as error:
            self.error = str(error)
        self.follower = follower
