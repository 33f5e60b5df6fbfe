"""The operator's keymap: what it remaps, and what it says about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.keymap import Bindable, config_folder, load, normal, read, swallowed

ACTIONS = (
    Bindable("loop.pause", ("p",)),
    Bindable("loop.abort", ("x",)),
    Bindable("look.find", ("/",), "log"),
    Bindable("table.filter", ("/",), "table"),
    Bindable("console.help", ("?",)),
    Bindable("decide.revert", ("R",)),
)


def test_without_a_file_the_defaults_stand(tmp_path: Path) -> None:
    keymap = load(ACTIONS, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert keymap.keys["loop.pause"] == ("p",)
    assert keymap.keys["console.help"] == ("question_mark",)
    assert keymap.problems == ()
    assert keymap.textual() == {}


def test_keys_are_remapped_by_id(tmp_path: Path) -> None:
    folder = config_folder({"XDG_CONFIG_HOME": str(tmp_path)})
    folder.mkdir(parents=True)
    (folder / "keymap.toml").write_text('"loop.pause" = "space"\n[loop]\nabort = ["X", "f8"]\n')
    keymap = load(ACTIONS, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert keymap.problems == ()
    assert keymap.textual() == {"loop.abort": "X,f8", "loop.pause": "space"}


def test_clashes_are_reported_once_and_only_within_a_scope() -> None:
    assert read("", ACTIONS).problems == (), "find and filter share a key in different panes"
    (problem,) = read('"loop.pause" = "x"', ACTIONS).problems
    assert "'x' is given to both 'loop.abort' and 'loop.pause'; only 'loop.pause' has it now" in problem


def test_of_two_actions_with_one_key_only_the_one_that_got_it_shows_it() -> None:
    keymap = read('"loop.pause" = "x"\n"decide.revert" = "x"', ACTIONS)
    assert [action for action, keys in keymap.keys.items() if "x" in keys] == ["decide.revert"]
    assert keymap.textual() == {"decide.revert": "x", "loop.abort": "unbound", "loop.pause": "unbound"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('"loop.pauze" = "x"', "did you mean 'loop.pause'?"),
        ('"nothing" = "x"', "there is no action 'nothing'"),
        ('"loop.pause" = 3', "expected a key or a list of keys, found 3"),
        ('"loop.pause" = []', "expected a key or a list of keys"),
        ('"loop.pause" = "spacebar"', "'spacebar' is not a key"),
        ('"loop.pause" = "ctrl+h"', "may never arrive: terminals send it as Backspace"),
        ('"loop.pause" = "ctrl+s"', "flow control"),
        ('"loop.pause" = "alt+p"', "do not arrive reliably"),
        ('"loop.pause" = "ctrl+b"', "prefix of tmux"),
        ("loop.pause = ", "the default keys are used"),
    ],
)
def test_mistakes_are_told_and_every_action_still_has_a_key(text: str, part: str) -> None:
    keymap = read(text, ACTIONS, "keymap.toml")
    assert len(keymap.problems) == 1
    assert part in keymap.problems[0]
    assert keymap.problems[0].startswith("keymap.toml: ")
    assert set(keymap.keys) == {action.id for action in ACTIONS}
    assert all(keymap.keys.values())


def test_an_unreadable_file_is_a_problem_and_not_an_error(tmp_path: Path) -> None:
    folder = config_folder({"XDG_CONFIG_HOME": str(tmp_path)})
    (folder / "keymap.toml").mkdir(parents=True)
    keymap = load(ACTIONS, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert "cannot be read" in keymap.problems[0]
    assert keymap.keys["loop.abort"] == ("x",)


@pytest.mark.parametrize(
    ("written", "name"),
    [("?", "question_mark"), ("R", "R"), ("Ctrl+P", "ctrl+p"), ("F8", "f8"), ("ctrl++", "ctrl+plus"), ("+", "plus")],
)
def test_keys_get_the_names_that_textual_has(written: str, name: str) -> None:
    assert normal(written) == name


def test_plain_keys_always_arrive() -> None:
    assert not [key for key in ("a", "R", "7", "f5", "enter", "tab", "up", "question_mark", "ctrl+p") if swallowed(key)]
    assert all(map(swallowed, ("ctrl+j", "ctrl+m", "ctrl+i", "ctrl+q", "ctrl+z", "ctrl+a", "ctrl+shift+x", "alt+1")))


def test_without_a_home_variable_a_folder_is_still_found() -> None:
    assert config_folder({"HOME": "/home/someone"}) == Path("/home/someone/.config/overnight")
    assert config_folder({"HOME": "/h", "XDG_CONFIG_HOME": "relative"}) == Path("/h/.config/overnight")
