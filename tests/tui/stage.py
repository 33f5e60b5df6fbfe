"""A bare app to put one screen on, and waiting for what comes from threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen

from tui import themes
from tui.runs import Line, plain


class Stage(App[None]):
    """Shows `screen`; `results` has what it was dismissed with, `told` the notices."""

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        themes.apply(self, themes.Choice("dark"))
        self.first = screen
        self.results: list[Any] = []
        self.told: list[str] = []

    def on_mount(self) -> None:
        """Put it on."""
        self.push_screen(self.first, self.results.append)

    def notify(self, message: str, **more: Any) -> None:  # type: ignore[override]
        """Remember it."""
        self.told.append(message)
        super().notify(message, **more)


async def until(pilot: Pilot[Any], holds: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until it holds."""
    for _ in range(int(seconds / 0.03)):
        await pilot.pause()
        if holds():
            return
        await asyncio.sleep(0.03)
    raise AssertionError(f"did not come within {seconds:.0f} s")


def text_of(lines: list[Line]) -> str:
    """All lines without their styles."""
    return "\n".join(plain(line) for line in lines)
