"""The swarm screen on a real swarm's file: every section, adopting by a question, and what is said without a swarm."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.session import inbox
from engine.session.locking import Lock
from engine.swarm.link import Link
from engine.work.jobs.verification import unsafe
from tests.cli.story import Story
from tests.tui.piloting import screen_text, toasts, until
from tests.tui.snapshotting import settled
from tests.tui.swarming import Lab
from tui.app import OvernightApp
from tui.loading import Loading
from tui.screens.dialogs import ConfirmScreen
from tui.screens.swarm import SwarmScreen
from tui.swarmrows import SECTIONS


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    for name in ("XDG_CONFIG_HOME", "TMUX", "STY", "NO_COLOR", "COLORFGBG", "OVERNIGHT_SESSIONS"):
        monkeypatch.delenv(name, raising=False)


def console(story: Story, *, read_only: bool = False) -> OvernightApp:
    """The console on the session."""
    return OvernightApp(Loading(story.paths).start(), read_only=read_only)


def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The screen looks for news without a rest."""
    monkeypatch.setattr("tui.screens.swarm._READ_S", 0.3)
    monkeypatch.setattr("tui.screens.swarm._REST", 0)


@pytest.fixture
def sandboxed() -> None:
    """Only where there is a sandbox is another's code ever run."""
    if why := unsafe("auto"):
        pytest.skip(why)


async def opened(app: OvernightApp, pilot: Pilot[str]) -> SwarmScreen:
    """The swarm screen by its key, once it has heard something."""
    await until(pilot, lambda: app.view.branch != "")
    await pilot.press("H")
    await until(pilot, lambda: isinstance(app.screen, SwarmScreen) and app.screen._read_before)
    assert isinstance(app.screen, SwarmScreen)
    return app.screen


