"""Devices are told honestly, and nothing that a driver does gets out. A stand-in plays the driver."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.gpu.host import Host
from engine.gpu.nvml import RETRY_S, Nvml
from engine.gpu.sampler import Sampler
from engine.gpu.samples import of_run

NAMES = ("NotSupported", "LibraryNotFound", "DriverNotLoaded", "GpuIsLost", "Unknown", "Uninitialized", "NoPermission")
ERRORS = {name: type(f"NVMLError_{name}", (Exception,), {}) for name in NAMES}


class Driver:
    """Answers as a driver with one device would; `broken` names calls and the error that each raises."""

    NVML_TEMPERATURE_GPU, NVML_CLOCK_SM, NVML_CLOCK_MEM = 0, 1, 2

    def __init__(self, **broken: str) -> None:
        self.broken = broken
        self.opened = 0

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvml") and (error := self.broken.get(name)):

            def fail(*_: object) -> None:
                raise ERRORS[error](f"{error}!")

            return fail
        return super().__getattribute__(name)

    def nvmlInit(self) -> None:
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self.opened -= 1

    def nvmlDeviceGetCount(self) -> int:
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return "GPU-1"

    def nvmlDeviceGetName(self, handle: int) -> bytes:
        return b"NVIDIA H100"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(used=45060 << 20, total=81559 << 20)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(gpu=98, memory=40)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return 650_500

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: int) -> int:
        return 700_000

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:
        return 61

    def nvmlDeviceGetClockInfo(self, handle: int, clock: int) -> int:
        return {1: 1755, 2: 2619}[clock]

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:
        mine = SimpleNamespace(pid=os.getpid(), usedGpuMemory=45000 << 20)
        return [
            mine,
            SimpleNamespace(pid=2**22 + 1, usedGpuMemory=None),
            SimpleNamespace(pid=1, usedGpuMemory=2**64 - 1),
        ]


CALLS = tuple(name for name in vars(Driver) if name.startswith("nvml"))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_every_figure_of_a_healthy_device_is_read_in_its_unit() -> None:
    nvml = Nvml(Driver())
    (gpu,) = nvml.sample()
    assert nvml.trouble is None and nvml.present
    assert (gpu.index, gpu.uuid, gpu.name) == (0, "GPU-1", "NVIDIA H100")
    assert (gpu.used_mb, gpu.total_mb, gpu.util_percent) == (45060, 81559, 98)
    assert (gpu.power_w, gpu.power_limit_w, gpu.temp_c) == (650.5, 700.0, 61)
    assert (gpu.sm_mhz, gpu.mem_mhz) == (1755, 2619)


def test_processes_are_named_where_they_can_be_seen_and_memory_may_be_unknown() -> None:
    (gpu,) = Nvml(Driver()).sample()
    assert gpu.processes is not None
    mine, unseen, odd = gpu.processes
    assert (mine.pid, mine.used_mb) == (os.getpid(), 45000) and mine.name
    assert (unseen.name, unseen.used_mb, unseen.cookie) == (None, None, None)
    assert odd.used_mb is None
    assert of_run([gpu], "mar5:7") == []


def test_a_figure_that_is_not_supported_is_none_and_costs_nothing_else() -> None:
    for name in CALLS[5:]:
        nvml = Nvml(Driver(**{name: "NotSupported"}))
        (gpu,) = nvml.sample()
        assert nvml.trouble is None, name
        always = {"instance", "ecc_errors"}  # of a card without MIG, and a binding that knows no such counters
        values = [getattr(gpu, field) for field in gpu.__struct_fields__ if field not in always]
        assert 1 <= values.count(None) <= 2, name


def test_no_driver_is_no_trouble() -> None:
    for error in ("LibraryNotFound", "DriverNotLoaded"):
        nvml = Nvml(Driver(nvmlInit=error))
        assert (nvml.sample(), nvml.trouble, nvml.present) == ([], None, False)


def test_a_driver_that_fails_is_told_and_tried_again_later() -> None:
    clock, driver = Clock(), Driver(nvmlInit="Unknown")
    nvml = Nvml(driver, clock)
    assert nvml.sample() == []
    assert nvml.trouble and "Unknown!" in nvml.trouble
    driver.broken.clear()
    assert nvml.sample() == [], "not tried again at once"
    clock.now += RETRY_S
    assert len(nvml.sample()) == 1
    assert nvml.trouble is None


def test_a_driver_that_goes_away_and_comes_back() -> None:
    clock, driver = Clock(), Driver()
    nvml = Nvml(driver, clock)
    assert len(nvml.sample()) == 1
    driver.broken = {"nvmlDeviceGetCount": "Uninitialized", "nvmlInit": "DriverNotLoaded"}
    assert nvml.sample() == []
    assert nvml.trouble and "Uninitialized" in nvml.trouble
    driver.broken.clear()
    clock.now += RETRY_S
    assert len(nvml.sample()) == 1
    assert (nvml.trouble, driver.opened) == (None, 1)


def test_a_driver_unloaded_after_it_was_seen_is_trouble() -> None:
    clock, driver = Clock(), Driver()
    nvml = Nvml(driver, clock)
    nvml.sample()
    driver.broken = {"nvmlDeviceGetCount": "DriverNotLoaded"}
    assert nvml.sample() == [] and nvml.trouble


def test_a_lost_device_keeps_its_place_in_the_list() -> None:
    nvml = Nvml(Driver(nvmlDeviceGetHandleByIndex="GpuIsLost"))
    (gpu,) = nvml.sample()
    assert (gpu.uuid, gpu.used_mb) == ("", None)
    assert gpu.name and "GpuIsLost" in gpu.name


@settings(max_examples=80)
@given(st.lists(st.dictionaries(st.sampled_from(CALLS), st.sampled_from(NAMES), max_size=3), max_size=5))
def test_no_mixture_of_failures_gets_out(moments: list[dict[str, str]]) -> None:
    clock, driver = Clock(), Driver()
    nvml = Nvml(driver, clock)
    for broken in moments:
        driver.broken = broken
        gpus = nvml.sample()
        assert len(gpus) == 1 or nvml.trouble or not nvml.present
        clock.now += RETRY_S
    driver.broken = {}
    assert len(nvml.sample()) == 1


def test_this_machine_is_sampled_whatever_it_has() -> None:
    host = Host()
    sampler = Sampler(host=host)
    first = sampler.sample()
    host._at -= 1.0  # a share of no time is no figure
    second = sampler.sample()
    sampler.close()
    assert first.host.cpu_percent is None and second.host.cpu_percent is not None
    assert second.host.mem_total_mb and 0 < (second.host.mem_used_mb or 0) <= second.host.mem_total_mb
    assert second.host.cores and second.at >= first.at
