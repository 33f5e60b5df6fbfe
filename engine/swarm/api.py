"""What a swarm answers, whether it is a file on this machine or a hub: one interface, plain data in and out."""

from typing import Any, Protocol

import msgspec

from engine.swarm.records import Change, Klass, Record


class SwarmError(Exception):
    """The swarm refused; the message is for the operator.

    `code`: of the caller: member, signature, invitation, name; of what it sent: bounds, size, code, replay, token,
    verdict, missing; rate (send it later); of the swarm's place: schema, database, file, network.
    """

    def __init__(self, message: str, code: str = "refused") -> None:
        super().__init__(message)
        self.code = code


class Unreachable(SwarmError):
    """The hub or its database did not answer in order: go on alone, try again later."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "unreachable")


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """`swarm` is the swarm's id, part of every signed record; `now` its clock in unix seconds."""

    swarm: str
    name: str
    now: float
    lease_s: float
    schema: int


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the sha256 of the public key (hex); `seen` by the store's clock; `revoked` since when, 0 = not."""

    id: str
    name: str
    key: str
    joined: float
    seen: float = 0.0
    revoked: float = 0.0
    email: str = ""
    machine: str = ""
    gpu: str = ""
    rate: float = 0.0
    results: int = 0


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a claim. `state`: granted, taken (a lease of `by` until `until`) or done (`result` tells of it).

    `token` is the fencing token that the result must carry. `advice`: similar descriptions; it never blocks.
    """

    state: str
    claim: str = ""
    token: int = 0
    until: float = 0.0
    by: str = ""
    result: str = ""
    said: str = ""
    advice: tuple[str, ...] = ()


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a record. `state`: reported, quarantined, verified, refuted, repeat, open …; `again`: known."""

    id: str
    state: str
    reason: str = ""
    again: bool = False


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A stored record as readers get it: the record itself, to be checked again, and what the store knows of it."""

    record: Record
    key: str
    name: str
    stored: float
    state: str = ""
    reason: str = ""
    by: str = ""
    """Who verified or refuted it, and when (the store's clock)."""
    decided: float = 0.0
    verified: float | None = None
    """The mean of the verifying trials."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A claim that is held now, or was."""

    claim: str
    member: str
    name: str
    description: str
    until: float
    live: bool
    token: int


class Swarm(Protocol):
    """Every call may raise SwarmError; Unreachable means later. Calls are short: the caller sets the time limit."""

    def connect(self) -> Welcome: ...

    def join(
        self, invitation: str, name: str, key: str, proof: str, email: str = "", machine: str = ""
    ) -> Member | None:
        """Become a member; None = a code was sent to `email`: `verify` ends it. `proof` signs invitation and name."""
        ...

    def verify(self, member: str, code: str) -> Member: ...

    def claim(self, member: str, change: Change, klass: Klass, signature: str, id: str, at: float) -> Claimed: ...

    def renew(self, member: str, claim: str, token: int, signature: str, at: float) -> float:
        """The lease's new end. Errors: SwarmError("token") when it is another's by now."""
        ...

    def release(self, member: str, claim: str, token: int, signature: str, at: float) -> None: ...

    def publish(self, record: Record, code: dict[str, str] | None = None) -> Stored:
        """Store a signed record; `code` are the editable files where the store may lack them."""
        ...

    def code(self, hash: str) -> dict[str, str]: ...

    def best(self, klass: Klass | None = None, tier: str = "", member: str = "") -> list[Row]: ...

    def result(self, id: str) -> Row | None: ...

    def results(self, klass: Klass | None = None, state: str = "", member: str = "", limit: int = 50) -> list[Row]: ...

    def claims(self, contract: str = "", live: bool = True) -> list[Lease]: ...

    def hypotheses(self, klass: Klass | None = None, state: str = "open", limit: int = 50) -> list[Row]: ...

    def insights(self, topic: str = "", klass: Klass | None = None, limit: int = 50) -> list[Row]: ...

    def ask(self, text: str, limit: int = 20) -> list[Row]:
        """Insights, hypotheses and results that speak of any word of `text`."""
        ...

    def leaderboard(self, klass: Klass | None = None) -> list[dict[str, Any]]: ...

    def feed(self, after: int = 0, limit: int = 100) -> list[dict[str, Any]]: ...

    def members(self) -> list[Member]: ...

    def queue(self, klass: Klass) -> list[Row]:
        """Results that wait for a member of their class to re-run them."""
        ...
