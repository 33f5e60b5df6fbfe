"""What an agent's process may know of secrets: its own program's keys, and nobody else's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from engine.researchers.agent.preset import Preset, presets
from engine.researchers.credentials import is_credential
from engine.session import settings
from engine.work.environment import FOREIGN_GIT

_LEAST = 12  # shorter values in a login's file are words such as "oauth"
_MOST_BYTES = 1 << 20


def environment(base: Mapping[str, str], preset: Preset, given: settings.Researcher) -> dict[str, str]:
    """The whole environment of an agent's process, made from the engine's own (`base`).

    Left out: every credential that is not this agent's, what steers git or Python, and the engine's own variables.
    The GPU is hidden: what trains is queued to the engine.
    """
    own = set(preset.secrets(given))
    others = {name for known in presets().values() for name in known.credentials} - own
    kept = {
        name: value
        for name, value in base.items()
        if name in own
        or not (
            name in others
            or is_credential(name)
            or name.startswith(("OVERNIGHT_", "PYTHON", "CLAUDECODE"))
            or name in FOREIGN_GIT
        )
    }
    return {**kept, "NO_COLOR": "1", "TERM": "dumb", "CUDA_VISIBLE_DEVICES": "", **preset.variables(given)}


def stored(preset: Preset, home: Path) -> list[str]:
    """Secrets in the files that a login left: every longer text without a blank in them, for hiding."""
    found: list[str] = []
    for path in files(preset, home):
        try:
            if path.stat().st_size <= _MOST_BYTES:
                found += _leaves(msgspec.json.decode(path.read_bytes()))
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return [text for text in found if len(text) >= _LEAST and not any(sign.isspace() for sign in text)]


def files(preset: Preset, home: Path) -> list[Path]:
    """The credential files of `preset` that are there and not empty (some programs make theirs before any login)."""
    places = [home / name.removeprefix("~/") for name in preset.credential_files]
    return [path for path in places if path.is_file() and path.stat().st_size > len("{}\n")]


def known(preset: Preset, given: settings.Researcher, base: Mapping[str, str]) -> list[str]:
    """The variables and files that hold credentials for this agent, by name."""
    home = Path(base.get("HOME") or Path.home())
    return [name for name in preset.secrets(given) if base.get(name)] + [str(path) for path in files(preset, home)]


def values(preset: Preset, given: settings.Researcher) -> list[str]:
    """Every secret that this agent's process holds, for hiding wherever its words go."""
    home = Path(os.environ.get("HOME") or Path.home())
    return [*(os.environ.get(name, "") for name in preset.secrets(given)), *stored(preset, home)]


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