async def test_every_section_shows_the_swarms_own_at_80_by_24(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.fill()
    app = console(lab.story)
    expected = {
        "leaderboard": ("bob", "0.970900", "verified", "cyd", "unverified"),
        "members": ("● alive", "» ann", "box, x86_64"),
        "feed": ("wider MLP", "on result", "reported"),
        "claims": ("BETA2 0.95 to 0.97", "min left", "bob"),
        "hypotheses": ("warm up for longer", "open", "the loss jumps in the first steps"),
        "queue": ("deeper by two", "0.960000"),
        "own": ("nothing was adopted or re-run yet",),
    }
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        for number, section in enumerate(SECTIONS, 1):
            await pilot.press(str(number))
            shown = await settled(pilot, lambda number=number: screen.front == number - 1)
            assert all(word in shown for word in expected[section.id]), f"{section.id}:\n{shown}"
            assert "3 members, 3 alive" in shown and "gave 0 records" in shown
        await pilot.press("tab")
        await until(pilot, lambda: "leaderboard" in screen_text(app) and screen.front == 0)
        await pilot.press("shift+tab")
        await until(pilot, lambda: screen.front == len(SECTIONS) - 1)


async def test_all_sections_stand_side_by_side_where_there_is_room_and_z_shows_one(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.fill()
    app = console(lab.story)
    async with app.run_test(size=(200, 50)) as pilot:
        screen = await opened(app, pilot)
        shown = await settled(pilot)
        assert all(f"{number} {section.title}" in shown for number, section in enumerate(SECTIONS, 1))
        assert "wider MLP" in shown and "warm up for longer" in shown and "BETA2" in shown
        await pilot.press("5", "z")
        shown = await settled(pilot, lambda: screen.zoomed)
        assert "warm up for longer" in shown and "BETA2" not in shown
        await pilot.press("z")
        assert "BETA2" in await settled(pilot, lambda: not screen.zoomed)
        await pilot.click("#swarm-claims")
        await until(pilot, lambda: SECTIONS[screen.front].id == "claims")


async def test_a_long_foreign_text_is_read_whole_and_moves_nothing_on_the_screen(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.fill()
    end = "the end of it"
    lab.members["cyd"].say("word \x1b[31m\x9b2J " * 6 + end, topic="LR")
    app = console(lab.story)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("3", "enter")
        shown = await settled(pilot, lambda: screen.whole)
        assert end in shown and "\x1b" not in shown and "\x9b" not in shown
        await pilot.press("escape")
        shown = await settled(pilot, lambda: not screen.whole and app.screen is screen)
        assert "rules [bold]now" in shown or "[bo" in shown
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)


async def _asked(app: OvernightApp, pilot: Pilot[str]) -> ConfirmScreen:
    await pilot.press("1", "g", "a")
    await until(pilot, lambda: isinstance(app.screen, ConfirmScreen) or bool(toasts(app)))
    assert isinstance(app.screen, ConfirmScreen), toasts(app)
    return app.screen


async def test_a_shows_the_code_and_only_y_puts_the_adoption_into_the_engines_inbox(
    tmp_path: Path, sandboxed: None
) -> None:
    lab = Lab(tmp_path, sandbox=True)
    best = lab.fill()
    lock = Lock(lab.story.paths.lock, "first")
    app = console(lab.story)
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.view.running)
            await opened(app, pilot)
            await _asked(app, pilot)
            shown = await settled(pilot)
            assert "wider MLP" in shown and "bob's code against the champion" in shown and "sandbox" in shown
            await pilot.press("enter")  # the focus is on Cancel
            await until(pilot, lambda: isinstance(app.screen, SwarmScreen))
            assert inbox.waiting(lab.story.paths.inbox) == []
            await _asked(app, pilot)
            await pilot.press("y")
            await until(pilot, lambda: bool(inbox.waiting(lab.story.paths.inbox)))
        (sent,) = inbox.waiting(lab.story.paths.inbox)
        command = json.loads(sent.read_text(encoding="utf-8"))
        assert (command["kind"], command["args"]) == ("adopt", {"result": best, "name": "bob"})
    finally:
        lock.release()


async def test_without_an_engine_the_adoption_goes_by_the_verb_and_is_queued(tmp_path: Path, sandboxed: None) -> None:
    lab = Lab(tmp_path, sandbox=True)
    best = lab.fill()
    app = console(lab.story)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await _asked(app, pilot)
        assert "waits for the next start" in " ".join((await settled(pilot)).split())
        await pilot.press("y")
        kept = lambda: [c for c in app.view.state.commands.values() if c.kind == "adopt"]  # noqa: E731
        await until(pilot, lambda: bool(kept()) or bool(inbox.waiting(lab.story.paths.inbox)))
    waiting = inbox.waiting(lab.story.paths.inbox)
    found = [command.args for command in kept()] + [json.loads(path.read_bytes())["args"] for path in waiting]
    assert [one["result"] for one in found] == [best]


async def test_what_cannot_be_adopted_is_refused_with_the_reason(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.fill()
    app = console(lab.story)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press("1", "g", "a")
        await until(pilot, lambda: any("runs in the sandbox only" in text for text in toasts(app)))
        assert isinstance(app.screen, SwarmScreen)
    app = console(lab.story, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press("2", "a")
        await until(pilot, lambda: any("no result behind this line" in text for text in toasts(app)))
        await pilot.press("1", "g", "a")
        await until(pilot, lambda: any("read-only" in text for text in toasts(app)))
        assert isinstance(app.screen, SwarmScreen)


async def test_a_session_in_no_swarm_is_told_how_to_join(tmp_path: Path) -> None:
    app = console(Story(tmp_path / "mar5"))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        shown = " ".join((await settled(pilot)).split())
        assert "mar5 is in no swarm" in shown and "overnight swarm join" in shown


async def test_a_swarm_that_is_away_is_said_with_since_when_and_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was known stays on the screen."""
    hurried(monkeypatch)
    lab = Lab(tmp_path)
    lab.fill()
    app = console(lab.story)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        assert "3 members" in await settled(pilot)
        Link(lab.story.paths.swarm).told("no such file", 1)
        lab.story.paths.outbox.mkdir(parents=True, exist_ok=True)
        (lab.story.paths.outbox / f"{1:020d}-{'a' * 32}.json").write_text("{}", encoding="utf-8")
        await asyncio.to_thread(lab.file.rename, tmp_path / "away.db")
        await until(pilot, lambda: not screen.overview.reachable)
        shown = " ".join((await settled(pilot, lambda: not screen.overview.reachable)).split())
        assert "Alone since" in shown and "1 records wait" in shown and "what was known since" not in shown, shown
        assert "bob" in shown and "0.970900" in shown, "what was known is gone"
        (tmp_path / "away.db").rename(lab.file)
        await until(pilot, lambda: screen.overview.reachable)


async def test_a_revoked_session_is_told_that_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hurried(monkeypatch)
    lab = Lab(tmp_path)
    lab.store.revoke("ann")
    app = console(lab.story)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        shown = " ".join((await settled(pilot, lambda: screen.overview.revoked)).split())
        assert "This session was revoked" in shown, shown


async def test_news_come_by_themselves_and_the_selected_line_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried(monkeypatch)
    lab = Lab(tmp_path)
    lab.fill()
    app = console(lab.story)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("3", "j", "j")
        await settled(pilot)
        before: Any = screen.part.selected
        lab.members["bob"].say("a new insight", topic="LR")
        await until(pilot, lambda: "a new insight" in screen_text(app))
        assert screen.part.selected is not None and screen.part.selected.key == before.key


async def test_on_the_first_line_the_newest_stay_in_sight_but_not_under_who_reads_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried(monkeypatch)
    lab = Lab(tmp_path)
    lab.fill()
    app = console(lab.story)

    def selected(screen: SwarmScreen) -> str:
        return "" if screen.part.selected is None else screen.part.selected.cells[-1][0]

    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("3")
        for number in range(20):  # more than fit
            lab.members["bob"].say(f"insight {number}", topic="LR")
        await until(pilot, lambda: selected(screen) == "insight 19" and screen.part.table.top == 0)
        await pilot.press("enter")
        await settled(pilot, lambda: screen.whole)
        lab.members["bob"].say("one more", topic="LR")
        await until(pilot, lambda: screen.overview.feed[0].text == "one more")
        assert selected(screen) == "insight 19"
