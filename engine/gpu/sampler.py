"""One look at devices and machine together."""

from __future__ import annotations

import time

from engine.gpu.host import Host
from engine.gpu.nvml import Nvml
from engine.gpu.samples import Snapshot


class Sampler:
    """`sample()` takes a few milliseconds with devices and well under one without; it never raises for the driver.

    Not for several threads at once: each takes a sampler of its own.
    """

    def __init__(self, nvml: Nvml | None = None, host: Host | None = None) -> None:
        self._nvml = nvml or Nvml()
        self._host = host or Host()

    def sample(self) -> Snapshot:
        """Devices and machine now."""
        gpus = self._nvml.sample()
        return Snapshot(at=time.time(), gpus=gpus, host=self._host.sample(), trouble=self._nvml.trouble)

    def close(self) -> None:
        """Let go of the driver."""
        self._nvml.close()
