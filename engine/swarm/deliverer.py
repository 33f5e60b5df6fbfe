"""Delivers the outbox, in a thread of its own: later where the swarm is away, once whatever happens."""

import threading
from collections.abc import Callable

from engine.swarm.api import Stored, Swarm, SwarmError, Unreachable
from engine.swarm.outbox import Outbox, id_of
from engine.swarm.records import Record

FIRST_S, MOST_S = 1.0, 60.0
"""The wait after a failure, and where its doubling ends."""
PASSING = ("rate", "unreachable", "timeout")
"""Refusals that are no answer: the same record is sent again later."""
HELD = 3
"""Records that may fail in a round, one by one, while the swarm answers else: with more of them the round ends, and
where no record was taken it is the swarm."""


def deliver(
    outbox: Outbox,
    swarm: Swarm,
    id: str,
    told: Callable[[Stored], object],
    refused: Callable[[str, SwarmError], object],
    held: Callable[[Record, SwarmError], object] = lambda record, why: None,
    back: set[str] | None = None,
) -> None:
    """Send what waits, the oldest first, to the swarm that should be the one with this id.

    A record that the swarm fails over is `held` back, with what is said about it, and waits for the next round: the
    others go on. `back` keeps the ids of such records between rounds: they are sent last, so that they stand before
    nothing else. Errors: SwarmError of the passing kind, OSError.
    """
    back = set() if back is None else back
    failed, taken = 0, False
    for path in sorted(outbox.waiting(), key=lambda path: id_of(path) in back):
        letter = outbox.read(path)
        if letter is None or letter.record.body.get("about") in back:
            continue
        lost = False
        try:
            stored = swarm.publish(letter.record, letter.code)
        except Unreachable as error:
            back.add(letter.record.id)
            if failed == HELD and taken:
                return
            if failed == HELD or swarm.connect().swarm != id:
                raise
            failed += 1
            held(letter.record, error)
            continue
        except SwarmError as error:
            if error.code in PASSING:
                raise
            if error.code in ("member", "revoked", "signature") and swarm.connect().swarm != id == letter.record.swarm:
                raise Unreachable("another swarm is there now") from error  # the own one may come back
            lost = error.code != "replay"  # else a first sending arrived whose answer was lost, and the disk forgot
            if lost:
                refused(letter.record.kind, error)
        else:
            taken = True
            told(stored)
        back.discard(letter.record.id)
        outbox.done(path, letter.record.id, lost)


class Deliverer:
    """`open` gives the swarm, whose id is `id`; `told` hears what was taken, `refused` what never will be, `held` what
    waits on, `away` of the link ("" = up, and whether the swarm answers and does not take this member).

    `also` is called after each round in which the swarm answered: it reads what is new there.
    """

    def __init__(
        self,
        outbox: Outbox,
        id: str,
        open: Callable[[], Swarm],
        told: Callable[[Stored], object],
        refused: Callable[[str, SwarmError], object],
        held: Callable[[Record, SwarmError], object],
        away: Callable[[str, bool], object],
        also: Callable[[Swarm], object],
        every_s: float = 15.0,
    ) -> None:
        self.outbox, self._id, self._open = outbox, id, open
        self._told, self._refused, self._held, self._away = told, refused, held, away
        self._also, self._every_s = also, every_s
        self._back: set[str] = set()
        self._wake, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="swarm deliverer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new to deliver."""
        self._wake.set()

    def close(self, wait_s: float) -> None:
        """Deliver what goes at once, and end; what is left waits for the next start."""
        self._end.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(wait_s)

    def _run(self) -> None:
        pause = 0.0
        self._wake.set()
        ending = False
        while not ending:  # what came while the end was asked for is delivered as well
            if pause:
                self._end.wait(pause)
            else:
                self._wake.wait(self._every_s)
            self._wake.clear()
            ending = self._end.is_set()
            pause = self._round(pause)

    def _round(self, pause: float) -> float:
        """One try at everything; the wait before the next, 0 after a success."""
        try:
            swarm = self._open()
            deliver(self.outbox, swarm, self._id, self._told, self._refused, self._held, self._back)
            if not self._end.is_set():
                self._also(swarm)
        except SwarmError as error:
            self._away(str(error) if error.code != "rate" else "", error.code in ("member", "revoked"))
            return min(MOST_S, max(FIRST_S, pause * 2))
        except Exception as error:  # whatever a swarm does, this thread goes on
            self._away(f"it cannot be talked to: {error!r}", False)
            return min(MOST_S, max(FIRST_S, pause * 2))
        self._away("", False)
        return 0.0
