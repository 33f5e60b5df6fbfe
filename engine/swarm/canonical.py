"""Canonical JSON: one text for one value, so that a signature over it means the value.

Keys sorted by code point, no spaces, UTF-8, numbers as Python writes them; NaN and infinities do not exist here.
This is the idea of RFC 8785, with Python's own shortest form of a float.
"""

import hashlib
import json
import math
from typing import Any

import msgspec


class NotCanonical(ValueError):
    """A value that canonical JSON cannot hold; the message names where."""


def canonical(value: Any) -> bytes:
    """The bytes that are signed. Structs count as their dictionaries, tuples as lists. Errors: NotCanonical."""
    try:
        plain = msgspec.to_builtins(value)
        _refuse(plain, "$")
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except RecursionError as error:
        raise NotCanonical("nested too deeply") from error
    except UnicodeEncodeError as error:
        raise NotCanonical(f"half of a surrogate pair in a text: {error}") from error


def digest(value: Any) -> str:
    """SHA-256 (hex) of the canonical bytes."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _refuse(value: Any, where: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise NotCanonical(f"{where} is {value}: only finite numbers can be signed")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotCanonical(f"{where} has the key {key!r}: keys are texts")
            _refuse(item, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for at, item in enumerate(value):
            _refuse(item, f"{where}[{at}]")
