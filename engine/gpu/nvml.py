"""NVIDIA devices through NVML. Nothing that the driver does or fails to do leaves this module as an exception."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import msgspec

from engine.gpu.samples import GpuProcess, GpuSample
from engine.session.cookie import cookie_of

RETRY_S = 10.0
"""Seconds between two attempts to reach a driver that failed."""
MIB = 1024 * 1024
NOT_AVAILABLE = (
    "NVMLError_NotSupported",
    "NVMLError_NoPermission",
    "NVMLError_NotFound",
    "NVMLError_InvalidArgument",
    "NVMLError_FunctionNotFound",
    "NVMLError_NoData",
    "NVMLError_InsufficientSize",
)
"""Answers that mean that this one figure is not to be had; any other error means that the driver is not well."""
LOST = (
    "NVMLError_GpuIsLost",
    "NVMLError_GpuNotFound",
    "NVMLError_InsufficientPower",
    "NVMLError_IrqIssue",
    "NVMLError_ResetRequired",
    "NVMLError_Unknown",
)
"""What the driver says of one device that is gone or not well, while others may be: a fallen-off one often is "Unknown
Error" to it."""
ABSENT = ("NVMLError_LibraryNotFound", "NVMLError_DriverNotLoaded")


class Driver(msgspec.Struct, frozen=True):
    """The driver's version, the highest CUDA that it carries, and each GPU's compute capability by UUID."""

    version: str | None = None
    cuda: str | None = None
    capabilities: dict[str, tuple[int, int]] = {}


class Nvml:
    """The driver's devices. Reaching it is tried at the first look, and again at times after a failure.

    `module`: a module with pynvml's functions, None = pynvml itself.
    """

    def __init__(self, module: Any = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.trouble: str | None = None
        """Why there is nothing to see, None when all is well or this machine has no NVIDIA driver."""
        self.present: bool | None = None
        """Whether a driver answered at the last attempt; None before the first."""
        self._module = module
        self._clock = clock
        self._open = False
        self._next = 0.0
        self._names: dict[int, tuple[str | None, str | None]] = {}

    def sample(self) -> list[GpuSample]:
        """All devices now; [] without a driver or when it fails (see `trouble`)."""
        if not self._reach():
            return []
        nvml = self._module
        try:
            found = [one for index in range(int(nvml.nvmlDeviceGetCount())) for one in self._devices(nvml, index)]
        except Exception as error:  # the driver can fail in any call and in any way, also within the binding
            self._fail(error)
            return []
        self._forget_gone(found)
        self.trouble = None
        return found

    def about(self) -> Driver:
        """What the driver and its devices are, for people; None and {} where it does not tell."""
        if not self._reach():
            return Driver()
        nvml, abilities = self._module, {}
        try:
            for index in range(int(nvml.nvmlDeviceGetCount())):
                try:
                    handle = nvml.nvmlDeviceGetHandleByIndex(index)
                    able = nvml.nvmlDeviceGetCudaComputeCapability(handle)
                    abilities[_string(nvml.nvmlDeviceGetUUID(handle))] = (int(able[0]), int(able[1]))
                except Exception as error:
                    if not _of_this_device(error):
                        raise
            version = _ask(nvml.nvmlSystemGetDriverVersion)
            cuda = _ask(nvml.nvmlSystemGetCudaDriverVersion)
        except Exception as error:  # as in sample
            self._fail(error)
            return Driver()
        return Driver(
            version=None if version is None else _string(version),
            cuda=None if cuda is None else f"{int(cuda) // 1000}.{int(cuda) % 1000 // 10}",
            capabilities=abilities,
        )

    def close(self) -> None:
        """Let go of the driver."""
        if self._open:
            self._open = False
            try:
                self._module.nvmlShutdown()
            except Exception:
                pass  # it is gone already, which is what was wanted

    def _reach(self) -> bool:
        if self._open:
            return True
        if self._clock() < self._next:
            return False
        try:
            if self._module is None:
                self._module = _pynvml()
            self._module.nvmlInit()
        except Exception as error:
            self._fail(error)
            return False
        self._open = True
        self.present = True
        return True

    def _fail(self, error: Exception) -> None:
        self.close()
        self._next = self._clock() + RETRY_S
        absent = type(error).__name__ in ABSENT
        if absent and not self.present:
            self.present, self.trouble = False, None
            return
        self.present = False
        self.trouble = f"The NVIDIA driver does not answer ({_text(error)}); trying again every {RETRY_S:g} s."

    def _devices(self, nvml: Any, index: int) -> list[GpuSample]:
        """GPU `index`, or its MIG instances; one that is lost or not to be asked hides no other."""
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = _string(nvml.nvmlDeviceGetUUID(handle))
            whole = self._device(nvml, handle, index, uuid)
            if not _migrated(nvml, handle):
                return [whole]
            instances = self._instances(nvml, handle, whole)
        except Exception as error:
            if not _of_this_device(error):
                raise
            return [GpuSample(index=index, uuid="", name=f"not available: {_text(error)}")]
        none = msgspec.structs.replace(whole, uuid="", name=f"{whole.name}: MIG is on and has no instance")
        return instances or [none]

    def _device(self, nvml: Any, handle: Any, index: int, uuid: str) -> GpuSample:
        memory = _memory(nvml, handle)
        rates = _ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        name = _ask(nvml.nvmlDeviceGetName, handle)
        limit = _ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
        power = _ask(nvml.nvmlDeviceGetPowerUsage, handle)
        return GpuSample(
            index=index,
            uuid=uuid,
            name=None if name is None else _string(name),
            used_mb=None if memory is None else int(memory.used) // MIB,
            total_mb=None if memory is None else int(memory.total) // MIB,
            util_percent=None if rates is None else int(rates.gpu),
            power_w=None if power is None else power / 1000,
            power_limit_w=None if limit is None else limit / 1000,
            temp_c=_ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            sm_mhz=_ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
            mem_mhz=_ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_MEM),
            processes=self._processes(nvml, handle),
            ecc_errors=_ecc_errors(nvml, handle),
        )

    def _instances(self, nvml: Any, handle: Any, whole: GpuSample) -> list[GpuSample]:
        """The GPU's MIG instances, each with its own memory and processes."""
        found = []
        for number in range(int(_ask(nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0)):
            instance = _ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)
            uuid = None if instance is None else _ask(nvml.nvmlDeviceGetUUID, instance)
            if uuid is None:
                continue
            memory = _memory(nvml, instance)
            name = _ask(nvml.nvmlDeviceGetName, instance)
            one = msgspec.structs.replace(
                whole,
                uuid=_string(uuid),
                parent=whole.uuid,
                instance=number,
                name=whole.name if name is None else _string(name),
                used_mb=None if memory is None else int(memory.used) // MIB,
                total_mb=None if memory is None else int(memory.total) // MIB,
                util_percent=None,  # the driver has no figure for a part of a GPU
                processes=self._processes(nvml, instance),
            )
            found.append(one)
        return found

    def _processes(self, nvml: Any, handle: Any) -> list[GpuProcess] | None:
        found = _ask(nvml.nvmlDeviceGetComputeRunningProcesses, handle)
        if found is None:
            return None
        return [self._process(int(one.pid), one.usedGpuMemory) for one in found]

    def _process(self, pid: int, used: int | None) -> GpuProcess:
        if pid not in self._names:
            self._names[pid] = (_name(pid), cookie_of(pid))
        name, cookie = self._names[pid]
        # the binding gives None for "not available", older ones the all-ones number that the driver uses for it
        used_mb = None if used is None or used >= 1 << 62 else int(used) // MIB
        return GpuProcess(pid=pid, name=name, used_mb=used_mb, cookie=cookie)

    def _forget_gone(self, devices: list[GpuSample]) -> None:
        here = {one.pid for device in devices for one in device.processes or ()}
        self._names = {pid: known for pid, known in self._names.items() if pid in here}


