"""Slowing an address that floods, before anything of its call is read."""

import ipaddress

KNOWN = 10_000
"""Addresses remembered; past that the longest silent ones are forgotten."""


def block(address: str) -> str:
    """What counts as one address: of IPv6 a /64, for whoever has one of those has all."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address


class Bucket:
    """Token buckets by address: `rate` a second flow in, up to `burst`. For one event loop: no locks."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, address: str, now: float) -> bool:
        """Whether a call may pass at `now` (seconds of a clock that only goes on)."""
        address = block(address)
        left, at = self._left.pop(address, (self.burst, now))
        left = min(self.burst, left + self.rate * (now - at))
        passes = left >= 1
        self._left[address] = (left - 1 if passes else left, now)
        while len(self._left) > KNOWN:
            del self._left[next(iter(self._left))]
        return passes
