"""Before each run: the GPU must be free of what an earlier one left, and have room beside what others hold."""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.gpu.occupancy import Level, Occupied, occupied, others_at_start
from engine.gpu.sampler import Sampler
from engine.gpu.samples import GpuSample, device_of
from engine.loop.record import Record
from engine.loop.training import NVML_PEAK
from engine.session import events as ev
from engine.session.cookie import session_id

QUIET_S = 3.0
"""A driver takes a moment to give memory back: a wait shorter than this is not told."""
FIRST_S, MOST_S = 0.2, 30.0
"""Between two looks: the first, doubling, the longest."""


class Vacancy:
    """Asked on the engine's own thread before each run; it never blocks. `device`: the GPU's UUID, "" = on the CPU."""

    def __init__(
        self,
        record: Record,
        device: str,
        sampler: Sampler | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record, self._device, self._clock = record, device, clock
        self._sampler = sampler or Sampler()
        self._session = session_id(record.paths.root)
        self._level: int | None = None
        self._waiting_since: float | None = None
        self._next, self._pause_s = 0.0, FIRST_S
        self._told: tuple[int, ...] | None = None

    def tell_others(self) -> None:
        """Before the first run: say who else is on the device, where that is much."""
        gpu = self._look()
        if gpu is not None and (text := others_at_start(gpu, self._session)):
            self._record.write(ev.Trouble(at=time.time(), text=text))

    def free(self) -> bool:
        """Whether a run may start now. While it may not, what is waited for is told, once and whenever it changes."""
        if not self._device:
            return True
        now = self._clock()
        if now < self._next:
            return False
        gpu = self._look()
        found = occupied(gpu, Level(self._level, self._need_mb()), self._session) if gpu is not None else None
        if found is None:
            self._vacated(gpu)
            return True
        self._waiting_since = now if self._waiting_since is None else self._waiting_since
        waited = now - self._waiting_since
        if found.beside_s is not None and waited >= found.beside_s:
            self._record.write(
                ev.Trouble(at=time.time(), text=f"{found.text}. The next run fits beside it, and starts")
            )
            self._level = None
            self._vacated(gpu)
            return True
        self._next, self._pause_s = now + self._pause_s, min(2 * self._pause_s, MOST_S)
        if waited >= QUIET_S and self._told != found.who:
            self._told = found.who
            self._tell(found)
        return False

    def _look(self) -> GpuSample | None:
        """The device now; None without one, and where the driver does not tell (the run will show what that means)."""
        return device_of(self._sampler.sample().gpus, self._device) if self._device else None

    def _vacated(self, gpu: GpuSample | None) -> None:
        if gpu is not None and gpu.used_mb is not None:
            self._level = gpu.used_mb if self._level is None else min(self._level, gpu.used_mb)
        self._waiting_since, self._told = None, None
        self._next, self._pause_s = 0.0, FIRST_S

    def _need_mb(self) -> float | None:
        """What the newest run with a result took, as the driver saw it."""
        for experiment in reversed(self._record.state.experiments):
            if peak := experiment.metrics.get(NVML_PEAK):
                return peak
        return None

    def _tell(self, found: Occupied) -> None:
        text = f"{found.text}. The next run waits until it is free; stop and abort work meanwhile"
        self._record.write(ev.Delayed(at=time.time(), text=text, trouble=True))
