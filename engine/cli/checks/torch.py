"""PyTorch, asked in a process of its own: a broken installation must not take the doctor along."""

import importlib.util
import json
import sys

from engine.cli.checks.finding import Finding, Machine, ask

_ASK = (
    "import json, torch; c = torch.cuda.is_available(); print(json.dumps({"
    "'version': torch.__version__, 'built': torch.version.cuda, 'cuda': c,"
    "'devices': [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if c else [],"
    "'threads': torch.get_num_threads()}))"
)


def check(machine: Machine) -> list[Finding]:
    """Version, and whether it reaches a GPU."""
    if importlib.util.find_spec("torch") is None:
        return [Finding("note", "PyTorch is not installed (see Python above); the console works without")]
    said = ask(sys.executable, "-P", "-c", _ASK, environ=machine.environ, timeout_s=120)
    if said is None:
        mend = f"{sys.executable} -m pip install --force-reinstall torch"
        return [Finding("warning", "PyTorch is installed and cannot be imported", mend)]
    return [told(json.loads(said.splitlines()[-1]))]


def told(facts: dict[str, object]) -> Finding:
    """What it said of itself: version, built (CUDA version or None), cuda, devices, threads."""
    name = f"PyTorch {facts['version']}"
    devices = facts["devices"]
    if facts["cuda"] and isinstance(devices, list):
        return Finding("ok", f"{name}, CUDA {facts['built']}: {', '.join(map(str, devices))}")
    if facts["built"]:
        return Finding("note", f"{name} is built for CUDA {facts['built']} and reaches no GPU; it trains on the CPU")
    return Finding("ok", f"{name} for the CPU ({facts['threads']} threads)")
