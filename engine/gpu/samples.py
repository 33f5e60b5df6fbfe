"""What the machine is doing at one moment, as records. A field that is None is not available ("N/A")."""

from __future__ import annotations

import msgspec

from engine.session.cookie import belongs


class GpuProcess(msgspec.Struct, frozen=True, omit_defaults=True):
    """A process on a device. `used_mb`: its device memory in MiB. `cookie`: the trial that it belongs to
    (`engine.session.cookie`), None for others; with `pid` and `name` as the driver sees them (in a container the
    driver may name processes that are not visible here: then `name` is None)."""

    pid: int
    name: str | None = None
    used_mb: int | None = None
    cookie: str | None = None


class GpuSample(msgspec.Struct, frozen=True, omit_defaults=True):
    """One device: memory in MiB, utilisation in percent, power in watts, temperature in °C, clocks in MHz.

    `uuid` is "" for a device that cannot be used, and `name` then says why. A MIG instance is a device of its own: its
    number on the GPU is `instance`, the whole GPU's UUID `parent`; power, temperature and clocks are the whole GPU's.
    `ecc_errors`: memory errors since the driver was loaded that could not be corrected.
    """

    index: int
    uuid: str
    name: str | None = None
    used_mb: int | None = None
    total_mb: int | None = None
    util_percent: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    temp_c: int | None = None
    sm_mhz: int | None = None
    mem_mhz: int | None = None
    processes: list[GpuProcess] | None = None
    parent: str = ""
    instance: int | None = None
    ecc_errors: int | None = None

    @property
    def label(self) -> str:
        """How people call it: "1", or "1:2" for the third MIG instance of GPU 1."""
        return str(self.index) if self.instance is None else f"{self.index}:{self.instance}"


class HostSample(msgspec.Struct, frozen=True, omit_defaults=True):
    """The machine: CPU in percent of all cores since the sample before, load of the last minute, memory in MiB."""

    cpu_percent: float | None = None
    load1: float | None = None
    cores: int | None = None
    mem_used_mb: int | None = None
    mem_total_mb: int | None = None


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything at `at` (unix seconds). `trouble`: why there are no devices or less of them, in a sentence;
    None when the driver answers, or when there is simply no NVIDIA driver (`gpus` is empty then)."""

    at: float
    gpus: list[GpuSample] = []
    host: HostSample = HostSample()
    trouble: str | None = None


def device_of(gpus: list[GpuSample], uuid: str) -> GpuSample | None:
    """The device with this UUID; None when it is not (any more) among them."""
    return next((gpu for gpu in gpus if gpu.uuid == uuid), None) if uuid else None


def of_run(gpus: list[GpuSample], prefix: str) -> list[GpuProcess]:
    """The device processes whose cookie belongs to `prefix`: after a run's end there must be none."""
    return [one for gpu in gpus for one in gpu.processes or () if belongs(one.cookie, prefix)]
