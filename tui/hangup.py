"""A terminal that goes away: without SIGHUP (nohup, setsid) reading it would spin for ever, so its end is awaited."""

import os
import select
import threading
from collections.abc import Callable

GRACE_S = 3.0


def watch(fd: int, gone: Callable[[], None], grace_s: float = GRACE_S) -> None:
    """Call `gone` from a thread once the terminal at `fd` has hung up; end the process if that does not end it.

    Nothing is watched where `fd` is no terminal. The console holds nothing that is lost: the engine is another process.
    """
    if not os.isatty(fd):
        return

    def wait() -> None:
        poller = select.poll()
        poller.register(fd, 0)  # no events asked for: only a hang-up or an error is told
        try:
            while not any(events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, events in poller.poll()):
                pass
        except OSError:
            pass
        end = threading.Timer(grace_s, os._exit, (0,))
        end.daemon = True
        end.start()
        gone()

    threading.Thread(target=wait, name="hangup", daemon=True).start()
