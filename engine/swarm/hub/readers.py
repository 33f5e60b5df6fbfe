"""Who may read: members, by a signature in the call's header. Writes carry their signature in their body."""

import math

from engine.swarm import calls
from engine.swarm.api import SwarmError
from engine.swarm.keys import check
from engine.swarm.store import members
from engine.swarm.store.database import transaction
from engine.swarm.store.store import Store

WITHIN_S = 86_400.0
"""How far the clock of a reader may be off: a header that was overheard is of use no longer."""


def admit(store: Store, header: str, path: str, query: str) -> None:
    """Whether `header` (Authorization) is a member's for this read of `path` with `query`.

    Errors: SwarmError: "signature" (none, another's, too old), "member" (unknown), "revoked".
    """
    scheme, _, rest = header.partition(" ")
    parts = rest.strip().split(":")
    if scheme.lower() != "overnight" or len(parts) != 3:
        raise SwarmError("members only: sign the call (see /openapi.json)", "signature")
    member, at, signature = parts
    welcome = store.connect()
    if not abs(_seconds(at) - welcome.now) <= WITHIN_S:
        raise SwarmError("the call was signed at another time: set this machine's clock", "signature")
    with transaction(store.engine, False) as connection:
        found = members.find(connection, member.replace("\0", ""))
    members.heard(found)
    check(found.key, calls.reading(welcome.swarm, member, at, path, query), signature)


def _seconds(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        return math.nan
