"""What was seen of one device while a run was on it: its level before, its peak, who else was there, and its health."""

from __future__ import annotations

from engine.gpu.samples import GpuProcess, GpuSample, Snapshot, device_of
from engine.session.cookie import belongs


class DeviceWatch:
    """Give it each snapshot of a run, the first from before the run's start. All memory in MiB.

    `device`: the UUID, "" = the run has none and nothing is told. `session`: the session's id in cookies.
    """

    def __init__(self, device: str, session: str) -> None:
        self.device, self.session = device, session
        self.before: GpuSample | None = None
        self.last: GpuSample | None = None
        """The newest sample that had the device."""
        self.lost = False
        """It was there before the run and is not now, although the driver answers."""
        self.trouble: str | None = None
        """Why the driver does not answer now."""
        self.samples = 0
        self._peak_mb = 0
        self._own_mb = 0
        self._others_mb = 0

    def see(self, shot: Snapshot) -> None:
        """Take one in."""
        if not self.device:
            return
        self.trouble = shot.trouble
        gpu = device_of(shot.gpus, self.device)
        self.lost = gpu is None and self.before is not None and not shot.trouble
        if gpu is None:
            return
        self.samples += 1
        self.before = self.before or gpu
        self.last = gpu
        self._peak_mb = max(self._peak_mb, gpu.used_mb or 0)
        mine = [one for one in gpu.processes or () if belongs(one.cookie, self.session)]
        self._own_mb = max(self._own_mb, sum(one.used_mb or 0 for one in mine))
        if mine:
            self._others_mb = sum(one.used_mb or 0 for one in self.others())

    @property
    def peak_mb(self) -> int | None:
        """The most that the run held, its context included: of its own processes where the driver tells them, else
        what the device had in use above the level before. None when it was not seen."""
        if self.samples < 2 or self.before is None or self.before.used_mb is None:
            return None
        return self._own_mb or max(0, self._peak_mb - self.before.used_mb)

    @property
    def others_mb(self) -> int:
        """What is not the run's: of others' processes where they are told, else what was in use before it."""
        return self._others_mb or (self.before.used_mb or 0 if self.before is not None else 0)

    @property
    def new_ecc_errors(self) -> int:
        """Memory errors that could not be corrected, since the run's start."""
        if self.before is None or self.last is None:
            return 0
        return max(0, (self.last.ecc_errors or 0) - (self.before.ecc_errors or 0))

    def others(self) -> list[GpuProcess]:
        """Processes on the device at the last look that are not this session's."""
        processes = self.last.processes or [] if self.last is not None else []
        return [one for one in processes if not belongs(one.cookie, self.session)]
