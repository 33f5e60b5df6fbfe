"""Help comes from the one table of actions: nothing is missing, nothing is cut off, what is off says why."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tui.stage import Stage, text_of, until
from tui.actions import ACTIONS, BY_ID, PANES, keys_text
from tui.movement import MOVES
from tui.panes.folded import FoldedView
from tui.runs import line_width, plain
from tui.screens.help import HERE, HelpScreen, lines

KEYS = {action.id: action.keys for action in ACTIONS} | {move.id: move.keys for move in MOVES}


def test_every_action_and_every_move_is_there_with_its_keys() -> None:
    page = text_of(lines(KEYS, 200))
    for action in ACTIONS:
        assert any(keys_text(action.keys) in line and action.help in line for line in page.split("\n")), action.id
        assert action.id in page
    for move in MOVES:
        assert move.title in page


def test_each_pane_has_its_own_part_of_actions_that_exist() -> None:
    assert set(HERE) == set(PANES)
    for pane, ids in HERE.items():
        first = text_of(lines(KEYS, 200, pane=pane)).partition("\n\n")[0]
        assert BY_ID[f"pane.{pane}"].title in first
        for id in ids:
            assert BY_ID[id].help in first


def test_remapped_keys_are_shown_and_an_action_without_a_key_says_so() -> None:
    page = text_of(lines({**KEYS, "loop.pause": ("f9",), "loop.stop": ()}, 200))
    assert any("f9" in line and BY_ID["loop.pause"].help in line for line in page.split("\n"))
    assert any("none" in line and BY_ID["loop.stop"].help in line for line in page.split("\n"))


def test_read_only_marks_each_action_that_acts_and_says_why() -> None:
    page = text_of(lines(KEYS, 240, read_only=True))
    assert "read-only: it shows the session and changes nothing" in page
    for action in ACTIONS:
        row = next(line for line in page.split("\n") if action.help in line)
        assert row.startswith("–") == action.acts
        assert ("(read-only)" in row) == action.acts


def test_what_is_off_at_the_moment_says_why_and_keymap_problems_come_first() -> None:
    found = lines(KEYS, 200, off={"loop.stop": "no engine is running"}, problems=["keymap.toml: 'zz' is not a key"])
    page = text_of(found)
    assert "(no engine is running)" in page
    assert "'zz' is not a key" in plain(found[0])


@settings(max_examples=40)
@given(st.integers(24, 220), st.booleans(), st.sampled_from(["", *PANES]))
def test_no_line_is_wider_than_the_screen(width: int, read_only: bool, pane: str) -> None:
    assert all(line_width(line) <= width for line in lines(KEYS, width, read_only=read_only, pane=pane))


async def test_the_page_scrolls_to_its_end_at_80_by_24_and_escape_closes_it() -> None:
    screen = HelpScreen(KEYS, pane="runlog")
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        text = screen.query_one("#help-text", FoldedView)
        assert text.below > 0
        await pilot.press("G")
        assert text.below == 0
        await pilot.press("escape")
        await until(pilot, lambda: app.results)
    assert app.results == [None]
