"""Whether a device is free for the next run, and whose it is when it is not. Pure, but for the words on processes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.gpu.holders import describe
from engine.gpu.samples import GpuProcess, GpuSample
from engine.session.cookie import belongs

SLACK_MB = 512
"""A device's own use moves by less: contexts of a display server, the driver's pools."""
TOLD_SHARE = 0.1
"""Of the memory: what others hold above this when a session starts is told."""
FULL_SHARE = 0.97
"""A run that would fill the device above this does not fit beside the others."""


UNSEEN_S = 60.0
"""Seconds after which memory that nobody is seen to hold, and beside which a run fits, is taken for another's."""


class Occupied(msgspec.Struct, frozen=True):
    """Why no run starts now. `text` is a sentence; `who` the process ids, so that a change of them is seen.

    `beside_s`: the run's own need fits beside it, and it may start after waiting so long; None = only when it is free.
    """

    text: str
    who: tuple[int, ...] = ()
    beside_s: float | None = None


class Level(msgspec.Struct, frozen=True):
    """What the device held before a run (MiB, None = not known), and what the last run took (None = none yet)."""

    before_mb: int | None = None
    need_mb: float | None = None


def occupied(gpu: GpuSample, level: Level, session: str, say: Callable[..., str] = describe) -> Occupied | None:
    """Judge the device before a run; None when it is free. `session`: this session's id in cookies.

    A process of this session's own must be gone. What others hold is let be where it was there before. Where processes
    cannot be seen (in most containers) only memory is judged.
    """
    processes = gpu.processes or []
    own = [one for one in processes if belongs(one.cookie, session)]
    if own:
        return _told(gpu, own, session, say, "still holds a process of an earlier run")
    if gpu.used_mb is None:
        return None
    if level.before_mb is not None and gpu.used_mb <= level.before_mb + SLACK_MB:
        return None
    fits = _fits(gpu, level)
    if level.before_mb is None and (level.need_mb is None or fits):
        return None  # the first run: what is there was told
    others = [one for one in processes if not belongs(one.cookie, session)]
    more = "" if level.before_mb is None else f" ({level.before_mb / 1024:.1f} before the last run)"
    found = _told(gpu, others, session, say, f"has {gpu.used_mb / 1024:.1f} GiB in use{more}")
    theirs = sum(one.used_mb or 0 for one in others)
    seen = theirs >= gpu.used_mb - (level.before_mb or 0) - SLACK_MB
    return msgspec.structs.replace(found, beside_s=(0.0 if seen else UNSEEN_S) if fits else None)


def others_at_start(gpu: GpuSample, session: str, say: Callable[..., str] = describe) -> str:
    """What the operator is to know before the first run; "" where others hold little or nothing."""
    if not gpu.used_mb or not gpu.total_mb or gpu.used_mb <= TOLD_SHARE * gpu.total_mb:
        return ""
    others = [one for one in gpu.processes or () if not belongs(one.cookie, session)]
    head = f"GPU {gpu.label}: {gpu.used_mb / 1024:.1f} of {gpu.total_mb / 1024:.1f} GiB are in use already"
    return f"{head}, by {_list(others, session, say)}. Runs share it with them: they are slower, and may not fit"


def _fits(gpu: GpuSample, level: Level) -> bool:
    if level.need_mb is None or gpu.used_mb is None or not gpu.total_mb:
        return False
    return gpu.used_mb + level.need_mb <= FULL_SHARE * gpu.total_mb


def _told(gpu: GpuSample, processes: list[GpuProcess], session: str, say: Callable[..., str], what: str) -> Occupied:
    text = f"GPU {gpu.label} {what}: {_list(processes, session, say)}"
    return Occupied(text, tuple(sorted(one.pid for one in processes)))


def _list(processes: list[GpuProcess], session: str, say: Callable[..., str]) -> str:
    if not processes:
        return "whose it is cannot be seen from here (look on the host: nvidia-smi)"
    largest = sorted(processes, key=lambda one: -(one.used_mb or 0))
    more = f" and {len(largest) - 3} more" if len(largest) > 3 else ""
    return "; ".join(say(one, session) for one in largest[:3]) + more
