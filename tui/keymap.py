"""The operator's own keys: `keymap.toml` in the user's config folder, action's id = key or list of keys.

Pure but for `load`: the table of actions is given, problems come back as sentences for the operator, and a keymap
with problems still yields keys for every action, so that a typing mistake never locks anyone out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

FILE_NAME = "keymap.toml"

_SWALLOWED = {
    "ctrl+h": "terminals send it as Backspace",
    "ctrl+i": "terminals send it as Tab",
    "ctrl+j": "terminals send it as a line feed",
    "ctrl+m": "terminals send it as Enter",
    "ctrl+q": "flow control takes it",
    "ctrl+s": "flow control takes it and freezes the screen",
    "ctrl+z": "shells take it to suspend programs",
    "ctrl+a": "it is the prefix of GNU screen",
    "ctrl+b": "it is the prefix of tmux",
    "ctrl+c": "it stays the way out of a program",
}
_MODIFIED = r"(^|\+)(alt|meta|super|hyper|cmd)\+|ctrl\+shift\+|shift\+ctrl\+"
_NO_KEY = "unbound"  # no key has this name; an empty entry would leave Textual with the default
_SYMBOLS = {
    "?": "question_mark",
    "/": "slash",
    ":": "colon",
    ";": "semicolon",
    ",": "comma",
    ".": "full_stop",
    "+": "plus",
    "-": "minus",
    "=": "equals_sign",
    "<": "less_than_sign",
    ">": "greater_than_sign",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "!": "exclamation_mark",
    "#": "number_sign",
    "*": "asterisk",
    "_": "underscore",
    "|": "vertical_line",
    "\\": "backslash",
    "'": "apostrophe",
    '"': "quotation_mark",
    "(": "left_parenthesis",
    ")": "right_parenthesis",
    "{": "left_curly_bracket",
    "}": "right_curly_bracket",
    "@": "at",
    "$": "dollar_sign",
    "%": "percent_sign",
    "&": "ampersand",
    "^": "circumflex_accent",
    "~": "tilde",
    "`": "grave_accent",
    " ": "space",
}
_NAMED = (
    {"enter", "escape", "space", "tab", "backspace", "delete", "insert", "home", "end", "pageup", "pagedown"}
    | {"up", "down", "left", "right"}
    | {f"f{number}" for number in range(1, 25)}
    | set(_SYMBOLS.values())
)


class Bindable(NamedTuple):
    """An action that may be given keys: its stable id, its default keys, and where it counts.

    Two actions clash only within one `scope`, or when one of them has the scope "" (everywhere).
    """

    id: str
    keys: tuple[str, ...]
    scope: str = ""


class Keymap(NamedTuple):
    """Keys by action's id (every action has an entry), what was changed, and what is wrong, in sentences."""

    keys: Mapping[str, tuple[str, ...]]
    changed: frozenset[str]
    problems: tuple[str, ...]

    def textual(self) -> dict[str, str]:
        """The changed entries in the form that `textual.app.App.set_keymap` takes."""
        return {action: ",".join(self.keys[action]) or _NO_KEY for action in sorted(self.changed)}


def config_folder(environ: Mapping[str, str]) -> Path:
    """The user's config folder of this program: `$XDG_CONFIG_HOME/overnight`, else `~/.config/overnight`."""
    base = environ.get("XDG_CONFIG_HOME", "")
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return (Path(base) if base.startswith("/") else home / ".config") / "overnight"


def load(actions: Sequence[Bindable], environ: Mapping[str, str]) -> Keymap:
    """The keymap of the user, or the defaults where there is no file; an unreadable file is a problem, not an error."""
    path = config_folder(environ) / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return read("", actions, str(path))
    except (OSError, UnicodeDecodeError) as error:
        defaults = read("", actions, str(path))
        return defaults._replace(
            problems=(f"{path}: cannot be read ({error}); the default keys are used", *defaults.problems)
        )
    return read(text, actions, str(path))


