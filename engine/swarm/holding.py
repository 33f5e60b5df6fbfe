"""The heartbeat: leases that are held are renewed, in a thread of its own, by the monotonic clock."""

import threading
from collections.abc import Callable

from engine.swarm.api import SwarmError

SHARE = 3.0
"""A lease is renewed so many times before it would end."""

Lease = tuple[str, int]
"""A claim and its token."""


class Holding:
    """`renew` and `release` call the swarm (claim, token); `lost` hears once of a lease that is another's by now."""

    def __init__(
        self,
        lease_s: float,
        renew: Callable[[str, int], object],
        release: Callable[[str, int], object],
        lost: Callable[[int | str, str], object],
    ) -> None:
        self._every_s, self._renew, self._release, self._lost = lease_s / SHARE, renew, release, lost
        self._held: dict[int | str, Lease] = {}
        self._given_back: list[Lease] = []
        self._lock, self._wake, self._ended = threading.Lock(), threading.Event(), False
        self._thread: threading.Thread | None = None

    def hold(self, what: int | str, claim: str, token: int) -> None:
        """Renew it from now on."""
        with self._lock:
            self._held[what] = (claim, token)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="swarm heartbeat", daemon=True)
                self._thread.start()

    def let_go(self, what: int | str, finished: bool) -> None:
        """Renew it no more; `finished`: its result ends it, else it is given back."""
        with self._lock:
            lease = self._held.pop(what, None)
            if lease is not None and not finished:
                self._given_back.append(lease)
        self._wake.set()

    def forget(self, claim: str) -> None:
        """Renew it no more: whoever asks gives it back by itself."""
        with self._lock:
            self._held = {what: lease for what, lease in self._held.items() if lease[0] != claim}

    def close(self) -> None:
        """Renew nothing more. What runs on at the next start is held again then."""
        self._ended = True
        self._wake.set()

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(self._every_s)
            self._wake.clear()
            with self._lock:
                held, given_back = dict(self._held), self._given_back
                self._given_back = []
            for claim, token in given_back:
                try:
                    self._release(claim, token)
                except Exception:
                    continue  # it ends by itself
            if self._ended:
                return
            for what, (claim, token) in held.items():
                self._beat(what, claim, token)

    def _beat(self, what: int | str, claim: str, token: int) -> None:
        try:
            self._renew(claim, token)
        except Exception as error:
            if not isinstance(error, SwarmError) or error.code != "token":
                return  # an unreachable swarm lets nobody else claim either; it is renewed when it is back
            with self._lock:
                held = self._held.get(what) == (claim, token)
                if held:
                    del self._held[what]
            if held:
                self._lost(what, str(error))
