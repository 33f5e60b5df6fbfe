"""Themes: chosen by what the terminal can do, and without colours really none on the wire."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Static

from tui.palette import NAMES, palette
from tui.themes import THEMES, Choice, apply, choose_theme

WAIT = 60.0
PROGRAM = """
import os
from textual.app import App
from textual.containers import VerticalScroll
from textual.widgets import Button, Footer, Input, Static
from tui.diffview import DiffView
from tui.logview.view import LogView
from tui.table.source import Column, ListSource
from tui.table.virtual import VirtualTable
from tui.themes import apply, choose_theme

class Shown(App):
    BINDINGS = [("q", "quit", "leave")]
    def compose(self):
        columns = (Column("a", "run", 4), Column("b", "status", 9, stretch=True))
        cells = lambda n: ((str(n), ""), ("keep", "keep"))
        yield VirtualTable(ListSource(columns, cells=cells, key=int, records=range(99)))
        yield DiffView()
        yield LogView(None)
        with VerticalScroll():
            yield Static("[red]red[/] [b]bold[/b]\\n" * 50)
        yield Input("text")
        yield Button("press")
        yield Footer()
    def on_mount(self):
        self.query_one(VirtualTable).focus()
        self.query_one(DiffView).show_diff("@@ -1 +1 @@\\n-a\\n+b\\n")
        self.set_timer(0.2, lambda: self.query_one(Button).focus())
        self.set_timer(0.4, lambda: self.query_one(Input).focus())
        self.set_timer(0.8, self.exit)

app = Shown()
apply(app, choose_theme(os.environ))
app.run()
"""


def wire(environ: dict[str, str]) -> bytes:
    """What the program writes to a terminal of its own until it ends."""
    leader, follower = pty.openpty()
    root = Path(__file__).parents[2]
    base = {
        key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLORTERM", "COLORFGBG", "TERM")
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=root,
        env={**base, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40", **environ},
        start_new_session=True,
    )
    os.close(follower)
    data = bytearray()
    deadline = time.monotonic() + WAIT
    try:
        while time.monotonic() < deadline:
            if not select.select([leader], [], [], 0.05)[0]:
                continue
            try:
                chunk = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            data += chunk
    finally:
        os.close(leader)
        process.kill()
        process.wait()
    return bytes(data)


def sgr_codes(data: bytes) -> set[int]:
    """Every SGR code in the bytes."""
    return {int(code or 0) for found in re.findall(rb"\x1b\[([0-9;]*)m", data) for code in found.split(b";")}


def test_no_color_puts_no_colour_on_the_wire() -> None:
    data = wire({"NO_COLOR": "1"})
    assert b"keep" in data and b"bold" in data
    codes = sgr_codes(data)
    assert codes <= {0, 1, 2, 3, 4, 7}
    assert 7 in codes, "the cursor must be seen without colours"


def test_with_colours_there_are_colours() -> None:
    assert {38, 48} <= sgr_codes(wire({}))


def test_sixteen_colours_are_the_terminals_own() -> None:
    codes = sgr_codes(wire({"TERM": "xterm"}))
    assert 38 not in codes and 48 not in codes
    assert codes & set(range(30, 38)) or codes & set(range(90, 98))


@pytest.mark.parametrize(
    ("environ", "configured", "choice"),
    [
        ({"TERM": "xterm-256color"}, "auto", Choice("dark")),
        ({"TERM": "tmux-256color", "COLORFGBG": "0;15"}, "auto", Choice("light")),
        ({"TERM": "xterm"}, "auto", Choice("ansi-dark")),
        ({"TERM": "xterm", "COLORFGBG": "0;default;15"}, "", Choice("ansi-light")),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "auto", Choice("dark")),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "light", Choice("plain", no_color=True)),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, "light", Choice("light")),
        ({"TERM": "xterm-256color"}, "plain", Choice("plain", no_color=True)),
    ],
)
def test_the_theme_follows_the_terminal_and_the_setting(
    environ: dict[str, str], configured: str, choice: Choice
) -> None:
    assert choose_theme(environ, configured) == choice


def test_an_unknown_theme_is_told_and_does_not_stop_anything() -> None:
    choice = choose_theme({"TERM": "xterm-256color"}, "solarized")
    assert choice.theme == "dark"
    assert "there is no theme 'solarized'" in choice.problem


class Worn(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("text")


@pytest.mark.parametrize("name", sorted(THEMES))
async def test_every_theme_can_be_worn_and_changed_while_running(name: str) -> None:
    app = Worn()
    apply(app, Choice("dark"))
    async with app.run_test() as pilot:
        apply(app, Choice(name, no_color=name == "plain"))
        await pilot.pause()
        assert app.theme == name
        styles = palette(app)
        assert set(styles) == NAMES
        if name != "plain":
            assert styles["good"].color is not None and styles["good"] != styles["bad"]
