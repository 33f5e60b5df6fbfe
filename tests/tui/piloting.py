"""Running the console in a test: open it on a recording, wait until something is so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from tests.tui.recording import Recording
from tui.app import OvernightApp
from tui.config import Config
from tui.loading import Loading

WAIT_S = 60.0


@asynccontextmanager
async def console(
    recording: Recording, size: tuple[int, int] = (80, 24), *, read_only: bool = False, config: Config | None = None
) -> AsyncIterator[tuple[OvernightApp, Pilot[str]]]:
    """The console on this recording, its journal read."""
    app = OvernightApp(Loading(recording.paths).start(), config=config, read_only=read_only)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.view.branch != "" or app.view.trouble != "")
        await pilot.pause()
        yield app, pilot


async def until(pilot: Pilot[str], so: Callable[[], bool]) -> None:
    """Wait until `so()`; fail after a minute."""
    async with asyncio.timeout(WAIT_S):
        while not so():
            await pilot.pause(0.02)


def screen_text(app: OvernightApp) -> str:
    """What is on the screen, line by line; nothing while a layout is due, which looking at it would swallow."""
    screen = app.screen
    if screen._layout_required or screen._layout_widgets:
        return ""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).ljust(width) for strip in lines[:height])


def toasts(app: OvernightApp) -> list[str]:
    """What the operator was told."""
    return [notification.message for notification in app._notifications]
