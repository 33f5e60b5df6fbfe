"""Where the store's work is done: threads beside the event loop, and an end to waiting for a database that hangs."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from engine.swarm.api import Unreachable

THREADS = 16
ANSWER_S = 20.0
"""Seconds that a call waits for the store."""
AGAIN_S = 30.0
"""Seconds between two lines of the log that tell of the same trouble."""

_T = TypeVar("_T")
_log = logging.getLogger("overnight.hub")


class Desk:
    """Runs calls of the store. Trouble with the database is logged in full and told to members in general terms."""

    def __init__(self, answer_s: float = ANSWER_S) -> None:
        self.answer_s = answer_s
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._told = -AGAIN_S

    async def do(self, work: Callable[[], _T]) -> _T:
        """`work()` in a thread. Errors: its own; Unreachable for trouble with the database, without its details."""
        try:
            # One that still waits for a thread is dropped at its end; one under way ends by itself, and since ids are
            # used once, doing it again is safe.
            return await asyncio.wait_for(
                asyncio.get_running_loop().run_in_executor(self._threads, work), self.answer_s
            )
        except TimeoutError as error:
            self._trouble(f"no answer within {self.answer_s:g} s")
            raise Unreachable("the hub's database does not answer; try again later") from error
        except Unreachable as error:
            self._trouble(str(error))
            raise Unreachable("the hub's database does not answer; try again later") from error

    def _trouble(self, text: str) -> None:
        if time.monotonic() - self._told >= AGAIN_S:
            self._told = time.monotonic()
            _log.warning("members are told to come later: %s", " ".join(text.split())[:500])
