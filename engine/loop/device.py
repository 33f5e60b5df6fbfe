"""The GPU that an engine trains on: chosen and locked at its start, and held against what the session trained on."""

from __future__ import annotations

import os

import msgspec

from engine.gpu.locks import DeviceError, pick, unusable, visible
from engine.gpu.samples import GpuSample, Snapshot
from engine.session.locking import Lock
from engine.session.settings import Settings
from engine.session.state import State

SEEN = "CUDA_VISIBLE_DEVICES"
HELP = "overnight doctor --only gpu says what to do"


class Device(msgspec.Struct):
    """`gpu` None: it trains on the CPU. `trouble`: sentences for the operator."""

    gpu: GpuSample | None = None
    lock: Lock | None = None
    trouble: tuple[str, ...] = ()

    @property
    def uuid(self) -> str:
        """The GPU's, "" on the CPU."""
        return self.gpu.uuid if self.gpu is not None else ""

    def release(self) -> None:
        """Give it back."""
        if self.lock is not None:
            self.lock.release()


def take(
    shot: Snapshot, settings: Settings, state: State, session: str, start_id: str, wanted: str | None = None
) -> Device:
    """Take a device: `wanted` (`start --gpu`), else what gpu.index says, among those that CUDA_VISIBLE_DEVICES leaves.

    A session that trained on a GPU does not go on on the CPU by itself: nothing that it measures there could be held
    against what it has. Raises DeviceError, for the operator.
    """
    allowed = os.environ.get(SEEN)
    if wanted is not None and wanted != "auto":
        taken = pick(shot.gpus, wanted, session, start_id, asked_by="--gpu", trouble=shot.trouble)
    else:
        index = settings.gpu.index if wanted is None else "auto"
        taken = pick(visible(shot.gpus, allowed), index, session, start_id, trouble=shot.trouble)
    before = state.engine
    had = before.device_name or before.device if before is not None else ""
    if taken is None:
        if had and allowed is None:
            why = shot.trouble or unusable(shot.gpus) or "the NVIDIA driver shows none"
            raise DeviceError(
                f"Session {session} trained on a GPU ({had}) so far, and there is none now: {why}. Bring it back "
                f"(overnight doctor --only gpu), or go on on the CPU, where results cannot be compared with those "
                f"there are: {SEEN}= overnight start {session}"
            )
        trouble = [f"{shot.trouble} It trains on the CPU ({HELP})"] if shot.trouble else []
        if allowed is None and (broken := unusable(shot.gpus)):
            trouble.append(f"{broken}: it trains on the CPU ({HELP})")
        if shot.gpus and allowed not in (None, "", "-1"):
            there = ", ".join(f"{gpu.label} ({gpu.name or gpu.uuid})" for gpu in shot.gpus)
            trouble.append(f"{SEEN} is {allowed} and leaves no GPU of those there are, {there}: it trains on the CPU")
        return Device(trouble=tuple(trouble))
    gpu, lock = taken
    trouble = []
    if before is not None and before.device_name not in ("", gpu.name or ""):
        text = f"this engine trains on {gpu.name}, the one before it on {before.device_name}"
        trouble.append(f"{text}: a budget of seconds buys other results there")
    return Device(gpu, lock, tuple(trouble))
