"""Who is asked: the session's researcher and its fallback, made when needed and let go when the settings change."""

from collections.abc import Callable

import msgspec

from engine.researchers.base import Researcher, ResearcherFailed
from engine.session import settings
from engine.session.settings import Settings

Make = Callable[[Settings], Researcher]


class Asked(msgspec.Struct, frozen=True):
    """A researcher, or why there is none; `fallback` tells which of the two was wanted."""

    researcher: Researcher | None
    trouble: str = ""
    fallback: bool = False


class Asking:
    """Holds at most one researcher of each kind. Used on the engine's own thread."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._made: dict[bool, Researcher] = {}
        self._made_for: settings.Researcher | None = None

    def who(self, current: Settings, fallback: bool) -> Asked:
        """The researcher to ask now."""
        wanted = current.researcher
        if self._made_for != wanted:
            self.close()
            self._made_for = wanted
        if fallback not in self._made:
            kind = wanted.fallback if fallback and wanted.fallback else wanted.kind
            chosen = msgspec.structs.replace(current, researcher=msgspec.structs.replace(wanted, kind=kind))
            try:
                self._made[fallback] = self._make(chosen)
            except ResearcherFailed as error:
                return Asked(None, str(error), fallback)
        return Asked(self._made[fallback], "", fallback)

    def close(self) -> None:
        """Let go of all; one that is busy in another thread should end soon."""
        for researcher in self._made.values():
            researcher.close()
        self._made.clear()
        self._made_for = None