def read(text: str, actions: Sequence[Bindable], where: str = FILE_NAME) -> Keymap:
    """Keys of all actions after the TOML `text` (keys `"id" = "key"` or `["key", …]`, or nested tables by dots)."""
    keys = {action.id: tuple(map(normal, action.keys)) for action in actions}
    problems: list[str] = []
    if not text:
        return Keymap(keys, frozenset(), ())
    import tomllib  # the file is rare, and the first paint waits for every module

    try:
        wanted = dict(_flatten(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        return Keymap(keys, frozenset(), (f"{where}: {error}; the default keys are used",))
    changed: set[str] = set()
    for action, value in wanted.items():
        if action not in keys:
            near = _nearest(action, keys)
            problems.append(f"{where}: there is no action {action!r}" + (f"; did you mean {near!r}?" if near else ""))
            continue
        chosen = _keys_of(value)
        if chosen is None:
            problems.append(f"{where}: {action}: expected a key or a list of keys, found {value!r}")
            continue
        bad = [key for key in chosen if not is_key(key)]
        if bad:
            problems.append(
                f"{where}: {action}: {bad[0]!r} is not a key; write a letter, a digit, a sign, f1…f24, enter, space, "
                "tab, an arrow, or ctrl+ and a letter"
            )
            continue
        keys[action] = chosen
        changed.add(action)
    problems.extend(f"{where}: {text}" for text in _warnings(keys, changed))
    for clash in _clashes(keys, actions, changed):
        keys[clash.loser] = tuple(key for key in keys[clash.loser] if key != clash.key)
        changed.add(clash.loser)
        problems.append(f"{where}: {clash.sentence}")
    return Keymap(keys, frozenset(changed), tuple(problems))


def normal(key: str) -> str:
    """The name that Textual has for a key: `?` is `question_mark`, `R` stays `R`, modifiers are in lower case."""
    if key in _SYMBOLS:
        return _SYMBOLS[key]
    if len(key) <= 1:
        return key
    *modifiers, last = key.split("+")
    if key.endswith("++"):
        modifiers, last = key[:-2].split("+"), "+"
    last = _SYMBOLS.get(last, last if len(last) == 1 and not modifiers else last.lower())
    return "+".join([*(part.lower().strip() for part in modifiers), last])


def is_key(key: str) -> bool:
    """Whether `key` (normalised) names a key at all."""
    *modifiers, last = key.split("+")
    if any(part not in {"ctrl", "shift", "alt", "meta", "super", "hyper", "cmd"} for part in modifiers):
        return False
    return last in _NAMED or (len(last) == 1 and last.isprintable() and not last.isspace())


def swallowed(key: str) -> str | None:
    """Why a key may never arrive, or None where it does."""
    if key in _SWALLOWED:
        return _SWALLOWED[key]
    if re.search(_MODIFIED, key):
        return "alt and ctrl+shift combinations do not arrive reliably over a terminal"
    return None


class _Clash(NamedTuple):
    key: str
    loser: str
    sentence: str


def clashes(keys: Mapping[str, Iterable[str]], actions: Sequence[Bindable]) -> list[str]:
    """One sentence for each key that two actions of one scope share."""
    return [clash.sentence for clash in _clashes(keys, actions, ())]


def _clashes(keys: Mapping[str, Iterable[str]], actions: Sequence[Bindable], chosen: Iterable[str]) -> list[_Clash]:
    """Of two actions with one key, the one that the operator gave it to (`chosen`) keeps it, else the first by name."""
    wins = set(chosen)
    scopes = {action.id: action.scope for action in actions}
    owners: dict[str, list[str]] = {}
    found: list[_Clash] = []
    for action in sorted(keys):
        for key in dict.fromkeys(keys[action]):
            for other in owners.get(key, []):
                one, two = scopes.get(action, ""), scopes.get(other, "")
                if one == two or not one or not two:
                    loser, winner = (other, action) if action in wins and other not in wins else (action, other)
                    sentence = f"{key!r} is given to both {other!r} and {action!r}; only {winner!r} has it now"
                    found.append(_Clash(key, loser, sentence))
            owners.setdefault(key, []).append(action)
    return found


def _warnings(keys: Mapping[str, tuple[str, ...]], changed: Iterable[str]) -> list[str]:
    return [
        f"{action}: {key!r} may never arrive: {reason}"
        for action in sorted(changed)
        for key in keys[action]
        if (reason := swallowed(key))
    ]


def _flatten(table: Mapping[str, object], before: str = "") -> Iterable[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{before}{name}.")
        else:
            yield before + name, value


def _keys_of(value: object) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return (normal(value),) if value else None
    if isinstance(value, list) and value and all(isinstance(item, str) and item for item in value):
        return tuple(dict.fromkeys(normal(item) for item in value))
    return None


def _nearest(name: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, list(known), n=1)), None)
