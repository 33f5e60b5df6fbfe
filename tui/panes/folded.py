"""Text that is laid out for the width it is given: what the screens show their facts, help and lists of keys in."""

from __future__ import annotations

import re
from collections.abc import Callable

from tui.fitting import width_of
from tui.panes.lines import LinesView
from tui.runs import Line, fold, line_width, plain

_WORDS = re.compile(r" +|[^ ]+")


class FoldedView(LinesView):
    """Shows `laid(width)`, anew at every width and at every `relay()`."""

    def __init__(self, laid: Callable[[int], list[Line]], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.laid = laid

    @property
    def below(self) -> int:
        """Lines below the last one on screen."""
        return max(0, len(self.lines) - self._top - self.size.height)

    def on_resize(self) -> None:
        """Lay the text out for the new width."""
        self.relay()

    def relay(self, *, from_start: bool = False) -> None:
        """What `laid` gives may have changed."""
        if self.size.width:
            self.show(self.laid(self.room), from_start=from_start)


def fold_words(line: Line, width: int, indent: int = 0) -> list[Line]:
    """The line folded between words, styles kept; from its second line on it is indented by `indent` cells.

    A word that is longer than a line is broken hard.
    """
    if line_width(line) <= width:
        return [line]
    indent = indent if width >= indent + 8 else 0
    out: list[Line] = [[]]
    used = 0
    for text, names in line:
        for word in _WORDS.findall(text):
            size, begun = width_of(word), used > (indent if len(out) > 1 else 0)
            if word.isspace() and (used + size > width or (len(out) > 1 and not begun)):
                continue  # a line neither ends nor goes on with a blank
            if used + size > width and begun:
                used = _next_line(out, indent)
            first, *others = fold([(word, names)], max(1, width - used))
            out[-1].extend(first)
            used += line_width(first)
            rest = "".join(plain(piece) for piece in others)
            for piece in fold([(rest, names)], width - indent) if rest else []:  # the next lines have their indent
                used = _next_line(out, indent)
                out[-1].extend(piece)
                used += line_width(piece)
    return out


def _next_line(lines: list[Line], indent: int) -> int:
    lines.append([(" " * indent, "")] if indent else [])
    return indent
