"""Command-line flags kept in a file, `--n_layer 2 --lists 3 4`: read as values, and changed in place. Pure.

The benchmark hands them on: `python train.py $(grep -v '^#' train.args)`. A line that begins with `#` is a comment.
"""

import re
from collections.abc import Mapping

import msgspec

from engine.researchers.search.arithmetic import ArithmeticRefused
from engine.researchers.search.values import Value, read

_WORD = re.compile(r"\S+")
_NAME = re.compile(r"--([A-Za-z_][\w.-]*)(=(.*))?", re.DOTALL)


class Flag(msgspec.Struct, frozen=True):
    """One flag and where its values stand in the text; `source` is a literal: a number, a list, a quoted text, True."""

    name: str
    start: int
    end: int
    source: str
    joined: bool = False
    """Written `--name=value`."""


def read_flags(text: str) -> dict[str, Flag]:
    """The flags in `text`; of one that is given twice the last counts, as for argparse."""
    words = [word for line in _lines(text) for word in line]
    found: dict[str, Flag] = {}
    at = 0
    while at < len(words):
        start, end, word = words[at]
        at += 1
        match = _NAME.fullmatch(word)
        if match is None:
            continue
        if match[2]:
            found[match[1]] = Flag(match[1], start + match.start(3), end, _source([match[3]]), joined=True)
            continue
        own: list[tuple[int, int, str]] = []
        while at < len(words) and _NAME.fullmatch(words[at][2]) is None:
            own.append(words[at])
            at += 1
        stop = own[-1][1] if own else end
        found[match[1]] = Flag(match[1], own[0][0] if own else end, stop, _source([one[2] for one in own]))
    return found


def _lines(text: str) -> list[list[tuple[int, int, str]]]:
    found, at = [], 0
    for line in text.splitlines(keepends=True):
        if not line.lstrip().startswith("#"):
            found.append([(at + m.start(), at + m.end(), m[0]) for m in _WORD.finditer(line)])
        at += len(line)
    return found


def _source(words: list[str]) -> str:
    if not words:
        return "True"
    each = [_literal(word) for word in words]
    return each[0] if len(each) == 1 else f"[{', '.join(each)}]"


def _literal(word: str) -> str:
    try:
        value = read(word)
    except ArithmeticRefused:
        return repr(word)
    return word if isinstance(value, int | float) and not isinstance(value, bool) else repr(word)


def flag_text(source: str) -> str:
    """A literal as the words of a command line; "" for True, which a flag says by being there."""
    value = read(source)
    if value is True:
        return ""
    return " ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)


def set_flags(text: str, changes: Mapping[str, str]) -> str:
    """`text` with each flag given the literal `changes` has for it; one that is not there is added on a line."""
    known = read_flags(text)
    present = sorted((known[name] for name in changes if name in known), key=lambda flag: flag.start, reverse=True)
    for flag in present:  # from the end, so that earlier places stay where they are
        words = flag_text(changes[flag.name])
        gap = " " if words and flag.start == flag.end and not flag.joined else ""
        text = text[: flag.start] + gap + words + text[flag.end :]
    for name in changes:
        if name not in known:
            text = text.rstrip("\n") + ("\n" if text.strip() else "") + f"--{name} {flag_text(changes[name])}".rstrip()
            text += "\n"
    return text


def values_of(text: str) -> dict[str, Value]:
    """Name → value."""
    return {name: read(flag.source) for name, flag in read_flags(text).items()}
