"""`edit KEY VALUE` on the text of overnight.toml."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.loop.editing import edited
from engine.session.settings import Settings, SettingsError, parse

TEXT = """# mine
[run]  # how
timeout_s = 60  # a minute

[gate]
jump = 0.1
"""


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("run.timeout_s", "90", 90),
        ("gate.kind", "confirm", "confirm"),
        ("gate.kind", '"confirm"', "confirm"),
        ("gpu.index", "1", 1),
        ("gpu.index", "auto", "auto"),
        ("scope.editable", '["train.py", "model.py"]', ["train.py", "model.py"]),
        ("run.command", "bash autoresearch.sh --fast", "bash autoresearch.sh --fast"),
        ("metric.unit", "", ""),
    ],
)
def test_one_key_changes_and_everything_else_stays_to_the_letter(key: str, value: str, read: object) -> None:
    new = edited(TEXT, key, value)
    section, name = key.split(".")
    parse(new, "overnight.toml")
    data = tomllib.loads(new)
    assert data[section][name] == read
    data[section].pop(name)
    old = tomllib.loads(TEXT)
    old.setdefault(section, {}).pop(name, None)
    assert data == old
    for line in TEXT.splitlines():
        if not line.startswith(name):
            assert line in new.splitlines()


def test_a_comment_behind_the_value_stays() -> None:
    assert "timeout_s = 90  # a minute\n" in edited(TEXT, "run.timeout_s", "90")


@pytest.mark.parametrize("key", ["gate", "", ".", "gate."])
def test_a_key_without_a_section_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match=r"expected section\.key"):
        edited(TEXT, key, "1")


def test_a_section_that_is_a_value_is_refused() -> None:
    with pytest.raises(SettingsError, match="run is not a section"):
        edited("run = 5\n", "run.seed", "1")


def test_a_bad_value_is_refused_by_the_same_check_as_the_file() -> None:
    with pytest.raises(SettingsError, match=r"overnight.toml, line 3: run.timeout_s is -1"):
        parse(edited(TEXT, "run.timeout_s", "-1"), "overnight.toml")


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_any_text_as_a_value_gives_toml_that_says_it_or_what_it_is_in_toml(value: str) -> None:
    new = edited(TEXT, "metric.unit", value)
    read = tomllib.loads(new)["metric"]["unit"]
    if isinstance(read, str):
        assert read == value or value.strip().startswith(("'", '"'))
        assert isinstance(parse(new, "x"), Settings)
