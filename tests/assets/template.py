"""What tests of the template share: its constants rewritten in place, its scripts run as the engine runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).parents[2] / "assets"


def rewrite(file: Path, constants: dict[str, Any]) -> None:
    """Set constants of train.py or prepare.py in place, as `overnight new` does: one `NAME = literal` a line."""
    text = file.read_text()
    for name, value in constants.items():
        text, count = re.subn(rf"(?m)^{name} = .*?(?=  #|$)", lambda _: f"{name} = {value!r}", text)  # noqa: B023
        assert count == 1, f"{file.name} has {count} lines `{name} = …`"
    file.write_text(text)


def environment(cache: Path, **more: str) -> dict[str, str]:
    """What the engine gives a run, as far as the template reads it."""
    given = {"OVERNIGHT_CACHE": str(cache), "OVERNIGHT_PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""}
    return {
        **os.environ,
        **given,
        "OVERNIGHT_BUDGET": "3",
        "OMP_NUM_THREADS": "2",
        "OMP_WAIT_POLICY": "PASSIVE",
        **more,
    }


def run_python(folder: Path, script: str, cache: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the session to its end."""
    return subprocess.run(
        [sys.executable, script, *args],
        cwd=folder,
        env=environment(cache, **env),
        text=True,
        capture_output=True,
        timeout=240,
    )
