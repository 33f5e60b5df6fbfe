"""Each module can be imported alone, and brings nothing along that its room must not have."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "numpy", "optuna", "pyarrow", "tiktoken", "huggingface_hub"}
FORBIDDEN = {"tui": HEAVY | {"git", "engine.loop", "engine.work", "engine.researchers"}, "engine": HEAVY | {"textual"}}
PROGRAMS = {
    "__main__.py",
    "leashed.py",
    "verifier.py",
    "verifier_model.py",
    "profile_driver.py",
    "find_lr_driver.py",
    "sample_driver.py",
}
"""Run by their path, in processes of their own."""

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for room in ("engine", "tui")
    for path in (ROOT / room).rglob("*.py")
    if path.name not in PROGRAMS
)

PROBE = """
import importlib, os, sys
for name in sys.argv[1:]:
    pid = os.fork()  # each in a process of its own that has imported nothing yet
    if pid == 0:
        importlib.import_module(name)
        print(name, *sys.modules, flush=True)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        sys.exit(f"{name} cannot be imported alone")
"""


@pytest.mark.parametrize("room", ["engine", "tui"])
def test_modules_stand_alone_and_keep_within_their_walls(room: str) -> None:
    names = [name for name in MODULES if name.split(".")[0] == room]
    done = subprocess.run([sys.executable, "-c", PROBE, *names], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    told = {line.split()[0]: set(line.split()[1:]) for line in done.stdout.splitlines()}
    assert told.keys() == set(names)
    for name, loaded in told.items():
        assert not loaded & FORBIDDEN[room], f"{name} brings {loaded & FORBIDDEN[room]}"
