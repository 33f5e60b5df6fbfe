"""One table of actions: keys do not clash and can arrive, each action does something, acting ones have verbs."""

from engine.cli.verbs import VERBS
from tui.actions import ACTIONS, BY_ID, FOOTER, PANES, bindables, readme_table
from tui.deeds import Deeds
from tui.keymap import clashes, is_key, normal, swallowed


def test_no_two_actions_share_a_key() -> None:
    table = bindables()
    assert clashes({one.id: one.keys for one in table}, table) == []


def test_every_key_is_one_and_reaches_the_program() -> None:
    for action in ACTIONS:
        for key in action.keys:
            assert normal(key) == key
            assert is_key(key), key
            assert swallowed(key) is None, key


def test_every_verb_named_is_a_verb() -> None:
    assert {action.verb for action in ACTIONS if action.verb} <= set(VERBS)


def test_whatever_changes_a_session_has_its_verb() -> None:
    assert all(action.verb for action in ACTIONS if action.acts)


def test_ids_are_unique_and_the_footer_knows_them() -> None:
    assert len(BY_ID) == len(ACTIONS)
    assert set(FOOTER) <= set(BY_ID)
    assert {f"pane.{name}" for name in PANES} <= set(BY_ID)


def test_the_readme_table_has_a_row_for_each_action() -> None:
    table = readme_table()
    assert table.count("\n") == len(ACTIONS) + 3
    assert "| `R` | " in table


def test_every_action_is_carried_out_somewhere() -> None:
    class Nothing:
        def __getattr__(self, name: str) -> "Nothing":
            return self

    known = Deeds(Nothing())._by_id  # type: ignore[arg-type]
    assert {action.id for action in ACTIONS} - set(known) == {f"pane.{name}" for name in PANES}
