"""The operator sees why each cheat was not kept: a real engine's night with a cheating researcher, on the screen."""

import re
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.session.flags import words
from tests.researchers import test_cheating as cheating
from tests.tui.piloting import console, screen_text, until
from tui.app import OvernightApp

SEED = {"the seed alone": ('"1337"', '"1338"', "only the seed differs")}
ELSEWHERE = {name: (old, new, f"{file} is outside the scope") for name, (old, new, file) in cheating.ELSEWHERE.items()}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("TMUX", raising=False)


@pytest.mark.parametrize(
    ("cheats", "better"),
    [(cheating.SEEN_BEFORE, True), (ELSEWHERE, True), (SEED, False), (cheating.SEEN_AFTER, True)],
    ids=["in the code", "in other files", "the seed", "in the run"],
)
async def test_every_cheats_reason_is_on_the_screen(
    cheats: dict[str, tuple[str, str, str]], better: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flagged in the table, the reason in the notes, and what was sent back beside the researcher's talk."""
    lab = cheating.measured(tmp_path)
    given = cheating.ELSEWHERE if cheats is ELSEWHERE else {n: (old, new) for n, (old, new, _) in cheats.items()}
    state = cheating.night(lab, cheating.Cheat(list(given.values()), better), monkeypatch)
    assert [e.status == "keep" for e in state.experiments] == [True] + [False] * len(cheats)
    before = cheats is not cheating.SEEN_AFTER
    async with console(lab) as (app, pilot):
        for run, (name, (*_, reason)) in enumerate(cheats.items(), 2):
            await pilot.press("1", "home", *["down"] * (run - 1))
            await until(pilot, lambda: app.main.front.ident == "experiments" and "description" in screen_text(app))
            row = next(line for line in screen_text(app).splitlines() if re.match(rf"\W*{run} ", line))
            assert ("crash" if before else "discard") + " ⚑" in row, (name, row)
            await pilot.press("4")
            told = await seen(app, pilot, "verdict", run)
            expected = reason if before else words(reason)
            assert expected in told, f"{name}: {expected!r} is not in the notes:\n{screen_text(app)}"
            if before:
                await pilot.press("6")
                told = await seen(app, pilot, "sent back", run)
                assert reason in told, f"{name}: {reason!r} is not beside the talk:\n{screen_text(app)}"


async def seen(app: OvernightApp, pilot: Pilot[str], mark: str, run: int) -> str:
    """The screen's words without their folds, once `mark` is there and this run is selected."""
    await until(pilot, lambda: app.view.selected == run and mark in screen_text(app))
    return " ".join(screen_text(app).split())
