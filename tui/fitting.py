"""Text made to fit terminal cells, and numbers made to fit people.

Widths are cells, not characters: a CJK character takes two, a combining mark none. Nothing here knows Textual.
"""

from __future__ import annotations

import math

from rich.cells import cell_len

ELLIPSIS = "…"

_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_COUNT_UNITS = ("", "k", "M", "G", "T")


def width_of(text: str) -> int:
    """Cells that `text` takes on one line."""
    return len(text) if text.isascii() else cell_len(text)


def head(text: str, width: int) -> str:
    """The longest beginning of `text` that takes at most `width` cells."""
    if width <= 0:
        return ""
    if text.isascii():
        return text[:width]
    low, high = 0, min(len(text), width * 4 + 8)
    while low < high:
        middle_index = (low + high + 1) // 2
        if width_of(text[:middle_index]) <= width:
            low = middle_index
        else:
            high = middle_index - 1
    while low and width_of(text[:low]) > width:
        low -= 1
    return text[:low]


def tail(text: str, width: int) -> str:
    """The longest end of `text` that takes at most `width` cells."""
    if width <= 0:
        return ""
    if text.isascii():
        return text[-width:]
    start = max(0, len(text) - (width * 4 + 8))
    while start < len(text) and width_of(text[start:]) > width:
        start += 1
    return text[start:]


def shorten(text: str, width: int) -> str:
    """`text`, or its beginning and an ellipsis where it takes more than `width` cells."""
    if width_of(text) <= width:
        return text
    return head(text, width - 1) + ELLIPSIS if width > 0 else ""


def shorten_middle(text: str, width: int) -> str:
    """`text` with its middle replaced by an ellipsis where needed: for paths, branches and ids, whose ends tell."""
    if width_of(text) <= width:
        return text
    if width <= 1:
        return ELLIPSIS[:width]
    behind = (width - 1) // 2
    before = head(text, width - 1 - behind)
    cut = before + ELLIPSIS + tail(text, behind)
    while width_of(cut) > width and behind > 0:  # a selector at the cut can make the ellipsis itself wider
        behind -= 1
        cut = before + ELLIPSIS + tail(text, behind)
    return cut


def fit(text: str, width: int, *, right: bool = False) -> str:
    """`text` cut or padded to exactly `width` cells; `right` aligns it to the right."""
    if width <= 0:
        return ""
    shown = shorten(text, width)
    gap = " " * (width - width_of(shown))
    return gap + shown if right else shown + gap


def wrap(text: str, width: int) -> list[str]:
    """`text` folded hard into pieces of at most `width` cells (at least one piece, so an empty line stays a line).

    A character wider than `width` gets a piece of its own.
    """
    if width <= 0 or width_of(text) <= width:
        return [text]
    if text.isascii():
        return [text[start : start + width] for start in range(0, len(text), width)]
    pieces: list[str] = []
    rest = text
    while rest:
        piece = head(rest, width) or rest[0]
        pieces.append(piece)
        rest = rest[len(piece) :]
    return pieces


def bytes_text(count: float) -> str:
    """Bytes in decimal units: `0 B`, `999 B`, `1.2 kB`, `44.2 GB`."""
    return _scaled(count, _BYTE_UNITS, " ")


def rate_text(per_second: float, unit: str = "B/s") -> str:
    """A rate: `131 B/s`, `3.5 kB/s`; for another unit `16.4k tok/s`."""
    if unit == "B/s":
        return bytes_text(per_second) + "/s"
    return f"{count_text(per_second)} {unit}"


def count_text(count: float) -> str:
    """A count in few cells: `999`, `16.4k`, `3.5M`."""
    return _scaled(count, _COUNT_UNITS, "")


def _scaled(value: float, units: tuple[str, ...], gap: str) -> str:
    if not math.isfinite(value):
        return "–"
    sign = "-" if value < 0 else ""
    size = abs(value)
    unit = 0
    while unit < len(units) - 1 and round(size, 0 if unit == 0 else 1) >= 1000:
        size /= 1000
        unit += 1
    digits = f"{size:.0f}" if unit == 0 or size >= 99.95 else f"{size:.1f}"
    return f"{sign}{digits}{gap}{units[unit]}"


def duration_text(seconds: float) -> str:
    """A duration in at most two units: `12 s`, `3 min 12 s`, `7 h 05 min`, `2 d 3 h`; under ten seconds `4.2 s`."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 0:
        return "-" + duration_text(-seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s" if seconds >= 0.05 else "0 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def clock_text(seconds: float) -> str:
    """A duration as a clock for narrow places: `0:09`, `3:12`, `7:05:00`."""
    whole = max(0, round(seconds)) if math.isfinite(seconds) else 0
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def signed(value: float, digits: int = 6) -> str:
    """A difference with its sign always shown; a true minus is not used, so that it can be copied and typed."""
    text = f"{value:+.{digits}f}"
    return text if text.strip("-0.") else text.replace("-", "+")  # nothing is no loss