def _pynvml() -> ModuleType:
    import pynvml  # only when first needed: the console's start must not wait for it

    module: ModuleType = pynvml
    return module


def _memory(nvml: Any, handle: Any) -> Any:
    """Used and total as nvidia-smi tells them: without what the driver keeps for itself, where it tells that apart."""
    version = getattr(nvml, "nvmlMemory_v2", None)
    if version is not None:
        try:
            return nvml.nvmlDeviceGetMemoryInfo(handle, version)
        except Exception as error:
            if type(error).__name__ not in (*NOT_AVAILABLE, "NVMLError_ArgumentVersionMismatch"):
                raise
    return _ask(nvml.nvmlDeviceGetMemoryInfo, handle)


def _migrated(nvml: Any, handle: Any) -> bool:
    """Whether the GPU is divided into instances now; older bindings and most cards know nothing of it."""
    mode = _ask(getattr(nvml, "nvmlDeviceGetMigMode", _unknown), handle)
    return bool(mode and mode[0])


def _ecc_errors(nvml: Any, handle: Any) -> int | None:
    function = getattr(nvml, "nvmlDeviceGetTotalEccErrors", _unknown)
    found = _ask(
        function,
        handle,
        getattr(nvml, "NVML_MEMORY_ERROR_TYPE_UNCORRECTED", 1),
        getattr(nvml, "NVML_VOLATILE_ECC", 0),
    )
    return None if found is None else int(found)


def _unknown(*_: Any) -> None:
    """Stands for a call that the binding has not got."""


def _ask(function: Callable[..., Any], *arguments: Any) -> Any:
    """One figure; None when this device, driver or binding has not got it."""
    try:
        return function(*arguments)
    except Exception as error:
        if type(error).__name__ in NOT_AVAILABLE:
            return None
        raise


def _of_this_device(error: Exception) -> bool:
    """Whether an error says nothing of the other devices."""
    return type(error).__name__ in (*LOST, *NOT_AVAILABLE)


def _string(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _text(error: Exception) -> str:
    return str(error).strip() or type(error).__name__


def _name(pid: int) -> str | None:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None
