"""Loose values of other people's logs as ours: numbers with signs and separators, moments in any unit."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from engine.session import metrics


def as_number(value: Any) -> float | None:
    """A finite float out of 3, "0.5", "68.6%" (68.6) or "1,234.5"; None for all else (a bool, "", nan, "12 GB")."""
    if isinstance(value, str):
        text = value.strip().removesuffix("%").rstrip()
        head, comma, rest = text.partition(",")
        if comma and all(len(group) == 3 for group in rest.partition(".")[0].split(",")):
            text = head + rest.replace(",", "")
        return metrics.number(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def as_moment(value: Any) -> int:
    """Whole unix seconds out of seconds, milliseconds, microseconds or ISO 8601 text (else UTC); 0 if none."""
    found = as_number(value)
    if found is None:
        try:
            moment = datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
        except ValueError:
            return 0
        if moment is None:
            return 0
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    while abs(found) >= 1e11:  # the year 5138 in seconds, March 1973 in milliseconds
        found /= 1000
    return int(found)


def as_text(value: Any) -> str:
    """`value` as text, "" for None."""
    return "" if value is None else value.strip() if isinstance(value, str) else str(value)
