r"""Progress lines that overprint themselves with `\r`: what of them a reader sees."""

from __future__ import annotations

_BLANK = b"\r\n \t\0"


def collapse(line: bytes) -> bytes:
    r"""The last segment of `line` between `\r`s that is not blank, without blanks at its end; `b""` if none is.

    One line in; `\n` is expected at its end at most. `b"10%\r20%\r   \r\n"` gives `b"20%"`.
    """
    shown = line.rstrip(_BLANK)
    return shown[shown.rfind(b"\r") + 1 :]


def collapse_text(text: str) -> str:
    """`text` of many lines with each line collapsed, as a terminal would have ended up showing it."""
    lines = text.encode("utf-8", "replace").split(b"\n")
    return b"\n".join(collapse(line) for line in lines).decode("utf-8", "replace")
