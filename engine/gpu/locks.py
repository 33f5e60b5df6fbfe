"""Who trains on which device: one lock per GPU, by its UUID, for all sessions of a user on this machine.

Without a GPU nothing is locked: several sessions may share a CPU.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

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
        return _lock(gpu, session, start_id, folder)
    except Held as held:
        who = _who(held.holder)
        raise DeviceError(
            f"GPU {gpu.label} ({gpu.name or gpu.uuid}) is taken by {who}. Wait for it, stop that session, or name "
            f"another device: overnight start --gpu, or gpu.index in overnight.toml."
        ) from held


def _lock(gpu: GpuSample, session: str, start_id: str, folder: Path | None) -> Lock:
    """Raises Held, DeviceError."""
    path = lock_path(gpu.uuid, folder)
    try:
        return Lock(path, start_id, kind=session)
    except OSError as error:
        raise DeviceError(f"{path} cannot be locked: {error.strerror}.") from error


def pick(
    gpus: Sequence[GpuSample],
    wanted: int | str,
    session: str,
    start_id: str,
    folder: Path | None = None,
    *,
    asked_by: str = "gpu.index in overnight.toml",
    trouble: str | None = None,
) -> tuple[GpuSample, Lock] | None:
    """Choose and take a device: the one that `named` finds, or with "auto" the free one with the most unused memory.

    None without any device and "auto": train on the CPU. Of several MIG instances that fit the name, the first free
    one. `trouble`: why devices are missing. Raises DeviceError when the named one does not exist or is taken, or when
    all are.
    """
    usable = [gpu for gpu in gpus if gpu.uuid]
    if wanted == "auto":
        if not usable:
            return None
        return _first_free(_roomiest(usable), session, start_id, folder, "Every GPU is taken")
    found = named(usable, wanted)
    if not found:
        there = ", ".join(f"{gpu.label} ({gpu.name or gpu.uuid})" for gpu in usable) or "none"
        kinds = "an index or UUID" if asked_by == "--gpu" else "an index"
        why = "".join(f" {text}." for text in (trouble and trouble.rstrip("."), unusable(gpus)) if text)
        raise DeviceError(
            f'{asked_by} is {wanted}, but there is no such GPU (there: {there}). Expected: "auto", or {kinds} of '
            f"them.{why}"
        )
    if len(found) == 1:
        return found[0], take(found[0], session, start_id, folder)
    return _first_free(_roomiest(found), session, start_id, folder, f"Every instance of GPU {wanted} is taken")


def named(gpus: Sequence[GpuSample], wanted: int | str) -> list[GpuSample]:
    """The devices that a person means by an index ("1"), a MIG instance ("1:0") or a UUID or the beginning of one."""
    word = str(wanted).strip()
    if word.isdecimal():
        return [gpu for gpu in gpus if gpu.index == int(word)]
    exact = [gpu for gpu in gpus if word in (gpu.uuid, gpu.label)]
    begun = [gpu for gpu in gpus if word[:4].upper() in ("GPU-", "MIG-") and gpu.uuid.startswith(word)]
    return exact or begun or [gpu for gpu in gpus if word and word == gpu.parent]


def visible(gpus: Sequence[GpuSample], allowed: str | None) -> list[GpuSample]:
    """Those that CUDA_VISIBLE_DEVICES, as the engine was started with it, leaves; all where it is not set.

    As CUDA reads it: a list of indices or UUIDs that ends at the first one that does not exist.
    """
    if allowed is None:
        return list(gpus)
    found: list[GpuSample] = []
    for word in allowed.split(","):
        some = named([gpu for gpu in gpus if gpu.uuid], word)
        if not some:
            break
        found += [gpu for gpu in some if gpu not in found]
    return found


def unusable(gpus: Sequence[GpuSample]) -> str:
    """Which devices are there and cannot be used, and why; "" where there are none."""
    return "; ".join(f"GPU {gpu.label} cannot be used ({gpu.name})" for gpu in gpus if not gpu.uuid)


def _roomiest(gpus: Sequence[GpuSample]) -> list[GpuSample]:
    return sorted(gpus, key=lambda one: (one.used_mb or 0) - (one.total_mb or 0))


def _first_free(
    gpus: Sequence[GpuSample], session: str, start_id: str, folder: Path | None, why: str
) -> tuple[GpuSample, Lock]:
    for gpu in gpus:
        try:
            return gpu, _lock(gpu, session, start_id, folder)
        except Held:
            continue
    taken = "; ".join(
        f"GPU {gpu.label} by {_who(device_holder(gpu.uuid, folder))}"
        for gpu in sorted(gpus, key=lambda one: (one.index, one.instance or 0))
    )
    raise DeviceError(f"{why}: {taken}. Wait, or stop one of these sessions.")


def _who(found: Holder | None) -> str:
    return f"session {found.kind} (process {found.pid} on {found.host})" if found and found.pid else "another process"
