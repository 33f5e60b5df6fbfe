"""Stored snapshots of the console: what is on the screen as text that a review can read, and comparing with it.

A snapshot is the screen's characters, then a block of styles: for each row the runs of cells that do not look like
plain text, as `from-to colour/ground+attributes`. Colours that the theme names are written by their names.
`OVERNIGHT_ACCEPT=1` stores what is on the screen now.
"""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.filter import dim_color
from textual.pilot import Pilot
from textual.strip import Strip

STORE = Path(__file__).parent / "snapshots"
ACCEPT = "OVERNIGHT_ACCEPT"
_ATTRIBUTES = (("bold", "b"), ("dim", "d"), ("italic", "i"), ("underline", "u"), ("reverse", "r"))
_NAMES = (
    "foreground", "background", "primary", "secondary", "accent", "warning", "error", "success", "panel", "surface",
)  # fmt: skip
_STILL = 4  # looks in a row that must find the same
_LOOK_S = 0.03
_PATIENCE_S, _GRACE_S = 60.0, 10.0


def snapshot(app: App[Any]) -> str:
    """The screen as it is painted now."""
    width, height = app.size
    strips = [strip.crop(0, width) for strip in app.screen._compositor.render_strips()[:height]]
    names = {value.lower(): name for name in reversed(_NAMES) if (value := app.theme_variables.get(name))}
    if front := _dimmed(names):
        names[front] = "dim"
    text = [strip.text.rstrip() for strip in strips]
    styles = [f"{y:>2} {runs}" for y, strip in enumerate(strips) if (runs := _runs(strip, names))]
    return "\n".join([*text, f"── styles of {width} × {height} cells ──", *styles]) + "\n"


def _dimmed(names: Mapping[str, str]) -> str:
    """What Textual makes of dim text on the plain ground; "" without colours of a theme."""
    plain = {name: Color.parse(value) for value, name in names.items()}
    if not {"foreground", "background"} <= plain.keys():
        return ""
    return str(dim_color(plain["background"], plain["foreground"]).get_truecolor().hex)


def _runs(strip: Strip, names: Mapping[str, str]) -> str:
    found: list[tuple[int, int, str]] = []
    at = 0
    for segment in strip:
        end = at + segment.cell_length
        look = _look(segment, names)
        if found and found[-1][1:] == (at, look):
            found[-1] = (found[-1][0], end, look)
        elif end > at:
            found.append((at, end, look))
        at = end
    return "  ".join(f"{start}-{end - 1} {look}" for start, end, look in found if look)


def _look(segment: Segment, names: Mapping[str, str]) -> str:
    """A segment's style; "" for plain text. A blank has no colour but its ground's."""
    style = segment.style or Style()
    blank = not segment.text.strip()
    ground = _colour(style.bgcolor, names)
    front = "" if blank and not style.reverse else _colour(style.color, names)
    out = ("" if front == "foreground" else front) + ("" if ground in ("", "background") else f"/{ground}")
    kept = [letter for name, letter in _ATTRIBUTES if getattr(style, name) and (not blank or letter in "ur")]
    return out + ("+" + "".join(kept) if kept else "")


def _colour(colour: Any, names: Mapping[str, str]) -> str:
    if colour is None or colour.is_default:
        return ""
    if colour.triplet is None:
        return str(colour.name)
    return names.get(colour.triplet.hex.lower(), str(colour.triplet.hex))


def _due(app: App[Any]) -> bool:
    """Whether the screen is about to change: a layout is due, or work that it shows is under way."""
    screen = app.screen
    if screen._layout_required or screen._layout_widgets:
        return True
    return any(worker.group != "feed" and not worker.is_finished for worker in app.workers)


async def settled(pilot: Pilot[Any], shows: Callable[[], object] = lambda: True) -> str:
    """The snapshot once `shows()` is true and the screen stands still."""
    last, still, deadline = "", 0, time.monotonic() + _PATIENCE_S
    while still < _STILL:
        await pilot.pause(_LOOK_S)
        now = "" if _due(pilot.app) or not shows() else snapshot(pilot.app)
        still = still + 1 if now and now == last else 0
        last = now
        assert time.monotonic() < deadline, f"it did not come, or never stood still:\n{snapshot(pilot.app)}"
    return last


class Album:
    """The stored snapshots of one test: `take` compares each, `close` fails with all that differ."""

    def __init__(self, folder: Path = STORE, *, accept: bool | None = None) -> None:
        self.folder = folder
        self.accept = bool(os.environ.get(ACCEPT)) if accept is None else accept
        self._wrong: list[str] = []

    async def take(self, pilot: Pilot[Any], name: str, shows: Callable[[], object] = lambda: True) -> None:
        """Compare the screen with the snapshot of this name, once it stands still and `shows()` is true."""
        now = await settled(pilot, shows)
        wanted = self._stored(name)
        if wanted is not None and now != wanted and not self.accept and not self._wrong:
            now = await self._late(pilot, wanted, now)
        self.compare(name, now)

    def compare(self, name: str, now: str) -> None:
        """Compare a text with the snapshot of this name; store it where that was asked for."""
        wanted = self._stored(name)
        if now == wanted:
            return
        if self.accept:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{name}.txt").write_text(now, encoding="utf-8")
        elif wanted is None:
            self._wrong.append(f"there is no snapshot {name} yet; the screen shows\n{now}")
        else:
            lines = difflib.unified_diff(
                wanted.splitlines(), now.splitlines(), f"snapshots/{name}.txt", "the screen", lineterm="", n=2
            )
            self._wrong.append("\n".join(lines))

    def _stored(self, name: str) -> str | None:
        stored = self.folder / f"{name}.txt"
        return stored.read_text(encoding="utf-8") if stored.exists() else None

    async def _late(self, pilot: Pilot[Any], wanted: str, now: str) -> str:
        """On a slow machine what is still to come may come late: look for a while at the first that differs."""
        deadline = time.monotonic() + _GRACE_S
        while now != wanted and time.monotonic() < deadline:
            now = await settled(pilot)
        return now

    def close(self) -> None:
        """Fail where anything differed."""
        assert not self._wrong, (
            f"{len(self._wrong)} snapshots differ. If the screen is right, accept it: "
            f"{ACCEPT}=1 python -m pytest tests/tui/test_snapshots.py\n\n" + "\n\n".join(self._wrong)
        )
