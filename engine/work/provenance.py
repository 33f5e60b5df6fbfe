"""What it takes to repeat a run: runs/NNNN/provenance.json, written once, when its first trial starts."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from engine.gpu.nvml import Nvml
from engine.session.settings import Settings
from engine.session.state import Segment
from engine.work.constants import read_constants

FILE = "provenance.json"
DISTRIBUTIONS = ("overnight", "torch", "numpy", "triton", "tiktoken", "rustbpe", "pyarrow")
"""Whose versions are written down; read from their metadata, none is imported."""
DATA = ("DATA", "DATA_HASH", "TOKENIZER", "VOCAB_SIZE", "MAX_SEQ_LEN", "EVAL_TOKENS", "BUDGET", "BUDGET_UNIT")
"""prepare.py's constants that say what was trained on and measured."""


class Gpu(msgspec.Struct, frozen=True, omit_defaults=True):
    """The device; `driver` is the kernel module's version."""

    uuid: str
    name: str = ""
    total_mb: int = 0
    driver: str = ""


class Machine(msgspec.Struct, frozen=True):
    """Where it ran."""

    host: str
    system: str
    kernel: str
    architecture: str
    cpu: str
    cpus: int
    gpu: Gpu | None = None


class Provenance(msgspec.Struct, frozen=True):
    """`settings_sha256` is of overnight.toml's text as it was; `settings` its values, defaults included. `pinned` and
    `data` say what was measured on; `versions` what with."""

    run: int
    commit: str
    seed: int
    budget: str
    command: str
    settings: Settings
    settings_sha256: str
    pinned: dict[str, str]
    data: dict[str, str]
    python: str
    versions: dict[str, str]
    machine: Machine


def collect(
    root: Path, run: int, commit: str, seed: int, segment: Segment, settings: Settings, device: str = ""
) -> Provenance:
    """Everything about the run that is about to start in the session `root`, on the GPU `device` ("" = the CPU)."""
    return Provenance(
        run=run,
        commit=commit,
        seed=seed,
        budget=segment.budget,
        command=segment.run.command,
        settings=settings,
        settings_sha256=_digest(root / "overnight.toml"),
        pinned=dict(segment.pinned),
        data=data_of(root / "prepare.py"),
        python=platform.python_version(),
        versions={name: found for name in DISTRIBUTIONS if (found := version_of(name))},
        machine=machine(gpu_of(device) if device else None),
    )


class _Written(msgspec.Struct):
    commit: str


def wanted(path: Path, commit: str) -> bool:
    """Whether none was written yet, or one of another commit: a change that was mended since."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Written).commit != commit
    except (OSError, msgspec.DecodeError):
        return True


def write(path: Path, found: Provenance) -> None:
    """Write it, all of it or nothing. Errors: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    temporary.replace(path)


def machine(gpu: Gpu | None) -> Machine:
    """This machine."""
    return Machine(
        host=socket.gethostname(),
        system=platform.system(),
        kernel=platform.release(),
        architecture=platform.machine(),
        cpu=_cpu(Path("/proc/cpuinfo")),
        cpus=os.cpu_count() or 0,
        gpu=gpu,
    )


def gpu_of(uuid: str) -> Gpu:
    """The device of that UUID, as far as its driver tells."""
    nvml = Nvml()
    found = next((gpu for gpu in nvml.sample() if gpu.uuid == uuid), None)
    nvml.close()
    kernel_module = driver(Path("/proc/driver/nvidia/version"))
    return Gpu(uuid, (found and found.name) or "", (found and found.total_mb) or 0, kernel_module)


def driver(path: Path) -> str:
    """The NVIDIA kernel module's version, "" where there is none."""
    try:
        words = path.read_text(errors="replace").split()
    except OSError:
        return ""
    return next((word for word in words if word[0].isdigit() and word.count(".") in (1, 2)), "")


def version_of(distribution: str) -> str:
    """Its installed version, "" without one."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def data_of(prepare: Path) -> dict[str, str]:
    """The constants of prepare.py that say what was measured on, as source texts; {} where it has none."""
    try:
        constants = read_constants(prepare.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return {}
    return {name: constants[name].strip("\"'") for name in DATA if name in constants}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _cpu(info: Path) -> str:
    try:
        lines = info.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
