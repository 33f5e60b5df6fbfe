"""A researcher that could not do its work: how long to wait, and when only a person can help."""

import time

from engine.loop.core import away_s, backoff_s
from engine.researchers.base import ResearcherFailed
from engine.session import events as ev
from engine.session.settings import Researcher
from engine.session.state import State

ENGINE = "engine"
"""Who paused the session, where it was the engine itself."""

_SAID_NO = ("credentials", "missing")


class Failing:
    """Remembers which of the session's two researchers, its own and the fallback, asking again cannot help.

    `stay`: whether the engine waits for a person. One that does not also gives up where the other side goes on saying
    that there is no such key or model; one that does goes on asking, for that can be a fault of the other side's.
    """

    def __init__(self, stay: bool) -> None:
        self._stay = stay
        self._hopeless: dict[bool, str] = {}

    def forget(self) -> None:
        """A person did something, or a change was proposed."""
        self._hopeless.clear()

    def told(
        self, state: State, run: int, settings: Researcher, fallback: bool, error: ResearcherFailed
    ) -> list[ev.AnyEvent]:
        """What is recorded of the failure of the researcher, or of its `fallback`; with a pause where none is left."""
        two = settings.fallback not in ("", settings.kind)
        counts = max(1, settings.give_up_after - state.failing) if two and error.lasting and not fallback else 1
        tries = 1 if fallback else state.failing + counts
        enough = not fallback and tries >= settings.give_up_after  # a fallback takes over at once
        said_no = not self._stay and enough and error.kind in _SAID_NO
        self._hopeless.pop(fallback, None)
        if error.lasting or said_no:
            self._hopeless[fallback] = str(error)
        nobody = self._hopeless.keys() >= ({True, False} if two else {False})
        failed = ev.AttemptFailed(
            at=time.time(),
            run=run,
            researcher=settings.fallback if fallback else settings.kind,
            kind=error.kind,
            reason=str(error),
            wait_s=0.0 if nobody or (two and enough) else _wait_s(state, settings, fallback, tries, error),
            fallback=fallback,
            usage=error.usage,
            counts=counts,
        )
        if not nobody:
            return [failed]
        reasons = "; ".join(self._hopeless.values())
        reason = f"the researcher cannot work until this is mended: {reasons}; then resume"
        return [failed, ev.PauseSet(at=time.time(), paused=True, by=ENGINE, reason=reason)]


def _wait_s(state: State, settings: Researcher, fallback: bool, tries: int, error: ResearcherFailed) -> float:
    if fallback and error.lasting:  # until the researcher itself is asked again
        left = state.failed_at + away_s(state.failing, settings.give_up_after) - time.time()
        return max(backoff_s(1), left)
    return backoff_s(tries, error.retry_after_s)
