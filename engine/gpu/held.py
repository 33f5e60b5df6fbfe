"""Which device each engine trains on, told from the device locks: for who looks at sessions from outside."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from engine.gpu import locks
from engine.gpu.sampler import Sampler
from engine.session.locking import Holder, holder

CPU = "cpu"


def held_devices(folder: Path | None = None) -> dict[str, str]:
    """The devices that are held now: the holding engine's start id → the device's UUID. Makes no folder."""
    folder = folder or locks.ROOT / f"overnight-{os.getuid()}"
    try:
        found = sorted(folder.glob("gpu-*.lock"))
    except OSError:
        return {}
    return {held.start_id: path.stem.removeprefix("gpu-") for path in found if (held := holder(path)) is not None}


class Devices:
    """`look()` reads the locks, `of(engine)` tells what they say. The driver is asked only for a UUID not yet seen."""

    def __init__(self, folder: Path | None = None, sampler: Callable[[], Sampler] = Sampler) -> None:
        self._folder, self._sampler = folder, sampler
        self._held: dict[str, str] = {}
        self._labels: dict[str, str] = {}

    def look(self) -> None:
        """See who holds what now."""
        self._held = held_devices(self._folder)
        if not self._labels.keys() >= set(self._held.values()):
            sampler = self._sampler()
            try:
                self._labels = {gpu.uuid: f"GPU {gpu.label}" for gpu in sampler.sample().gpus if gpu.uuid}
            finally:
                sampler.close()
            for uuid in self._held.values():  # one that the driver does not name: not asked for again
                self._labels.setdefault(uuid, uuid[:8])

    def of(self, engine: Holder | None) -> str:
        """`GPU 0`, `cpu` where the engine holds none, "" without an engine on this machine."""
        if engine is None or engine.host != socket.gethostname():
            return ""
        uuid = self._held.get(engine.start_id)
        return self._labels[uuid] if uuid is not None else CPU
