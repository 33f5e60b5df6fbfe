"""The interpreter, and the optional packages around the loop."""

import importlib.util
import platform
import sys

from engine.cli.checks.finding import Finding, Machine

LEAST = (3, 11)
EXTRAS = (
    ("train", "training", ("torch", "numpy", "tiktoken", "rustbpe", "pyarrow", "huggingface_hub")),
    ("search", "the offline researcher", ("optuna",)),
)


def check(machine: Machine) -> list[Finding]:
    """Version and extras."""
    found = [version(sys.version_info[:3])]
    for extra, purpose, modules in EXTRAS:
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        if missing:
            text = f"{', '.join(missing)} not installed: {purpose} does not run in this environment"
            found.append(Finding("warning", text, f"{sys.executable} -m pip install 'overnight[{extra}]'"))
        else:
            found.append(Finding("ok", f"packages of {purpose} are there ({', '.join(modules)})"))
    return found


def version(now: tuple[int, ...]) -> Finding:
    """The interpreter's version."""
    shown = ".".join(map(str, now))
    if now < LEAST:
        return Finding("failing", f"Python {shown}; 3.11 or later is needed", "uv python install 3.12")
    return Finding("ok", f"Python {shown} ({platform.python_implementation()}), {sys.executable}")
