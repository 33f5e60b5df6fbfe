"""What the operator is told stands where it always does, and never over a question."""

from pathlib import Path

import pytest
from textual.widgets._toast import Toast, ToastHolder

from tests.tui.piloting import until
from tests.tui.test_steering_keys import home, running
from tui import toasts
from tui.app import OvernightApp
from tui.loading import Loading
from tui.screens.dialogs import ConfirmScreen

__all__ = ["home"]  # a fixture that runs by itself


@pytest.fixture
def app(tmp_path: Path) -> OvernightApp:
    """A console on a session whose engine trains."""
    recording, _ = running(tmp_path)
    return OvernightApp(Loading(recording.paths).start())


def on_screen(app: OvernightApp) -> list[tuple[str, int]]:
    """Each toast's text and the row that it stands in."""
    found = app.screen.query(Toast)
    return [(str(one.render()), one.region.y) for one in found if one.region.height]


@pytest.mark.parametrize("way", ["closed", "crowded out"])
async def test_a_sentence_stands_no_lower_for_all_that_were_told_before(app: OvernightApp, way: str) -> None:
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: app.view.running)
        toasts.tell(app, "the first")
        await until(pilot, lambda: len(on_screen(app)) == 1)
        row = on_screen(app)[0][1]
        for number in range(9):
            if way == "closed":
                await pilot.press("escape")
                await until(pilot, lambda: not on_screen(app))
            toasts.tell(app, f"number {number}")
            await until(pilot, lambda number=number: f"number {number}" in dict(on_screen(app)))  # type: ignore[misc]
        await until(pilot, lambda: len(on_screen(app)) == (1 if way == "closed" else 3))
        assert on_screen(app)[0][1] == row
        assert len(app.screen.query(ToastHolder)) == len(on_screen(app))


async def test_nothing_that_was_told_lies_over_a_question(app: OvernightApp) -> None:
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: app.view.running)
        for word in ("one", "two", "three"):
            toasts.tell(app, word)
        await until(pilot, lambda: len(on_screen(app)) == 3)
        await pilot.press("R")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.pause()
        assert on_screen(app) == []
        toasts.tell(app, "told meanwhile")
        await until(pilot, lambda: len(on_screen(app)) == 1)
        screen = app.screen
        assert isinstance(screen, ConfirmScreen)
        assert on_screen(app)[0][1] < screen.text.region.y, "above what is asked"
        await pilot.press("escape")


async def test_a_long_sentence_is_cut_with_an_ellipsis(app: OvernightApp) -> None:
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        toasts.tell(app, "word " * 300)
        await until(pilot, lambda: len(on_screen(app)) == 1)
        assert on_screen(app)[0][0].endswith("…")
