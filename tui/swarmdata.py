"""What `overnight swarm overview --json` tells of the swarm, checked, with others' words made harmless. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from engine.session.inert import inert


class Member(msgspec.Struct):
    """Times are unix seconds by the swarm's clock; `rate` is results an hour."""

    name: str = ""
    machine: str = ""
    gpu: str = ""
    seen: float = 0.0
    joined: float = 0.0
    revoked: float = 0.0
    results: int = 0
    rate: float = 0.0
    alive: bool = False
    own: bool = False


class Place(msgspec.Struct):
    """A member's best in a class; `result` is the id of what stands behind it, "" where that is not at hand."""

    contract: str = ""
    gpu: str = ""
    name: str = ""
    results: int = 0
    keeps: int = 0
    last: float = 0.0
    direction: str = "lower"
    verified: float | None = None
    reported: float | None = None
    own: bool = False
    own_class: bool = False
    result: str = ""
    description: str = ""
    by: str = ""
    reason: str = ""

    @property
    def best(self) -> float | None:
        """What it stands by."""
        return self.verified if self.verified is not None else self.reported


class News(msgspec.Struct):
    """An entry of the feed."""

    id: str = ""
    kind: str = ""
    at: float = 0.0
    name: str = ""
    text: str = ""
    state: str = ""
    metric: float | None = None
    gpu: str = ""


class Claim(msgspec.Struct):
    """A lease, until a moment of the swarm's clock."""

    id: str = ""
    name: str = ""
    description: str = ""
    until: float = 0.0
    live: bool = True
    own: bool = False


class Idea(msgspec.Struct):
    """A hypothesis; `priority` 1 first."""

    id: str = ""
    name: str = ""
    at: float = 0.0
    state: str = ""
    text: str = ""
    evidence: str = ""
    priority: int = 3


class Waiting(msgspec.Struct):
    """A result that waits for a member of its class to re-run it."""

    id: str = ""
    name: str = ""
    at: float = 0.0
    metric: float | None = None
    state: str = ""
    reason: str = ""
    description: str = ""
    own: bool = False


class Adopted(msgspec.Struct):
    """An experiment of this session that tried another's result."""

    run: int = 0
    status: str = ""
    result: str = ""


class Rerun(msgspec.Struct):
    """A re-run of another's result by this session; `outcome` "" = under way."""

    result: str = ""
    name: str = ""
    metric: float | None = None
    outcome: str = ""


class Klass(msgspec.Struct):
    """The session's class."""

    contract: str = ""
    gpu: str = ""
    metric: str = "val_bpb"


class Overview(msgspec.Struct, rename={"klass": "class"}):
    """All of it. Without the swarm's answer (`reachable` false) only what the session knows itself."""

    session: str = ""
    swarm: str = ""
    where: str = ""
    name: str = ""
    klass: Klass | None = None
    reachable: bool = True
    revoked: bool = False
    trouble: str = ""
    now: float = 0.0
    members: list[Member] = []
    leaderboard: list[Place] = []
    feed: list[News] = []
    claims: list[Claim] = []
    hypotheses: list[Idea] = []
    queue: list[Waiting] = []
    adopted: list[Adopted] = []
    verified: list[Rerun] = []
    avoided: int = 0
    claimed: int = 0
    alone: int = 0
    delivered: int = 0
    waiting: int = 0
    alone_since: float = 0.0
    why: str = ""


def overview(document: Mapping[str, object]) -> Overview:
    """The document's overview. Errors: ValueError with the reason, for a document of another form."""
    try:
        return msgspec.convert(_harmless(dict(document)), Overview)
    except msgspec.ValidationError as error:
        raise ValueError(f"what overnight swarm overview told is not understood: {error}") from error


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(inert(value, newlines=True).split())
    if isinstance(value, dict):
        return {name: _harmless(item) for name, item in value.items()}
    return [_harmless(item) for item in value] if isinstance(value, list) else value


def since_left(new: Overview, old: Overview | None) -> Overview:
    """`new`, with what the swarm told last where it does not answer now."""
    if new.reachable or old is None or old.where != new.where:
        return new
    kept = ("now", "members", "leaderboard", "feed", "claims", "hypotheses", "queue")
    return msgspec.structs.replace(new, **{name: getattr(old, name) for name in kept})
