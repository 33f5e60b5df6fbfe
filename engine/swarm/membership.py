"""A session's membership: which swarm, under which name and key. .overnight/swarm.json, which only its owner reads."""

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

import msgspec

from engine.swarm.api import Swarm, SwarmError, Welcome
from engine.swarm.keys import KeyPair

FILE, KEY = "swarm.json", "swarm.key"
"""Names in the session's private folder."""


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """`where` is a hub's address or the path of a swarm's file; `key` the path of the private key.

    `nonce` makes the ids of what this session tells its own; `since` counts the experiments from before it joined.
    """

    where: str
    swarm: str
    title: str
    member: str
    name: str
    key: str
    nonce: str
    since: int = 0
    lease_s: float = 900.0

    def id(self, *parts: object) -> str:
        """An id (32 hex digits) that is the same whenever the same thing is told."""
        return hashlib.sha256("\0".join([self.nonce, *map(str, parts)]).encode()).hexdigest()[:32]


def load(private: Path) -> Membership | None:
    """The membership kept in the session's private folder; None without one. Errors: SwarmError("membership")."""
    path = private / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Membership)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise SwarmError(f"{path}: cannot be read ({error}); join again: overnight swarm join", "membership") from error


def save(private: Path, membership: Membership) -> None:
    """Write it, all of it or nothing, mode 0600. Errors: OSError."""
    temporary = private / f".{FILE}.tmp"
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(membership), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(private / FILE)


def end(private: Path) -> None:
    """Forget it; the key stays, for whoever joins again under the same name."""
    (private / FILE).unlink(missing_ok=True)


def own_key(private: Path) -> tuple[KeyPair, Path]:
    """The session's key and its file; made when there is none. Errors: SwarmError("key"), OSError."""
    path = private / KEY
    with contextlib.suppress(FileExistsError):
        if not path.exists():
            KeyPair.make().save(path)
    return KeyPair.load(path), path


def is_hub(where: str) -> bool:
    """Whether `where` is a hub's address, not a file's path."""
    return where.startswith(("http://", "https://"))


def reach(where: str, key: KeyPair | None = None, timeout_s: float = 10.0, swarm: str = "") -> Swarm:
    """The swarm at `where`; a hub is not asked yet. Errors: SwarmError, Unreachable where the file is not there."""
    if is_hub(where):
        from engine.swarm.client import Client

        return Client(where, key, timeout_s, swarm)
    from engine.swarm import embedded

    return embedded.open(Path(where))


def fresh(where: str, welcome: Welcome, name: str, key: KeyPair, path: Path, since: int) -> Membership:
    """A membership that begins now; `path` is the key's file."""
    return Membership(
        where=where,
        swarm=welcome.swarm,
        title=welcome.name,
        member=key.member,
        name=name,
        key=str(path),
        nonce=secrets.token_hex(16),
        since=since,
        lease_s=welcome.lease_s,
    )
