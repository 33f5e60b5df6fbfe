"""Copying out of the console, and saying truthfully where the text went."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

_MOST_OSC = 74_000  # bytes; terminals drop longer clipboard sequences


def state_file(environ: Mapping[str, str]) -> Path:
    """Where a copy always lies as well: `$XDG_STATE_HOME/overnight/copied.txt`."""
    base = environ.get("XDG_STATE_HOME", "")
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return (Path(base) if base.startswith("/") else home / ".local" / "state") / "overnight" / "copied.txt"


def copy(text: str, environ: Mapping[str, str], write: Callable[[str], None]) -> str:
    """Copy `text`; returns a sentence that says where it is. `write` writes to the terminal. Blocks shortly."""
    places: list[str] = []
    if environ.get("TMUX") and _to_tmux(text):
        places.append("in tmux's buffer (prefix ] pastes it)")
    elif not environ.get("TMUX") and len(text) <= _MOST_OSC:
        write(f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07")
        places.append("sent to the terminal's clipboard (OSC 52; not every terminal takes it)")
    path = state_file(environ)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        places.append(f"in {path}")
    except OSError as error:
        places.append(f"not in {path} ({error.strerror})")
    return f"{len(text):,} characters: " + ", and ".join(places)


def _to_tmux(text: str) -> bool:
    try:
        # -w hands it on to the outer terminal's clipboard where tmux's set-clipboard allows that.
        done = subprocess.run(["tmux", "load-buffer", "-w", "-"], input=text.encode(), capture_output=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
