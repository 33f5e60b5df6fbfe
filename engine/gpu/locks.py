"""Who trains on which device: one lock per GPU, by its UUID, for all sessions of a user on this machine.

Without a GPU nothing is locked: several sessions may share a CPU.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from engine.gpu.samples import GpuSample
from engine.session.locking import Held, Holder, Lock, holder

ROOT = Path("/tmp")
"""Not TMPDIR: two engines with different ones must still meet here."""


class DeviceError(Exception):
    """A device cannot be had; the message is the whole text for the operator."""


def locks_folder() -> Path:
    """The folder of this user's device locks, made when it is missing.

    It lies where every local user can write, so it is only used when it is a real folder of this user's and nobody
    else may enter it. Raises DeviceError.
    """
    folder = ROOT / f"overnight-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise DeviceError(f"{folder}, where device locks are kept, cannot be made: {error.strerror}.") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise DeviceError(
            f"{folder}, where device locks are kept, is not a private folder of yours (expected: owner {os.getuid()}, "
            f"mode 700). Look at it, and remove it if you do not know it."
        )
    return folder


def lock_path(uuid: str, folder: Path | None = None) -> Path:
    """The lock file of the device `uuid`."""
    safe = "".join(character if character.isalnum() or character in "-_" else "_" for character in uuid)
    return (folder or locks_folder()) / f"gpu-{safe}.lock"


def device_holder(uuid: str, folder: Path | None = None) -> Holder | None:
    """Who holds the device now: `kind` is the session's name; None when it is free."""
    return holder(lock_path(uuid, folder))


def take(gpu: GpuSample, session: str, start_id: str, folder: Path | None = None) -> Lock:
    """Take the device for `session`; it falls free with the process, however that ends. Raises DeviceError with who
    holds it."""
    try:
        return Lock(lock_path(gpu.uuid, folder), start_id, kind=session)
    except Held as held:
        who = _who(held.holder)
        raise DeviceError(
            f"GPU {gpu.index} ({gpu.name or gpu.uuid}) is taken by {who}. Wait for it, stop that session, or name "
            f"another device: gpu.index in overnight.toml."
        ) from held
    except OSError as error:
        raise DeviceError(f"{lock_path(gpu.uuid, folder)} cannot be locked: {error.strerror}.") from error


def pick(
    gpus: Sequence[GpuSample], index: int | Literal["auto"], session: str, start_id: str, folder: Path | None = None
) -> tuple[GpuSample, Lock] | None:
    """Choose and take a device: the one named, or with "auto" the free one with the most unused memory.

    None without any device and "auto": train on the CPU. Raises DeviceError when the named one does not exist or is
    taken, or when all are.
    """
    usable = [gpu for gpu in gpus if gpu.uuid]
    if index != "auto":
        named = next((gpu for gpu in usable if gpu.index == index), None)
        if named is None:
            there = ", ".join(f"{gpu.index} ({gpu.name})" for gpu in usable) or "none"
            raise DeviceError(
                f'gpu.index in overnight.toml is {index}, but there is no such GPU (there: {there}). Expected: "auto" '
                f"or one of them."
            )
        return named, take(named, session, start_id, folder)
    if not usable:
        return None
    for gpu in sorted(usable, key=lambda one: (one.used_mb or 0) - (one.total_mb or 0)):
        try:
            return gpu, Lock(lock_path(gpu.uuid, folder), start_id, kind=session)
        except Held:
            continue
    taken = "; ".join(f"GPU {gpu.index} by {_who(device_holder(gpu.uuid, folder))}" for gpu in usable)
    raise DeviceError(f"Every GPU is taken: {taken}. Wait, or stop one of these sessions.")


def _who(found: Holder | None) -> str:
    return f"session {found.kind} (process {found.pid} on {found.host})" if found and found.pid else "another process"
