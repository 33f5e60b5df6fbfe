"""NVIDIA GPUs as the driver's own library tells them, or that there are none; what training will use on each."""

from __future__ import annotations

import importlib.util
import json
import sys

from engine.cli.checks.finding import Finding, Machine, ask
from engine.gpu.holders import describe
from engine.gpu.locks import DeviceError, device_holder
from engine.gpu.nvml import Driver, Nvml
from engine.gpu.samples import GpuSample
from engine.session.assets import assets_dir

_ASK = (
    "import json, sys; sys.path.insert(0, sys.argv[1]); import attention, device; "
    "print(json.dumps({'device': device.DEVICE, 'dtype': str(device.DTYPE).removeprefix('torch.'),"
    " 'attention': attention.BACKENDS[attention.choose_attention(None, 128)]}))"
)
MUCH_MB = 1024
"""What others hold above this is worth a warning."""


def check(machine: Machine) -> list[Finding]:
    """The driver, and each device: what it can do, and who is on it."""
    nvml = Nvml()
    try:
        gpus, driver = nvml.sample(), nvml.about()
        found = told(gpus, driver, nvml.trouble)
    finally:
        nvml.close()
    if any(gpu.uuid for gpu in gpus) and importlib.util.find_spec("torch") is not None:
        found.append(
            template(ask(sys.executable, "-P", "-c", _ASK, str(assets_dir()), environ=machine.environ, timeout_s=120))
        )
    return found


def template(said: str | None) -> Finding:
    """What the template picks on this machine, as its own code said when it was asked, on the GPU itself."""
    try:
        facts = json.loads((said or "").splitlines()[-1])
    except (ValueError, IndexError):
        return Finding("warning", "the template could not be tried on the GPU", "overnight doctor --only torch")
    if facts["device"] != "cuda":
        mend = "install the PyTorch for this driver: overnight doctor --only torch"
        return Finding("warning", "training would not find the GPU, and use the CPU", mend)
    return Finding("ok", f"training there: {facts['dtype']}, {facts['attention']}")


def told(gpus: list[GpuSample], driver: Driver, trouble: str | None) -> list[Finding]:
    """What the driver said of itself and of its devices."""
    if trouble:
        mend = "reboot after an update of the driver, else reinstall it; nvidia-smi says more"
        return [Finding("warning", f"{trouble} New sessions train on the CPU meanwhile", mend)]
    if not gpus:
        return [Finding("note", "no NVIDIA GPU; sessions train on the CPU: overnight new NAME --tier cpu")]
    cuda = f", CUDA up to {driver.cuda}" if driver.cuda else ""
    found = [Finding("ok", f"NVIDIA driver {driver.version or 'of unknown version'}{cuda}")]
    for gpu in gpus:
        found += _device(gpu, driver)
    return found


def _device(gpu: GpuSample, driver: Driver) -> list[Finding]:
    if not gpu.uuid:
        return [Finding("warning", f"GPU {gpu.label}: {gpu.name}", "nvidia-smi says more; dmesg tells of lost devices")]
    total = f"{gpu.total_mb / 1024:.0f} GB" if gpu.total_mb else "VRAM unknown"
    text = f"GPU {gpu.label}: {gpu.name}, {total}"
    ability = driver.capabilities.get(gpu.parent or gpu.uuid)
    if ability is not None:
        text += f", compute capability {ability[0]}.{ability[1]}"
    found = []
    if gpu.ecc_errors:
        mend = "nvidia-smi -q -d ECC,ROW_REMAPPER tells more; nvidia-smi --gpu-reset, or a reboot"
        found.append(Finding("warning", f"GPU {gpu.label}: {gpu.ecc_errors} memory errors not corrected", mend))
    try:
        holder = device_holder(gpu.uuid)
    except DeviceError as error:
        return [*found, Finding("warning", f"{text}; {error}", "see there")]
    if holder is not None:
        return [*found, Finding("note", f"{text}; session {holder.kind} trains on it (process {holder.pid})")]
    if (gpu.used_mb or 0) > MUCH_MB:
        who = "; ".join(describe(one) for one in gpu.processes or ()) or "processes that cannot be seen from here"
        held = f"{(gpu.used_mb or 0) / 1024:.1f} GiB in use by {who}"
        return [*found, Finding("warning", f"{text}; {held}", "overnight start --gpu N takes another one")]
    return [*found, Finding("ok", f"{text}; free")]
