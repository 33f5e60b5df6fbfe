"""What is sent is less than what is painted, and the terminal shows the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region, Size
from textual.strip import Strip

from tui.screenful import Screenful

WIDTH, HEIGHT = 24, 5
SIZE = Size(WIDTH, HEIGHT)
CONSOLE = Console(color_system="truecolor", width=WIDTH, height=HEIGHT)
STYLES = (Style(), Style.parse("red"), Style.parse("bold on blue"))
_SEQUENCE = re.compile(r"\x1b\[(\d+);(\d+)H|\x1b\[([\d;]*)m|\n|(.)")


class Terminal:
    """Shows what it is sent: absolute moves, styles, and characters of one or two cells."""

    def __init__(self) -> None:
        self.cells = [[(" ", "")] * WIDTH for _ in range(HEIGHT)]

    def take(self, sequence: str) -> None:
        """Receive."""
        x = y = 0
        look = ""
        for move_y, move_x, sgr, character in _SEQUENCE.findall(sequence):
            if move_y:
                x, y = int(move_x) - 1, int(move_y) - 1
            elif character:
                row = self.cells[y]
                if row[x][0] == "" and x:
                    row[x - 1] = (" ", look)  # the half of a wide character that is left
                row[x] = (character, look)
                x += 1
                if character == "漢":
                    row[x] = ("", look)
                    x += 1
                if x < WIDTH and row[x][0] == "":
                    row[x] = (" ", look)
            else:
                look = "" if sgr == "0" else sgr


@st.composite
def strips(draw: st.DrawFn) -> Strip:
    """A row of the screen."""
    segments, room = [], WIDTH
    while room:
        text = draw(st.text("ab ●漢", min_size=1, max_size=9))
        while sum(2 if one == "漢" else 1 for one in text) > room:
            text = text[:-1]
        text = text or " "
        segments.append(Segment(text, draw(st.sampled_from(STYLES))))
        room -= sum(2 if one == "漢" else 1 for one in text)
    return Strip(segments, WIDTH)


screens = st.lists(strips(), min_size=HEIGHT, max_size=HEIGHT)


def layout(rows: list[Strip]) -> LayoutUpdate:
    return LayoutUpdate([[row] for row in rows], Region(0, 0, WIDTH, HEIGHT))


@settings(max_examples=150, deadline=None)
@given(found=st.lists(st.tuples(screens, st.sets(st.integers(0, HEIGHT - 1), min_size=1)), min_size=1, max_size=6))
def test_the_terminal_shows_what_was_painted(found: list[tuple[list[Strip], set[int]]]) -> None:
    screenful, ours, whole = Screenful(), Terminal(), Terminal()
    for rows, some in found:
        update: LayoutUpdate | ChopsUpdate = layout(rows)
        if rows is not found[0][0]:  # later ones paint only some rows
            update = ChopsUpdate([{0: row} for row in rows], [(y, 0, WIDTH) for y in sorted(some)], [[WIDTH]] * HEIGHT)
        ours.take(screenful.difference(update, CONSOLE, SIZE).render_segments(CONSOLE))
        whole.take(update.render_segments(CONSOLE))
        assert ours.cells == whole.cells


def rows_of(*texts: str) -> list[Strip]:
    return [Strip([Segment(text.ljust(WIDTH), STYLES[1])], WIDTH) for text in texts]


def test_only_cells_that_differ_are_sent_and_nothing_twice() -> None:
    screenful = Screenful()
    assert screenful.difference(layout(rows_of("run 1", "idle")), CONSOLE, SIZE).needed
    assert not screenful.difference(layout(rows_of("run 1", "idle")), CONSOLE, SIZE).needed
    sent = screenful.difference(layout(rows_of("run 2", "idle")), CONSOLE, SIZE).render_segments(CONSOLE)
    assert sent == "\x1b[1;5H\x1b[31m2\x1b[0m"


@pytest.mark.parametrize("size", [SIZE, Size(WIDTH + 1, HEIGHT)])
def test_what_a_terminal_lost_is_sent_again(size: Size) -> None:
    screenful = Screenful()
    screenful.difference(layout(rows_of("run 1")), CONSOLE, SIZE)
    if size == SIZE:
        screenful.forget()
    assert "run 1" in screenful.difference(layout(rows_of("run 1")), CONSOLE, size).render_segments(CONSOLE)


def test_part_of_a_row_is_compared_with_that_part() -> None:
    screenful = Screenful()
    screenful.difference(layout(rows_of("run 1 kept")), CONSOLE, SIZE)
    part = ChopsUpdate([{0: None, 6: rows_of("lost")[0].crop(0, 4), 10: None}], [(0, 6, 10)], [[6, 10, WIDTH]])
    sent = screenful.difference(part, CONSOLE, SIZE).render_segments(CONSOLE)
    assert sent == "\x1b[1;7H\x1b[31mlos\x1b[0m"
