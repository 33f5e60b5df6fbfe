"""`edit KEY VALUE`: one key of overnight.toml, its comments kept, checked before it is written, committed after."""

import time

import tomlkit
import tomlkit.exceptions

from engine.loop.tree import Tree
from engine.session import events as ev
from engine.session import settings
from engine.session.state import State


def edit_setting(state: State, command: str, tree: Tree) -> list[ev.AnyEvent]:
    """Carry out the queued command; its events. Errors: GitTrouble, OSError."""
    asked = state.commands[command]
    key, value = asked.args["key"], asked.args["value"]
    path, now = tree.paths.settings, time.time()
    try:
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        new = edited(old, key, value)
        settings.parse(new, str(path))
    except (settings.SettingsError, tomlkit.exceptions.TOMLKitError) as error:
        return [ev.CommandRefused(at=now, id=command, reason=f"{error}; nothing was changed")]
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(new, encoding="utf-8")
    temporary.rename(path)
    commit = tree.commit_rest(f"set {key} to {value}", _editable(state))
    answer = f"{key} is {value} now"
    if settings.opens_segment(key):
        answer += "; the next experiment opens a new segment and measures the baseline again"
    return [
        ev.SettingEdited(at=now, key=key, value=value, by=asked.by, commit=commit or ""),
        ev.CommandDone(at=now, id=command, answer=answer),
    ]


def _editable(state: State) -> list[str]:
    return list(state.segments[-1].editable) if state.segments else ["train.py"]


def edited(text: str, key: str, value: str) -> str:
    """`text` with `section.key` set to `value`, a TOML value or else a text. Errors: SettingsError, TOMLKitError."""
    section, _, name = key.partition(".")
    if not name:
        raise settings.SettingsError(f"{key!r} is not a setting; expected section.key, for example gate.kind")
    document = tomlkit.parse(text)
    try:
        item = tomlkit.value(value)
    except (tomlkit.exceptions.TOMLKitError, ValueError):
        item = tomlkit.string(value)
    if section not in document:
        document[section] = tomlkit.table()
    table = document[section]
    if not hasattr(table, "__setitem__"):
        raise settings.SettingsError(f"{section} is not a section of overnight.toml")
    table[name] = item
    return tomlkit.dumps(document)
