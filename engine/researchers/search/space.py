"""search_space.toml: which constants may be searched, their ranges, what to try first, and what cannot run."""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from engine.researchers.base import ResearcherFailed
from engine.researchers.search.arithmetic import ArithmeticRefused, evaluate, names_in
from engine.researchers.search.values import Value, plain
from engine.session.assets import assets_dir

FILE = "search_space.toml"


class Constant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One constant of the space. float and int lie in low…high (both included), a choice is one of `values`.

    `first` are values to try first.
    """

    name: str
    kind: Literal["float", "int", "choice"]
    family: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    values: tuple[Value, ...] = ()
    first: tuple[Value, ...] = ()

    def contains(self, value: Value) -> bool:
        """Whether `value` is of the declared kind and range."""
        if self.kind == "choice":
            return any(value == known and (value is None) == (known is None) for known in self.values)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return (self.kind == "float" or isinstance(value, int)) and self.low <= value <= self.high

    def range_text(self) -> str:
        """The range in words for an operator: `0.005–0.2`, or the values."""
        if self.kind == "choice":
            return ", ".join(str(value) for value in self.values)
        return f"{self.low:g}–{self.high:g}"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Python expression over constants that must hold for a change to be tried, and what to say where it does not.

    In it `before` maps the names to the champion's values.
    """

    rule: str
    message: str

    def broken(self, values: Mapping[str, Value], champion: Mapping[str, Value]) -> str:
        """Why these values cannot run; "" where they can, or where a name of the rule is no constant here."""
        known = {**values, "before": champion}
        if not names_in(self.rule) <= known.keys():
            return ""
        try:
            holds = bool(evaluate(self.rule, known))
        except ArithmeticRefused as error:
            return f"{self.message} ({error})"
        return "" if holds else self.message


class Space(msgspec.Struct, frozen=True):
    """The whole space, in the file's order."""

    constants: dict[str, Constant]
    rules: tuple[Rule, ...]

    def broken(self, values: Mapping[str, Value], champion: Mapping[str, Value]) -> str:
        """The first rule that `values` break, in words; "" where they can run.

        A rule that the champion breaks too is passed over: the champion runs, so the rule does not fit its code.
        """
        for rule in self.rules:
            why = rule.broken(values, champion)
            if why and not rule.broken(champion, champion):
                return why
        return ""


def load(session: Path) -> Space:
    """The session's space, the template's where it has none. Errors: ResearcherFailed, naming file and key."""
    own = session / FILE
    try:
        path = own if own.exists() else assets_dir() / FILE
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"{own}: cannot be read: {error}") from error
    return parse(text, str(path))


@lru_cache(maxsize=8)
def parse(text: str, where: str) -> Space:
    """The space in `text`; `where` names it in errors. Errors: ResearcherFailed."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _wrong(f"{where}: not TOML: {error}") from error
    rules = tuple(_rule(entry, where) for entry in data.pop("constraint", []))
    constants = {}
    for name, table in data.items():
        if not isinstance(table, dict):
            raise _wrong(f"{where}: {name} is {table!r}; expected a table, written [{name}]")
        constants[name] = _constant(name, table, where)
    return Space(constants, rules)


def _wrong(text: str) -> ResearcherFailed:
    return ResearcherFailed(text, "settings", lasting=True)


def _rule(entry: Any, where: str) -> Rule:
    try:
        rule = msgspec.convert(entry, Rule)
        names_in(rule.rule)
    except (msgspec.ValidationError, ArithmeticRefused) as error:
        raise _wrong(f"{where}: [[constraint]] {entry!r}: {error}; expected rule and message") from error
    return rule


def _constant(name: str, table: dict[str, Any], where: str) -> Constant:
    try:
        lists = {
            key: tuple(plain(value) for value in table[key])
            for key in ("values", "first", "first_factor")
            if key in table
        }
        fields: dict[str, Any] = {"family": "other"} | table | lists | {"name": name}
        constant = msgspec.convert(fields, Constant)
    except (msgspec.ValidationError, TypeError) as error:
        raise _wrong(f"{where}: [{name}]: {error}") from error
    if constant.kind == "choice":
        if not constant.values:
            raise _wrong(f"{where}: [{name}] is a choice without values; add values = [ … ]")
    elif not constant.low < constant.high:
        raise _wrong(f"{where}: [{name}] needs low < high; found {constant.low:g} and {constant.high:g}")
    elif constant.log and constant.low <= 0:
        raise _wrong(f"{where}: [{name}] has log = true and low = {constant.low:g}; low must be above 0")
    for value in constant.first:
        if not constant.contains(value):
            raise _wrong(
                f"{where}: [{name}] first has {value!r}, which lies outside {constant.range_text()} ({constant.kind})"
            )
    return constant
