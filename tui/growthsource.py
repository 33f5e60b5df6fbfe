"""Where the growth screen has its figures from: the session that the console shows, or a growth log's file."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import NamedTuple, Protocol

from engine.session import growing
from engine.session.growing import Growth
from engine.session.growthread import GrowthLogError, read
from engine.session.inert import inert
from tui import model
from tui.model import View
from tui.runs import Line


class Reading(NamedTuple):
    """What was found. `stamp` is another one whenever `growth` is; `trouble` tells why it could not be read."""

    growth: Growth
    stamp: Hashable
    doing: Line = []
    trouble: str = ""


class GrowthSource(Protocol):
    """Looked at again and again, in a thread."""

    name: str
    runs: bool
    """Whether a candidate's run can be gone to."""

    def look(self) -> Reading:
        """The search as it is now."""
        ...


class SessionSource:
    """The search of the console's session; `view()` gives what the console knows."""

    runs = True

    def __init__(self, view: Callable[[], View]) -> None:
        self._view = view
        self.name = inert(view().name)
        self._known: tuple[tuple[int, int], Growth] | None = None

    def look(self) -> Reading:
        """Worked out anew only when the journal grew."""
        view = self._view()
        stamp = (id(view.state), view.state.events)
        if self._known is None or self._known[0] != stamp:
            self._known = (stamp, growing.of_state(view.state))
        activity = model.activity(view)
        earlier = f" · after {self._known[1].earlier} rounds of another log" if self._known[1].earlier else ""
        return Reading(self._known[1], stamp, [(f"{activity.glyph} {inert(activity.words)}{earlier}", activity.tone)])


class FileSource:
    """A growth log. What was read last stays while the file cannot be read: it may be half written."""

    runs = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = inert(str(path))
        self._seen: tuple[int, int, int] | None = None
        self._known = Reading(Growth(), 0)

    def look(self) -> Reading:
        """Read anew only when the file is another one, by inode, size or time."""
        try:
            found = self.path.stat()
        except OSError as error:
            self._seen = None
            said = f"{self.path} cannot be read: {error.strerror or error}"
            self._known = self._known._replace(trouble=inert(said))
            return self._known
        seen = (found.st_ino, found.st_size, found.st_mtime_ns)
        if seen != self._seen:
            self._seen = seen
            try:
                self._known = Reading(read(self.path), seen)
            except GrowthLogError as error:
                self._known = self._known._replace(trouble=inert(str(error)))
        return self._known
