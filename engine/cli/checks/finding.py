"""A finding, what a check gets to know of the machine, and how it asks a program."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

Level = Literal["ok", "note", "warning", "failing"]


class Finding(msgspec.Struct, frozen=True):
    """`mend` is the exact command or line that mends it, "" where nothing has to be done. `failing`: nothing works."""

    level: Level
    text: str
    mend: str = ""


class Machine(msgspec.Struct, frozen=True):
    """Where a check looks. `root` is the file system's, elsewhere only to look at another one's settings."""

    sessions: Path
    environ: Mapping[str, str]
    root: Path = Path("/")


def ask(*argv: str, environ: Mapping[str, str] | None = None, timeout_s: float = 20.0) -> str | None:
    """What a program prints, stripped; None when it is missing, fails or takes too long."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, env=environ, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
