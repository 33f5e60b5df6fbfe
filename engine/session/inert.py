"""Text of unknown origin made harmless for a terminal: nothing in it moves the cursor, hides or reorders."""

from __future__ import annotations

import re
import unicodedata

_TAB = 8
_MOST_MARKS = 4  # combining marks on one character; more is only there to smear over neighbouring lines
_STRING = r"[^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\|\x9c)"

# ECMA-48: CSI parameters, intermediates, final byte; nF/Fp/Fe/Fs escapes of two or three characters.
_CSI = re.compile(r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]")
_CONTROL_STRING = re.compile(rf"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]){_STRING}")
_ESCAPE = re.compile(r"\x1b[ -/]{0,4}[0-OQ-WYZ\\`-~]")

_INVISIBLE = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0})  # blank, though letters by category


class _Table(dict[int, int | str | None]):
    """For str.translate: what each character becomes, worked out once for each that is met."""

    def __missing__(self, code: int) -> int | str | None:
        self[code] = found = _harmless(code)
        return found


def _harmless(code: int) -> int | str | None:
    if code < 0x20:
        return 0x2400 + code  # the control pictures: ␀ … ␟
    if code == 0x7F:
        return "␡"
    if 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:
        return None  # variation selectors: terminals disagree about the width of what they follow
    category = unicodedata.category(chr(code))
    if category == "Cs" or code & 0xFFFE == 0xFFFE:
        return "�"  # half a character, or none: could not even be encoded
    if category in ("Zl", "Zp"):
        return "␤"
    # Cc beyond ASCII is C1; Cf holds the bidi overrides, isolates and marks, joiners, zero widths and tags.
    if category in ("Cc", "Cf") or code in _INVISIBLE:
        return "·"
    return code


_TABLE = _Table()


def inert(text: str, *, newlines: bool = False) -> str:
    """`text` with every control character shown as a one-column sign and nothing left that a terminal obeys.

    Colour and cursor sequences vanish; strings to the terminal (titles, clipboard, links) leave one `␛`; tabs become
    spaces to the next multiple of 8; bidirectional and zero-width characters become `·`; lone surrogates `�`.
    One line is meant: `\\n` becomes `␊` unless `newlines`. Idempotent.
    """
    if text.isprintable() and text.isascii():
        return text
    if newlines and "\n" in text:
        return "\n".join(inert(line) for line in text.split("\n"))
    if "\x1b" in text or not text.isascii():
        text = _CONTROL_STRING.sub("␛", text)
        text = _CSI.sub("", text)
        text = _ESCAPE.sub("", text)
    if "\t" in text:
        text = _expand(text)
    text = text.translate(_TABLE)
    return text if text.isascii() else _thin(text)


def _expand(text: str) -> str:
    # str.expandtabs would start a new column count at \r and \n, which are one sign wide here.
    parts = text.split("\t")
    column, out = 0, []
    for part in parts[:-1]:
        column += len(part)
        gap = _TAB - column % _TAB
        column += gap
        out.append(part + " " * gap)
    return "".join(out) + parts[-1]


def _thin(text: str) -> str:
    run, out = 0, []
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= _MOST_MARKS:
            out.append(character)
    return "".join(out) if len(out) < len(text) else text
