"""A constant's value: read from source, and written back the way the file writes its neighbours."""

import re
from functools import lru_cache
from typing import Any

from engine.researchers.search.arithmetic import ArithmeticRefused, evaluate

Value = int | float | str | bool | None | tuple[Any, ...]


def plain(value: Any) -> Value:
    """`value` with lists made tuples, so that it can be compared and kept in sets. A text "None" means None."""
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    return None if value == "None" else value


_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?(e-?[0-9]+)?")


@lru_cache(maxsize=4096)
def read(source: str) -> Value:
    """The value of a constant's source text, such as `2**15`. Errors: ArithmeticRefused."""
    if match := _PLAIN.fullmatch(source):  # most are, and parsing costs ten times as much
        return float(source) if match[1] or match[2] else int(source)
    value = evaluate(source)
    if value is not None and not isinstance(value, int | float | str | tuple | list):
        raise ArithmeticRefused(f"{source} is not a number, a text, None or a tuple")
    return plain(value)


def write(value: Value, like: str) -> str:
    """Source text of `value`, in the manner of `like`: powers of two, `_` between thousands, lists, quotes."""
    if isinstance(value, tuple):
        inside = ", ".join(write(item, "") for item in value)
        if like.lstrip().startswith("["):
            return f"[{inside}]"
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, str):
        return repr(value) if like.startswith("'") or '"' in value or "\\" in value else f'"{value}"'
    if isinstance(value, int) and not isinstance(value, bool):
        if "**" in like and value > 1 and value & (value - 1) == 0:
            return f"2**{value.bit_length() - 1}"
        return f"{value:_}" if "_" in like else str(value)
    return repr(value)


def operand(text: str, like: str) -> Value:
    """What an operator wrote after `NAME=`; an unquoted word is a text where the constant is one. Errors: as read."""
    try:
        return read(text)
    except ArithmeticRefused:
        if like[:1] in ("'", '"'):
            return text
        raise


def is_number(value: Value) -> bool:
    """Whether `value` can be stepped: an int or a float, no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)
