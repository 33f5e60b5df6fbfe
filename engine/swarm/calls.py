"""What a member signs when it calls, records apart: one form for those who sign and those who check."""

from typing import Any

import msgspec

from engine.swarm.records import Change, Klass

MOST_BYTES = 3 << 20
"""The body of a call to a hub: a record, its code, and what JSON adds."""


def joining(swarm: str, invitation: str, name: str, key: str) -> dict[str, Any]:
    """Proof that whoever joins holds the key, for this invitation, under this name."""
    return {"call": "join", "swarm": swarm, "invitation": invitation, "name": name, "key": key}


def claiming(swarm: str, member: str, id: str, at: float, change: Change, klass: Klass) -> dict[str, Any]:
    """A claim; the same `id` again is the same claim. Whole numbers in a field of floats count as floats."""
    klass = msgspec.structs.replace(klass, vram_gb=float(klass.vram_gb))
    return {
        "call": "claim",
        "swarm": swarm,
        "member": member,
        "id": id,
        "at": float(at),
        "change": change,
        "class": klass,
    }


def holding(call: str, swarm: str, member: str, claim: str, token: int, at: float) -> dict[str, Any]:
    """`call` "renew" or "release" of a claim that is held."""
    return {"call": call, "swarm": swarm, "member": member, "claim": claim, "token": token, "at": float(at)}


def reading(swarm: str, member: str, at: str, path: str, query: str) -> dict[str, Any]:
    """A read from a hub; `at` as it is written in the header."""
    return {"call": "read", "swarm": swarm, "member": member, "at": at, "path": path, "query": query}
