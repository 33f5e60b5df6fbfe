"""Markdown that the program and a person write together: marked parts are made new, what stands around them stays."""

import re
from collections.abc import Mapping

# A part never reaches over another one's mark: where a person deleted an end mark, the text up to the next is theirs.
_PART = re.compile(r"<!-- overnight:(\w+) -->\n(?:(?!<!-- /?overnight:).)*<!-- /overnight:\1 -->\n?", re.DOTALL)


def framed(part: str, body: str) -> str:
    """A part between its marks. `body` may hold no comment of its own (see `one_line`)."""
    return f"<!-- overnight:{part} -->\n{body.rstrip()}\n<!-- /overnight:{part} -->\n"


def parts_of(text: str) -> list[str]:
    """The names of the parts that stand in `text`, in order."""
    return [found[1] for found in _PART.finditer(text)]


def merged(old: str, parts: Mapping[str, str], in_order: bool = False) -> str:
    """`old` with every part made new, wherever it was moved to; what stands outside of them is kept to the letter.

    Parts that are missing are added at the end or, `in_order`, before the next of `parts` that is there, after
    whatever a person wrote below the one before. A part that stands there twice stays once, an unknown one as it is.
    """
    seen: set[str] = set()

    def replace(found: re.Match[str]) -> str:
        part = found[1]
        if part not in parts:
            return found[0]
        if part in seen:
            return ""
        seen.add(part)
        return framed(part, parts[part])

    text = _PART.sub(replace, old)
    names = list(parts)
    for at, part in enumerate(names):
        if part in seen:
            continue
        place = _next(text, set(names[at + 1 :])) if in_order else None
        if place is None:
            text = text.rstrip("\n") + "\n\n" + framed(part, parts[part])
        else:
            gap = "" if not place or text[place - 1] == "\n" else "\n"
            text = text[:place] + gap + framed(part, parts[part]) + "\n" + text[place:]
    return text


def _next(text: str, names: set[str]) -> int | None:
    return next((found.start() for found in _PART.finditer(text) if found[1] in names), None)
