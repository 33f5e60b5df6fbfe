"""NVIDIA GPUs as the driver's own library tells them, or that there are none."""

from engine.cli.checks.finding import Finding, Machine


def check(machine: Machine) -> list[Finding]:
    """Each device, and who is on it."""
    from engine.gpu.sampler import Sampler

    snapshot = Sampler().sample()
    if not snapshot.gpus:
        why = f" ({snapshot.trouble})" if snapshot.trouble else ""
        return [Finding("note", f"no NVIDIA GPU{why}; sessions train on the CPU: overnight new NAME --tier cpu")]
    found = []
    for gpu in snapshot.gpus:
        total = f"{gpu.total_mb / 1024:.0f} GB" if gpu.total_mb else "VRAM unknown"
        users = ", ".join(f"{process.name} ({process.pid})" for process in gpu.processes or ())
        if users:
            text = f"GPU {gpu.index}: {gpu.name}, {total}, in use by {users}"
            found.append(Finding("warning", text, "overnight edit gpu.index N takes another one"))
        else:
            found.append(Finding("ok", f"GPU {gpu.index}: {gpu.name}, {total}, free"))
    return found
