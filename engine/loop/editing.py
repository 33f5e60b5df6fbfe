"""`edit KEY VALUE`: one key of overnight.toml, its comments kept, checked before it is written, committed after.

A key without a section is a constant (or flag) of the training script, or `max_iters`, the training length: it becomes
the session's new start, with a segment of its own.
"""

import time

import tomlkit
import tomlkit.exceptions

from engine.loop.tree import Tree
from engine.researchers.base import ResearcherFailed
from engine.researchers.grow.space import space
from engine.researchers.search.arithmetic import ArithmeticRefused
from engine.researchers.search.values import operand, write
from engine.session import events as ev
from engine.session import settings
from engine.session.state import MAX_ITERS, Command, State


def edit_setting(state: State, command: str, tree: Tree) -> list[ev.AnyEvent]:
    """Carry out the queued command; its events. Errors: GitTrouble, OSError."""
    asked = state.commands[command]
    key, value = asked.args["key"], asked.args["value"]
    path, now = tree.paths.settings, time.time()
    if "." not in key:
        return _edit_training(state, asked, tree)
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


def is_of_training(command: Command) -> bool:
    """Whether an `edit` is about the training script, which waits for the end of an experiment under way."""
    return command.kind == "edit" and "." not in command.args.get("key", ".")


def no_length(value: str) -> str:
    """Why `value` can be no training length; "" where it can."""
    if value.replace(".", "", 1).isdecimal() and float(value) > 0:
        return ""
    return f"{MAX_ITERS} is {value!r}; expected a number above 0, in prepare.py's unit of the budget"


def _edit_training(state: State, asked: Command, tree: Tree) -> list[ev.AnyEvent]:
    key, value, now = asked.args["key"], asked.args["value"], time.time()
    opens = "the next experiment opens a new segment and measures the baseline again"
    if key == MAX_ITERS:
        if why := no_length(value):
            return [ev.CommandRefused(at=now, id=asked.id, reason=why)]
        return [
            ev.SettingEdited(at=now, key=key, value=value, by=asked.by),
            ev.CommandDone(at=now, id=asked.id, answer=f"the training length is {value} now; {opens}"),
        ]
    texts = {name: tree.text(name) or "" for name in _editable(state)}
    try:
        current = settings.load(tree.paths.settings)
        known = space(texts, current.grow, tree.paths.root)
        name = known.name_of(key)
        if not name:
            raise ResearcherFailed(f"{', '.join(texts)} has no constant or flag {key}")
        files, params = known.changed({name: write(operand(value, known.texts[name]), "")})
    except (settings.SettingsError, ResearcherFailed, ArithmeticRefused) as error:
        return [ev.CommandRefused(at=now, id=asked.id, reason=f"{error}; nothing was changed")]
    tree.repo.write(files)
    old, new = params[name]
    commit = tree.commit_rest(f"set {name} to {new}", [], tuple(files))
    answer = f"{name} was {old}, and is {new} now"
    return [
        ev.SettingEdited(at=now, key=name, value=new, by=asked.by, commit=commit or ""),
        ev.CommandDone(at=now, id=asked.id, answer=f"{answer}; {opens}" if commit else answer),
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
