"""The METRIC grammar: what a benchmark says about itself on standard output.

`METRIC name=value` on a line of its own; name `[A-Za-z_µ][\\wµ.]*`, value a finite decimal number; `\\r` splits lines
as `\\n` does; the last line of a name wins; lines over 4,096 characters are skipped.
"""

from __future__ import annotations

import math
import re

import msgspec

LONGEST = 4096  # characters of a line that is looked at

# µ is two characters of Unicode: the micro sign and the Greek letter.
_LINE = re.compile(r"\s*METRIC\s+([A-Za-z_µμ][\wµμ.]*)=(\S*)\s*")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BREAKS = re.compile(r"[\r\n]+")


class MetricScan(msgspec.Struct, frozen=True):
    """`values`: the metrics. `refused`: names whose last value is no finite number, with the text that stood there."""

    values: dict[str, float]
    refused: dict[str, str]


def number(text: str) -> float | None:
    """`text` as a finite float if it is a decimal number and nothing else, else None."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def scan(text: str | bytes) -> MetricScan:
    """All METRIC lines of `text`. A name is in `values` or in `refused`, never in both."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    values: dict[str, float] = {}
    refused: dict[str, str] = {}
    for line in _BREAKS.split(text) if "METRIC" in text else ():
        if len(line) > LONGEST or not (match := _LINE.fullmatch(line)):
            continue
        name, written = match.groups()
        value = number(written)
        if value is None:
            values.pop(name, None)
            refused[name] = written
        else:
            refused.pop(name, None)
            values[name] = value
    return MetricScan(values, refused)


def parse_metrics(text: str | bytes) -> dict[str, float]:
    """The metrics of `text`, {} when there are none."""
    return scan(text).values
