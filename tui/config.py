"""The operator's `console.toml`: theme, bell, title, a command to run when something happens, and the slow line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from tui.keymap import config_folder

FILE_NAME = "console.toml"


class Notify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which happenings ring the bell and run `command` (an argv; the sentence is added as its last argument)."""

    champion: bool = True
    crash: bool = True
    stop: bool = True
    bell: bool = True
    title: bool = True
    command: list[str] = []


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of console.toml; `theme` is a theme's name, or "auto"."""

    theme: str = "auto"
    slow: bool = False
    pane: Literal["experiments", "runlog", "gpu", "notes", "diff", "researcher", "chart"] = "experiments"
    notify: Notify = msgspec.field(default_factory=Notify)


def load(environ: Mapping[str, str]) -> tuple[Config, list[str]]:
    """The configuration, and what is wrong with the file in sentences; a bad file gives the defaults."""
    path = config_folder(environ) / FILE_NAME
    if not path.exists():
        return Config(), []
    import tomllib

    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(data, Config), []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        return Config(), [f"{path}: {error}; the defaults are used"]
