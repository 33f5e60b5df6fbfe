"""An agent's command inside the sandbox: its work tree and its own configuration to write, its program to read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from engine.researchers.agent.preset import Preset
from engine.researchers.agent.workplace import Workplace
from engine.session.settings import Settings
from engine.work import sandbox


def confined(argv: Sequence[str], preset: Preset, place: Workplace, settings: Settings) -> list[str]:
    """`argv` as it is to be started in the work tree; unchanged where the machine or the settings have no sandbox."""
    return sandbox.wrap(
        argv,
        "agent",
        place.session,
        setting=settings.guard.sandbox,
        writable=[place.folder, *homes(preset)],
        readable=[path for part in (shutil.which(argv[0]) or "", *argv) for path in hidden(part)],
        cwd=place.folder,
    )


def is_confined(settings: Settings) -> bool:
    """Whether agents cannot reach the session's own files."""
    return settings.guard.sandbox != "off" and sandbox.rung().name != "none"


def homes(preset: Preset) -> list[Path]:
    """What the program writes of the user's home; its folders are made, since only what is there can be given."""
    home = Path(os.environ.get("HOME") or Path.home())
    found = []
    for name in preset.homes:
        path = home / name.removeprefix("~/")
        if name.endswith("/"):
            try:
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError:
                continue  # a home that cannot be written: the program has to do without
        if path.exists():
            found.append(path)
    return found


def hidden(part: str) -> list[Path]:
    """What a part of a command needs that lies in the temporary folder, which the sandbox hides: its packages."""
    path = Path(part)
    if not part.startswith("/") or not path.is_file():
        return []
    real = path.resolve()
    packages = [folder for folder in real.parents if folder.name == "node_modules"]
    folder = packages[-1] if packages else real.parent
    return [folder] if Path("/tmp") in folder.parents else []
