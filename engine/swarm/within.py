"""A call that may hang, with an end to the waiting for it."""

import threading
from collections.abc import Callable
from typing import TypeVar

from engine.swarm.api import SwarmError, Unreachable

_T = TypeVar("_T")


def within(seconds: float, call: Callable[[], _T], late: Callable[[_T], object] = lambda found: None) -> _T:
    """`call()`, awaited for so long at most; what comes later goes to `late`. Errors: SwarmError."""
    found: list[_T] = []
    failed: list[SwarmError] = []
    lock, given_up = threading.Lock(), [False]
    done = threading.Event()

    def work() -> None:
        try:
            value = call()
        except SwarmError as error:
            failed.append(error)
            done.set()
            return
        except Exception as error:  # whatever a swarm does, the night goes on
            failed.append(Unreachable(f"a defect of the swarm's: {error!r}"))
            done.set()
            return
        with lock:
            too_late = given_up[0]
            found.append(value)
        done.set()
        if too_late:
            try:
                late(value)
            except Exception:
                return  # its lease ends by itself

    threading.Thread(target=work, name="swarm call", daemon=True).start()
    done.wait(seconds)
    with lock:
        if found:
            return found[0]
        given_up[0] = True
    if failed:
        raise failed[0]
    raise Unreachable(f"no answer within {seconds:g} s")
