"""The embedded swarm: one SQLite file for the sessions of one machine, without a server.

SQLite's write-ahead log lives in memory that processes of one machine share, so on a network file system it would break
without a word: such a folder is refused.
"""

import contextlib
import os
import re
from pathlib import Path

from engine.swarm.api import SwarmError, Unreachable
from engine.swarm.store.database import in_file
from engine.swarm.store.store import LEASE_S, Limits, Store

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = {
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs", "gfs2", "gpfs", "lustre", "ncpfs", "ncp",
    "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "wekafs",
}  # fmt: skip
"""File systems that other machines may write to as well, or that another kernel serves."""
LOCAL_FUSE = {
    "fuse.fuse-overlayfs",
    "fuse.ntfs-3g",
    "fuse.exfat",
    "fuse.bindfs",
    "fuse.gocryptfs",
    "fuse.encfs",
    "fuseblk",
}
"""Of file systems in user space these are known to be of this machine; all others are taken for a network's."""
_OCTAL = re.compile(r"\\([0-7]{3})")


def create(path: Path, name: str, lease_s: float = LEASE_S, limits: Limits | None = None) -> Store:
    """Make a swarm in a new file that only its owner can use.

    Errors: SwarmError: "file" (it exists, or the folder cannot be written), "network"; Unreachable (the disk is full).
    """
    refuse_network(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SwarmError(f"{path.parent}: no folder that can be made: {error.strerror or error}", "file") from error
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))  # SQLite gives its other files this mode
    except FileExistsError as error:
        raise SwarmError(f"{path} is there already; join it: overnight swarm join {path}", "file") from error
    except OSError as error:
        raise SwarmError(f"{path}: cannot be made: {error.strerror or error}", "file") from error
    store = Store(in_file(path), limits)
    try:
        store.create(name, lease_s)
    except BaseException:
        store.engine.dispose()
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    return store


def open(path: Path, limits: Limits | None = None) -> Store:
    """The swarm in a file. Errors: SwarmError("network"); Unreachable without the file: its disk may come back."""
    if not path.is_file():
        raise Unreachable(f"{path}: there is no swarm in this file (any more); make one: overnight swarm init {path}")
    refuse_network(path)
    return Store(in_file(path), limits)


def refuse_network(path: Path, mounts: Path = MOUNTS) -> None:
    """Errors: SwarmError("network") with the reason where `path` lies, or would lie, on a network file system."""
    kind = file_system(path, mounts)
    if kind in NETWORK or (kind.startswith("fuse.") and kind not in LOCAL_FUSE):
        raise SwarmError(
            f"{path} is on a network file system ({kind}), where SQLite's locks and shared memory do not hold: two"
            " machines would spoil the swarm. Choose a folder on a disk of this machine, or serve a hub for many"
            " machines: overnight swarm serve",
            "network",
        )


def file_system(path: Path, mounts: Path = MOUNTS) -> str:
    """The type of the file system that `path` is on, "" where this machine does not tell.

    The last line of the mount table counts whose mount point is nearest: later mounts hide earlier ones.
    """
    try:
        where, lines = path.resolve(), mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except (OSError, RuntimeError):
        return ""
    found, depth = "", -1
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) < 5 or not rest[0]:
            continue
        point = Path(_OCTAL.sub(lambda octal: chr(int(octal[1], 8)), fields[4]))
        if (where == point or point in where.parents) and len(point.parts) >= depth:
            found, depth = rest[0], len(point.parts)
    return found
