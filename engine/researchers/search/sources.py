"""The constants of the editable files: where each stands, its source text and its value; and how to change them."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from engine.researchers.base import ResearcherFailed
from engine.researchers.search.arithmetic import ArithmeticRefused
from engine.researchers.search.space import Space
from engine.researchers.search.values import Value, is_number, read, write
from engine.work.constants import read_constants, set_constant

FIXED = "prepare.py"


class Sources(msgspec.Struct, frozen=True):
    """The champion's constants. `where` maps a name to its file, `texts` to its source text, `values` to its value.

    `fixed` are the constants of prepare.py, which rules may name and nothing changes.
    """

    files: dict[str, str]
    where: dict[str, str]
    texts: dict[str, str]
    values: dict[str, Value]
    fixed: dict[str, Value]

    def known(self, changes: Mapping[str, Value]) -> dict[str, Value]:
        """Every name that a rule may use, as it would be after `changes`."""
        return {**self.fixed, **self.values, **changes}

    def broken(self, space: Space, changes: Mapping[str, Value]) -> str:
        """Why train.py cannot run with `changes`, in words; "" where it can."""
        return space.broken(self.known(changes), self.known({}))

    def changed(self, changes: Mapping[str, Value]) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
        """The new text of each file that changes, and each constant's (old, new) source text."""
        files: dict[str, str] = {}
        params = {}
        for name, value in changes.items():
            file = self.where[name]
            new = self.text_of(name, value)
            files[file] = set_constant(files.get(file, self.files[file]), name, new)
            params[name] = (self.texts[name], new)
        return files, params

    def text_of(self, name: str, value: Value) -> str:
        """`value` as source text, in the manner of what stands there now."""
        return write(value, self.texts[name])


def sources(files: Mapping[str, str], session: Path) -> Sources:
    """The constants in the champion's `files`. Errors: ResearcherFailed where a file does not parse."""
    where: dict[str, str] = {}
    texts: dict[str, str] = {}
    values: dict[str, Value] = {}
    for file, text in files.items():
        if not file.endswith(".py"):
            continue
        for name, (source, value) in _constants(file, text).items():
            if name not in where:
                where[name], texts[name], values[name] = file, source, value
    return Sources(dict(files), where, texts, values, _fixed(session))


@lru_cache(maxsize=16)
def _constants(file: str, text: str) -> dict[str, tuple[str, Value]]:
    """Each constant's source text and value; the champion's text is the same for many proposals."""
    found: dict[str, tuple[str, Value]] = {}
    try:
        constants = read_constants(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        said = getattr(error, "msg", None) or str(error)
        raise ResearcherFailed(
            f"{file}, line {line}: does not parse ({said}), so its constants cannot be read; mend the file"
        ) from error
    for name, source in constants.items():
        try:
            found[name] = (source, read(source))
        except ArithmeticRefused:
            continue
    return found


def _fixed(session: Path) -> dict[str, Value]:
    """The constants of the session's prepare.py; none where it cannot be read: rules with them are passed over."""
    try:
        constants = _constants(FIXED, (session / FIXED).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ResearcherFailed):
        return {}
    return {name: value for name, (_, value) in constants.items()}


def arrows(params: Mapping[str, tuple[str, str]]) -> str:
    """The change in short: `MATRIX_LR 0.03→0.04, DEPTH 4→6`."""
    return ", ".join(f"{name} {old}→{new}" for name, (old, new) in params.items())


def describe(params: Mapping[str, tuple[str, str]]) -> str:
    """The change as a commit's subject: `raise MATRIX_LR 0.03→0.04`."""
    parts = []
    for name, (old, new) in params.items():
        before, after = read(old), read(new)
        verb = "set"
        if is_number(before) and is_number(after):
            verb = "raise" if float(str(after)) > float(str(before)) else "lower"
        parts.append(f"{verb} {name} {old}→{new}")
    return ", ".join(parts)
