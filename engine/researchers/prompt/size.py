"""How many tokens a text may take at most, whatever the model's tokenizer: counted in thirds of a token."""

import math

_DIGITS = b"0123456789"
_HIGH = bytes(range(128, 256))


def cost(text: str) -> int:
    """Thirds of a token: one for a byte, three for a digit, two for a byte of a character beyond ASCII.

    Code and prose take about four bytes a token; figures are the exception, down to one digit a token. Additive.
    """
    data = text.encode("utf-8", "replace")
    digits = len(data) - len(data.translate(None, _DIGITS))
    high = 0 if text.isascii() else len(data) - len(data.translate(None, _HIGH))
    return len(data) + 2 * digits + high


def tokens(text: str) -> int:
    """No tokenizer in use makes more tokens of `text` than this."""
    return math.ceil(cost(text) / 3)


def clipped(text: str, room: int, *, end: bool = False) -> str:
    """`text` if it costs at most `room`, else its beginning (`end`: its end) with a line on what was left out."""
    if cost(text) <= room:
        return text
    note = "[… {} characters more …]"
    room -= cost(note) + 30
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cost(text[-middle:] if end else text[:middle]) <= room else (low, middle - 1)
    note = note.format(len(text) - low)
    if not low:
        return note
    return f"{note}\n{text[-low:]}" if end else f"{text[:low]}\n{note}"


def pieces(text: str, room: int) -> list[str]:
    """`text` cut into parts of which each costs at most `room` (at least one character each); joined they are it."""
    most = max(1, room // 12)  # no character costs more than four bytes of three thirds
    parts, at = [], 0
    while at < len(text):
        end = at + most
        while end < len(text) and cost(text[at : end + most]) <= room:
            end += most
        parts.append(text[at:end])
        at = end
    return parts
