"""Constants are read as they are written and set without touching anything else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.work.constants import (
    ConstantError,
    changed_constants,
    constants_only,
    read_constants,
    set_constant,
    set_constants,
)

TEXT = '''"""Größe."""
DEPTH = 8  # layers
BATCH = 2**15
BETAS = (0.8, 0.95)
LONG = (
    1,  # one
    2,
)
PATTERN = "SSSL"; OTHER = -1e-3
RATE: float = 0.04  # é
N_EMBD = None
DERIVED = DEPTH * 64
TWICE = 1
TWICE = 2
A = B = 3
lower = 4


def f():
    INNER = 5
'''


def test_literals_in_capitals_are_constants() -> None:
    assert read_constants(TEXT) == {
        "DEPTH": "8",
        "BATCH": "2**15",
        "BETAS": "(0.8, 0.95)",
        "LONG": "(\n    1,  # one\n    2,\n)",
        "PATTERN": '"SSSL"',
        "OTHER": "-1e-3",
        "RATE": "0.04",
        "N_EMBD": "None",
    }


@pytest.mark.parametrize(
    ("name", "new", "line"),
    [
        ("DEPTH", "12", "DEPTH = 12  # layers"),
        ("OTHER", "0.5", 'PATTERN = "SSSL"; OTHER = 0.5'),
        ("PATTERN", '"ÄL"', 'PATTERN = "ÄL"; OTHER = -1e-3'),
        ("RATE", "3e-2", "RATE: float = 3e-2  # é"),
        ("N_EMBD", "512", "N_EMBD = 512"),
    ],
)
def test_setting_one_touches_its_value_only(name: str, new: str, line: str) -> None:
    changed = set_constant(TEXT, name, new).split("\n")
    assert [(a, b) for a, b in zip(TEXT.split("\n"), changed, strict=True) if a != b] == [
        (next(old for old in TEXT.split("\n") if name in old), line)
    ]


def test_a_value_over_several_lines_is_replaced_whole() -> None:
    assert "LONG = (3, 4)\nPATTERN" in set_constant(TEXT, "LONG", "(3, 4)")


def test_several_on_one_line_are_set_together() -> None:
    changed = set_constants(TEXT, {"PATTERN": '"ÄÄ"', "OTHER": "2", "DEPTH": "1", "LONG": "(9,)"})
    assert "DEPTH = 1  # layers" in changed and 'LONG = (9,)\nPATTERN = "ÄÄ"; OTHER = 2\nRATE' in changed


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_ends_stay(ending: str) -> None:
    assert set_constant(f"A = 1{ending}B = 2{ending}", "B", "3") == f"A = 1{ending}B = 3{ending}"


@pytest.mark.parametrize("new", ["", "x", "1; import os", "1\nC = 2", "f()", "1  # comment", "(", "1 +"])
def test_what_is_no_literal_is_refused(new: str) -> None:
    with pytest.raises(ConstantError, match="not a literal value"):
        set_constant(TEXT, "DEPTH", new)


def test_an_unknown_constant_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConstantError, match="no constant TWICE; there are: DEPTH, BATCH"):
        set_constant(TEXT, "TWICE", "1")
    with pytest.raises(ConstantError, match="does not parse"):
        set_constant("A = (", "A", "1")


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,5}", fullmatch=True), st.integers(), min_size=1), st.data())
@settings(max_examples=60)
def test_setting_reads_back_and_is_the_only_change(values: dict[str, int], data: st.DataObject) -> None:
    text = "".join(f"{name} = {value}  # é\n" for name, value in values.items())
    name = data.draw(st.sampled_from(sorted(values)))
    new = str(data.draw(st.integers() | st.floats(allow_nan=False, allow_infinity=False)))
    changed = set_constant(text, name, new)
    assert read_constants(changed) == {**{key: str(value) for key, value in values.items()}, name: new}
    old = str(values[name])
    assert changed_constants(text, changed) == ({name: (old, new)} if old != new else {})


def test_changes_are_those_both_texts_have() -> None:
    assert changed_constants("A = 1\nB = 2\n", "A = 3\nC = 4\n") == {"A": ("1", "3")}
    assert changed_constants("A = (", "A = 1") == {}


def test_a_change_of_constants_alone_is_told_as_one() -> None:
    old = {"train.py": "LR = 0.1\nDEPTH = 4\nprint(LR)\n"}
    assert constants_only(old, {"train.py": "LR = 0.2  # more\nDEPTH = 4\nprint(LR)\n"}) == {"LR": ("0.1", "0.2")}
    assert constants_only(old, {"train.py": "LR = 0.2\nDEPTH = 4\nprint(DEPTH)\n"}) == {}
    assert constants_only(old, {"train.py": "LR = 0.2\nDEPTH =\n"}) == {}
    assert constants_only(old, old) == {}
    two = {**old, "notes.txt": "a"}
    assert constants_only(two, {**old, "notes.txt": "b"}) == {}, "a text is no constant"
    assert constants_only(two, old) == {} and constants_only(old, {**old, "more.py": "A = 1\n"}) == {}
    assert constants_only({"a.py": "A = 1\n", "b.py": "B = 1\n"}, {"a.py": "A = 2\n", "b.py": "B = 2\n"}) == {
        "A": ("1", "2"),
        "B": ("1", "2"),
    }
