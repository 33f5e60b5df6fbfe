"""overnight.toml: defaults as in the design, and refusals that an operator can act on."""

import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.session.settings import Settings, SettingsError, line_of, load, opens_segment, parse

DESIGN = """
[metric]
name = "val_bpb"
unit = "bpb"
direction = "lower"
[run]
command = "bash autoresearch.sh"
timeout_s = 600
checks_timeout_s = 300
[limits]
experiments = 0
hours = 0
cost_usd = 0
[researcher]
kind = "search"
agent = ""
command = []
model = ""
fallback = "search"
[gate]
kind = "greedy"
equal_within = 0.0
gain_per_line = 5e-5
vram_ratio = 1.5
vram_gain = 0.01
jump = 0.1
[scope]
editable = ["train.py"]
pinned = ["prepare.py", "corpus.py", "device.py", "attention.py", "fused.py", "pyproject.toml", "autoresearch.sh"]
[gpu]
index = "auto"
"""
"""The design page's table of defaults, with corpus.py, the part of prepare.py that makes the demo's text."""


def test_the_designs_defaults_are_the_defaults() -> None:
    assert parse(DESIGN, "x") == Settings() == parse("", "x")
    ours = msgspec.to_builtins(Settings())
    for section, table in tomllib.loads(DESIGN).items():
        for key, value in table.items():
            assert ours[section][key] == value, f"{section}.{key}"


def test_no_file_is_all_defaults_and_an_unreadable_one_is_told(tmp_path: Path) -> None:
    assert load(tmp_path / "overnight.toml") == Settings()
    (tmp_path / "overnight.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"overnight\.toml: cannot be read"):
        load(tmp_path / "overnight.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SettingsError, match=r"folder\.toml: cannot be read"):
        load(tmp_path / "folder.toml")


@pytest.mark.parametrize(
    ("section", "key", "value", "allowed"),
    [
        ("metric", "direction", '"up"', "'lower' or 'higher'"),
        ("metric", "name", '"val bpb"', "a name that a METRIC line can carry"),
        ("metric", "name", '""', "a name that a METRIC line can carry"),
        ("metric", "unit", "3", "a text in quotes"),
        ("run", "command", '"  "', "a command"),
        ("run", "timeout_s", '"ten"', "a number"),
        ("run", "timeout_s", "0", "a number of at least 0.001"),
        ("run", "timeout_s", "nan", "a number of at least 0.001"),
        ("run", "timeout_s", "inf", "a finite number"),
        ("run", "checks_timeout_s", "-3.5", "a number of at least 0.001"),
        ("run", "seed", "1.5", "a whole number"),
        ("limits", "experiments", "-1", "a number of at least 0"),
        ("limits", "experiments", "true", "a whole number"),
        ("limits", "hours", "nan", "a number of at least 0"),
        ("researcher", "kind", '"magic"', "'search' or 'agent' or 'llm' or 'grow'"),
        ("researcher", "command", '"claude -p"', "a list of texts"),
        ("researcher", "command", "[1]", "a list of texts"),
        ("gate", "kind", '"hope"', "'greedy' or 'confirm'"),
        ("gate", "equal_within", "-0.1", "a number of at least 0"),
        ("gate", "pairs", "0", "a number of at least 1"),
        ("scope", "editable", "[]", "a list of at least one file"),
        ("scope", "editable", '["../train.py"]', "a list of files inside the session"),
        ("scope", "editable", '["/etc/passwd"]', "a list of files inside the session"),
        ("scope", "pinned", '[".git/config"]', "a list of files inside the session"),
        ("scope", "pinned", '[""]', "a list of files inside the session"),
        ("gpu", "index", '"first"', "a whole number or 'auto'"),
        ("gpu", "index", "-1", "'auto' or a whole number of at least 0"),
    ],
)
def test_a_bad_value_is_refused_with_file_line_key_what_was_found_and_what_is_allowed(
    section: str, key: str, value: str, allowed: str
) -> None:
    text = f"# a comment\n\n[{section}]\n# {key} = 1\n{key} = {value}\n"
    with pytest.raises(SettingsError) as refused:
        parse(text, "here/overnight.toml")
    found = tomllib.loads(text)[section][key]
    assert str(refused.value).startswith(f"here/overnight.toml, line 5: {section}.{key} is {found!r}; allowed is ")
    assert allowed in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[gaet]\n", "x, line 1: gaet is an unknown section; allowed is one of metric, run, limits"),
        ("\n[gate]\njmup = 1\n", "x, line 3: gate.jmup is an unknown key; allowed is one of kind, equal_within"),
        ("\ngate = 5\n", "x, line 2: gate is 5; allowed is a table, written [gate]"),
        ("[[gate]]\n", "x, line 1: gate is [{}]; allowed is a table, written [gate]"),
        ("\n\ngate = 5 6\n", "x: not TOML: "),
    ],
)
def test_what_is_not_a_setting_is_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(text, "x")
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[run]\nseed = -0.5\n", 2),
        ("# run.seed = 1\nrun.seed = 0.5\n", 2),
        ("\nrun = { seed = 0.5 }\n", 2),
        ("[gate]\njump = 1\n\n[ run ] # seed = 3\n  seed   =0.5", 5),
        ('[run]\n"seed" = 0.5\n', 2),
        ("[metric]\nname = 'seed'\n[run]\ntimeout_s = 3 # seed = 4\nseed=0.5\n", 5),
    ],
)
def test_the_line_is_found_however_the_key_is_written(text: str, line: int) -> None:
    assert line_of(text, "run", "seed") == line
    with pytest.raises(SettingsError, match=f"x, line {line}: run.seed is"):
        parse(text, "x")


def test_a_line_that_cannot_be_told_is_the_sections_or_the_first() -> None:
    assert line_of("\n[run]\n", "run", "seed") == 2
    assert line_of("", "run", "seed") == 1


@given(st.text(max_size=60))
def test_any_text_is_settings_or_a_refusal(text: str) -> None:
    try:
        assert isinstance(parse(text, "x"), Settings)
    except SettingsError as refused:
        assert str(refused).startswith("x")


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.sampled_from(["auto", "", "search", "../x"]),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
KEYS = [(s, k) for s, table in msgspec.to_builtins(Settings()).items() for k in table]


@given(st.sampled_from(KEYS), JSONISH)
def test_any_value_of_any_key_is_taken_as_it_is_or_refused_by_name(where: tuple[str, str], value: object) -> None:
    section, key = where
    text = f"[{section}]\n{key} = {toml(value)}\n"
    try:
        taken = msgspec.to_builtins(parse(text, "x"))[section][key]
    except SettingsError as refused:
        assert str(refused).startswith(f"x, line 2: {section}.{key} is ")
    else:
        assert taken == (False if value is None else value)  # TOML has no null


def toml(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return str(bool(value)).lower()
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


@pytest.mark.parametrize(
    ("key", "opens"), [("metric.name", True), ("run.timeout_s", True), ("scope.pinned", True), ("gate.jump", False)]
)
def test_what_makes_results_incomparable_opens_a_segment(key: str, opens: bool) -> None:
    assert opens_segment(key) is opens
