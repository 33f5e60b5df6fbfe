"""Keys that arrive in one burst, as over a slow line, do what they do when they are typed one by one."""

from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot

from tests.tui.piloting import console, until
from tests.tui.test_steering_keys import home, running, sent
from tui.app import OvernightApp
from tui.screens.dialogs import ConfirmScreen
from tui.screens.newsession import NewSessionScreen
from tui.screens.sessions import SessionsScreen

__all__ = ["home"]  # a fixture that runs by itself


def burst(app: OvernightApp, *keys: str) -> None:
    """All of them at once, before any is handled."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


async def ready(app: OvernightApp, pilot: Pilot[str]) -> None:
    """The engine is seen and all panes are made."""
    await until(pilot, lambda: app.view.running and len(app.main._made) == 7)
    await until(pilot, lambda: all(pane.is_mounted for pane in app.main._made.values()))


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_the_words_of_a_message_typed_ahead_are_no_commands(tmp_path: Path, size: tuple[int, int]) -> None:
    recording, _ = running(tmp_path)
    async with console(recording, size) as (app, pilot):
        await ready(app, pilot)
        burst(app, "m", *"xyq?sp", "enter", "2")
        await until(pilot, lambda: [order.args.get("text") for order in sent(recording)] == ["xyq?sp"])
        await until(pilot, lambda: app.focused is app.main.runlog.focus_target)
        assert app.screen is app.main and [order.kind for order in sent(recording)] == ["say"]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_a_pane_keeps_the_focus_when_its_key_is_followed_at_once_by_a_question(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    recording, _ = running(tmp_path)
    async with console(recording, size) as (app, pilot):
        await ready(app, pilot)
        burst(app, "5", "3", "6", "x")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        burst(app, "escape", "z")
        await until(pilot, lambda: app.screen is app.main and app.focused is app.main.researcher.focus_target)
        await until(pilot, lambda: app.main.zoomed and app.main.researcher.heading.has_class("-front"))
        assert [one.ident for one in app.main._made.values() if one.heading.has_class("-front")] == ["researcher"]


async def test_what_is_half_written_is_gone_on_with(tmp_path: Path) -> None:
    recording, _ = running(tmp_path)
    async with console(recording) as (app, pilot):
        await ready(app, pilot)
        burst(app, "m", *"half", "escape", "1", "m", *" done", "enter")
        await until(pilot, lambda: [order.args.get("text") for order in sent(recording)] == ["half done"])


async def test_a_search_typed_ahead_is_searched_for_and_pasted_text_waits_its_turn(tmp_path: Path) -> None:
    recording, _ = running(tmp_path)
    async with console(recording) as (app, pilot):
        await ready(app, pilot)
        burst(app, "slash", *"near", "enter", "m")
        app.post_message(events.Paste("pasted x"))
        await until(pilot, lambda: app.main.researcher.input.value == "pasted x")
        assert app.main.experiments.source.filter_text == "near" and not app.main.ask.display


async def test_a_name_typed_before_its_form_is_there_goes_into_the_form(tmp_path: Path) -> None:
    recording, _ = running(tmp_path)
    async with console(recording) as (app, pilot):
        await ready(app, pilot)
        burst(app, "S", "n", *"qsr")
        await until(pilot, lambda: isinstance(app.screen, NewSessionScreen))
        await until(pilot, lambda: app.screen.query_one("#new-name").value == "qsr")  # type: ignore[attr-defined]
        burst(app, "escape", "escape", "4")
        await until(pilot, lambda: app.focused is app.main.pane("notes").focus_target)
        assert not any(isinstance(screen, SessionsScreen) for screen in app.screen_stack)
