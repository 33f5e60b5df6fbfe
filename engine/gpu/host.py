"""CPU, load and memory of the machine."""

from __future__ import annotations

import os
import time
from typing import Any

from engine.gpu.samples import HostSample

MIB = 1024 * 1024
_LEAST_S = 0.2
"""A share of less time than this says nothing: a core counts its busy time in hundredths of a second."""


class Host:
    """Samples the machine. The first sample has no CPU figure: it is a share of the time since the one before.

    Samples close upon another have the same figure.
    """

    def __init__(self) -> None:
        self._psutil: Any = None
        self._at = 0.0
        self._cpu: float | None = None

    def sample(self) -> HostSample:
        """The machine now; what the system does not tell is None."""
        if self._psutil is None:
            import psutil  # only when first needed: the console's start must not wait for it

            self._psutil = psutil
            psutil.cpu_percent(None)
            self._at = time.monotonic()
        elif time.monotonic() - self._at >= _LEAST_S:
            self._cpu, self._at = float(self._psutil.cpu_percent(None)), time.monotonic()
        memory = self._psutil.virtual_memory()
        try:
            load = os.getloadavg()[0]
        except OSError:
            load = None
        return HostSample(
            cpu_percent=self._cpu,
            load1=load,
            cores=os.cpu_count(),
            mem_used_mb=int(memory.total - memory.available) // MIB,
            mem_total_mb=int(memory.total) // MIB,
        )
