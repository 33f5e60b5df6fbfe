"""The question before a destructive act: nothing but its own key says yes, and all of it can be read."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.session.inbox import Request, Seen
from engine.session.journal import read
from tests.tui.recording import Recording
from tests.tui.stage import Stage, text_of, until
from tui import steering
from tui.actions import BY_ID
from tui.app import OvernightApp
from tui.loading import Loading
from tui.model import View
from tui.panes.folded import fold_words
from tui.runs import line_width, plain
from tui.screens.dialogs import ConfirmScreen, confirming_key, facts
from tui.steering import Order, Question

LONG_DIFF = "--- a/train.py\n+++ b/train.py\n@@ -1,0 +1,60 @@\n" + "".join(
    f"+line {n} \x1b[31mred\n" for n in range(60)
)


def question(lines: int = 3, diff_of: int | None = 4) -> Question:
    order = Order("revert", {"run": "4"}, Seen(champion=4), "reverting run 4…")
    return Question("Revert run 4?", [[(f"fact {n}", "")] for n in range(lines)], "y", "revert", order, diff_of)


@pytest.mark.parametrize("key", ["enter", "escape"])
async def test_enter_and_escape_cancel(key: str) -> None:
    app = Stage(ConfirmScreen(question(), asked_by=("R",)))
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.focused is not None and app.focused.id == "question-cancel"
        await pilot.press(key)
        await until(pilot, lambda: app.results)
    assert app.results == [False]


async def test_the_key_that_asked_confirms_nothing_and_its_own_key_does() -> None:
    app = Stage(ConfirmScreen(question(), asked_by=("R",)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("R", "R", "space", "x")
        await pilot.pause()
        assert app.results == []
        await pilot.press("y")
        await until(pilot, lambda: app.results)
    assert app.results == [True]


async def test_the_other_button_must_be_gone_to_before_enter_confirms() -> None:
    app = Stage(ConfirmScreen(question()))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("tab", "enter")
        await until(pilot, lambda: app.results)
    assert app.results == [True]


@given(st.lists(st.sampled_from(["y", "Y", "o", "R", "x"]), max_size=5))
def test_the_confirming_key_is_never_one_that_asks(keys: list[str]) -> None:
    assert confirming_key(question(), tuple(keys)) not in keys


async def test_every_line_of_a_long_diff_can_be_reached_at_80_by_24() -> None:
    screen = ConfirmScreen(question(), diff=LONG_DIFF)
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert screen.text.below > 30
        assert screen.query_one("#question").region.bottom <= 24
        await pilot.press("G")
        assert screen.text.below == 0
        await pilot.press("k")
        assert screen.text.below == 1
        assert app.focused is not None and app.focused.id == "question-cancel", "scrolling leaves the focus on Cancel"
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert screen.query_one("#question").region.bottom <= 40
    assert "\x1b" not in text_of(screen.text.lines)


async def test_a_diff_may_come_before_the_screen_is_up_while_it_is_and_after_it_is_gone() -> None:
    screen = ConfirmScreen(question())
    screen.show_diff("early")
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "early" in text_of(screen.text.lines)
        screen.show_diff("", "git is not there")
        await pilot.pause()
        assert "no diff: git is not there" in text_of(screen.text.lines)
        await pilot.press("escape")
        await until(pilot, lambda: app.results)
        screen.show_diff("late")
        await pilot.pause()


async def test_until_the_diff_is_there_it_says_that_it_is_being_read() -> None:
    screen = ConfirmScreen(question())
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "reading" in text_of(screen.text.lines)
    without = ConfirmScreen(question(diff_of=None))
    app = Stage(without)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "fact 2" in text_of(without.text.lines) and "changed" not in text_of(without.text.lines)


@example([("a" * 20, "")], 11)
@given(
    st.lists(st.tuples(st.text(st.sampled_from("ab 漢é"), max_size=40), st.just("")), max_size=4), st.integers(4, 40)
)
def test_folding_between_words_loses_no_word_and_keeps_the_width(line: list[tuple[str, str]], width: int) -> None:
    folded = fold_words(line, width, 3)
    assert all(line_width(part) <= width for part in folded)
    assert "".join("".join(map(plain, folded)).split()) == "".join(plain(line).split())


def test_a_line_with_a_label_goes_on_beside_it() -> None:
    told = question()._replace(lines=[[("withdrawn   ", "dim"), ("a change with many words to it", "")]])
    folded = facts(told, 30)
    assert len(folded) > 1 and all(plain(part).startswith(" " * 12) for part in folded[1:])


async def test_a_revert_is_sent_with_what_its_operator_saw_and_only_when_confirmed(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    for status, metric in (("keep", 0.99), ("keep", 0.98), ("discard", 0.985), ("keep", 0.97)):
        recording.experiment(status, metric)
    recording.hold()
    app = OvernightApp(Loading(recording.paths).start())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.view.loaded and app.view.running)
        app.main.experiments.table.select(2)
        await until(pilot, lambda: app.view.selected == 2)
        await pilot.press("R")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen) and app.screen.is_mounted)
        screen = app.screen
        assert isinstance(screen, ConfirmScreen)
        shown = text_of(screen.text.lines)
        assert "run 2" in shown and "run 4" in shown and "0.990000" in shown, "taken back, withdrawn, what comes back"
        await pilot.press("R", "enter")
        await until(pilot, lambda: app.screen is app.main)
        assert not list(recording.paths.inbox.iterdir())
        await pilot.press("R")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen) and app.screen.is_mounted)
        await pilot.press("y")
        await until(pilot, lambda: list(recording.paths.inbox.glob("*.json")))
    (sent,) = recording.paths.inbox.glob("*.json")
    request = msgspec.json.decode(sent.read_bytes(), type=Request)
    assert (request.kind, request.args, request.seen.champion) == ("revert", {"run": "2"}, 4)
    recording.let_go()


def test_a_question_tells_what_becomes_of_the_experiment_on_a_champion_that_goes(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    for metric in (0.99, 0.98, 0.97):
        recording.experiment("keep", metric)
    recording.train(recording.begin("under way"))
    view = View(state=read(recording.paths.journal), loaded=True)
    asked = steering.revert(view)
    assert isinstance(asked, Question)
    assert "run 4 was begun on run 3: it finishes and is discarded" in text_of(asked.lines)
    view.state.experiments[-1].champion = 2
    asked = steering.revert(view)
    assert isinstance(asked, Question) and "under way" not in text_of(asked.lines), "its own champion stays"


def test_keep_names_each_run_once_and_what_will_be(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    for status, metric in (("keep", 0.99), ("discard", 0.995), ("keep", 0.98)):
        recording.experiment(status, metric)
    asked = steering.keep(View(state=read(recording.paths.journal), loaded=True, selected=2))
    assert isinstance(asked, Question)
    told = text_of(asked.lines)
    assert "then        the champion is run 2" in told
    assert told.count("run 2") == 1 and told.count("run 3") == 1


async def test_the_question_to_abort_goes_when_its_run_has_ended(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    recording.experiment("keep", 0.99)
    run = recording.begin("soon over")
    recording.train(run)
    recording.hold()
    app = OvernightApp(Loading(recording.paths).start())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.view.loaded and app.view.running)
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen) and app.screen.is_mounted)
        recording.end(run, "discard", 1.0)
        await until(pilot, lambda: app.screen is app.main)
        assert any("run 2 has ended by itself" in one.message for one in app._notifications)
    assert not list(recording.paths.inbox.glob("*.json"))
    recording.let_go()


def test_no_destructive_act_is_asked_for_by_the_confirming_key() -> None:
    for id in ("decide.revert", "decide.keep", "loop.abort", "loop.stop", "decide.undo"):
        assert steering.CONFIRM not in BY_ID[id].keys
