"""A stand-in for the driver's binding, at the boundary of the pynvml module: its devices are plain objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

MIB = 1 << 20
NAMES = (
    "NotSupported", "LibraryNotFound", "DriverNotLoaded", "GpuIsLost", "Unknown", "Uninitialized", "NoPermission",
    "InvalidArgument", "ArgumentVersionMismatch",
)  # fmt: skip
ERRORS = {name: type(f"NVMLError_{name}", (Exception,), {}) for name in NAMES}


@dataclass
class Card:
    """One GPU, or a MIG instance: memory in MiB; `processes` are (pid, MiB or None); None = the driver may not tell."""

    uuid: str = "GPU-1"
    name: str = "NVIDIA H100"
    used: int = 0
    total: int = 81559
    processes: list[tuple[int, int | None]] | None = field(default_factory=list)
    instances: list[Card] | None = None
    ecc: int | None = 0
    lost: bool = False


class Binding:
    """The calls that the product makes, answered from `cards`; `broken` names calls and the error that each raises."""

    NVML_TEMPERATURE_GPU, NVML_CLOCK_SM, NVML_CLOCK_MEM = 0, 1, 2
    NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC = 1, 0

    def __init__(self, *cards: Card, **broken: str) -> None:
        self.cards, self.broken = list(cards), broken

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvml") and (error := self.broken.get(name)):

            def fail(*_: object) -> None:
                raise ERRORS[error](f"{error}!")

            return fail
        return super().__getattribute__(name)

    def nvmlInit(self) -> None: ...

    def nvmlShutdown(self) -> None: ...

    def nvmlSystemGetDriverVersion(self) -> bytes:
        return b"575.57.08"

    def nvmlSystemGetCudaDriverVersion(self) -> int:
        return 12090

    def nvmlDeviceGetCudaComputeCapability(self, card: Card) -> tuple[int, int]:
        return (9, 0)

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:
        return self.cards[index]

    def nvmlDeviceGetUUID(self, card: Card) -> str:
        return card.uuid

    def nvmlDeviceGetName(self, card: Card) -> str:
        return card.name

    def nvmlDeviceGetMemoryInfo(self, card: Card) -> SimpleNamespace:
        if card.lost:
            raise ERRORS["GpuIsLost"]("GPU is lost")
        return SimpleNamespace(used=card.used * MIB, total=card.total * MIB)

    def nvmlDeviceGetUtilizationRates(self, card: Card) -> SimpleNamespace:
        return SimpleNamespace(gpu=98, memory=40)

    def nvmlDeviceGetPowerUsage(self, card: Card) -> int:
        return 650_500

    def nvmlDeviceGetEnforcedPowerLimit(self, card: Card) -> int:
        return 700_000

    def nvmlDeviceGetTemperature(self, card: Card, sensor: int) -> int:
        return 61

    def nvmlDeviceGetClockInfo(self, card: Card, clock: int) -> int:
        return {1: 1755, 2: 2619}[clock]

    def nvmlDeviceGetComputeRunningProcesses(self, card: Card) -> list[SimpleNamespace]:
        if card.processes is None:
            raise ERRORS["NoPermission"]("Insufficient Permissions")
        return [
            SimpleNamespace(pid=pid, usedGpuMemory=None if used is None else used * MIB) for pid, used in card.processes
        ]

    def nvmlDeviceGetTotalEccErrors(self, card: Card, kind: int, counter: int) -> int:
        if card.ecc is None:
            raise ERRORS["NotSupported"]("Not Supported")
        return card.ecc

    def nvmlDeviceGetMigMode(self, card: Card) -> list[int]:
        if card.instances is None:
            raise ERRORS["NotSupported"]("Not Supported")
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, card: Card) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, card: Card, number: int) -> Card:
        if card.instances is None or number >= len(card.instances):
            raise ERRORS["InvalidArgument"]("Not Found")
        return card.instances[number]
