"""The space file, the arithmetic of its rules, the steps within a range and the text that is written."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.researchers.base import ResearcherFailed
from engine.researchers.search import space
from engine.researchers.search.arithmetic import ArithmeticRefused, evaluate
from engine.researchers.search.sources import sources
from engine.researchers.search.space import Constant, Rule
from engine.researchers.search.steps import at, between, further, neighbours, position
from engine.researchers.search.values import Value, read, write
from engine.session.assets import assets_dir

RATE = Constant("LR", "float", "rates", 0.001, 1.0, log=True)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("2**15", 32768),
        ("(N or 3 * 4) % 4 == 0", True),
        ("1 if A is None else A // 2", 1),
        ("max(1, min(4, 2)) <= 2 < 3", True),
        ("set('SSL') <= set('SL')", True),
        ("-2.5e-3", -0.0025),
        ("(1, 2)[1]", 2),
    ],
)
def test_rules_are_worked_out(source: str, value: Value) -> None:
    assert evaluate(source, {"A": None, "N": None}) == value


@pytest.mark.parametrize(
    "source",
    [
        "__import__('os')",
        "().__class__",
        "open('x')",
        "[x for x in (1,)]",
        "lambda: 1",
        "9**9**9",
        "'x' * 10**9",
        "1 / 0",
        "1 +",
        "UNKNOWN",
        "f'{1}'",
        "'a' < 1",
        "(1,)[3]",
        "(" * 500,
    ],
)
def test_what_is_no_arithmetic_is_refused_and_not_run(source: str) -> None:
    with pytest.raises(ArithmeticRefused):
        evaluate(source)


@given(
    st.recursive(
        st.integers(-99, 99).map(str), lambda inner: st.builds("({}{}{})".format, inner, st.sampled_from("+-*"), inner)
    )
)
@settings(max_examples=50)
def test_arithmetic_agrees_with_python(source: str) -> None:
    assert evaluate(source) == eval(source)


def test_a_rule_that_names_no_constant_here_or_that_the_champion_breaks_too_refuses_nothing() -> None:
    known = space.Space({}, (Rule("GONE > 3", "gone"), Rule("A > 3", "a too small")))
    assert known.broken({"A": 1}, {"A": 2}) == ""
    assert known.broken({"A": 1}, {"A": 5}) == "a too small"


def test_a_rule_may_compare_with_the_champion() -> None:
    known = space.Space({}, (Rule("A <= before['A']", "no more work"),))
    assert known.broken({"A": 3}, {"A": 2}) == "no more work"
    assert known.broken({"A": 2}, {"A": 2}) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[A", "not TOML"),
        ("A = 3", "A is 3; expected a table"),
        ('[A]\nkind = "floot"', r"\[A\]: .*floot"),
        ('[A]\nkind = "float"\nlow = 2\nhigh = 1', "needs low < high"),
        ('[A]\nkind = "float"\nlow = 0\nhigh = 1\nlog = true', "low must be above 0"),
        ('[A]\nkind = "choice"', "a choice without values"),
        ('[A]\nkind = "int"\nlow = 1\nhihg = 3', "hihg"),
        ('[A]\nkind = "int"\nlow = 1\nhigh = 3\nfirst = [7]', "first has 7, which lies outside 1–3"),
        ('[[constraint]]\nrule = "A >"\nmessage = "m"', "constraint"),
        ('[[constraint]]\nrule = "A"', "constraint"),
    ],
)
def test_a_bad_space_file_is_refused_with_file_and_key(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "search_space.toml").write_text(text)
    with pytest.raises(ResearcherFailed, match=rf"search_space\.toml: .*{expected}"):
        space.load(tmp_path)


def test_the_templates_own_space_fits_its_own_files(tmp_path: Path) -> None:
    known = space.load(tmp_path)
    found = sources({"train.py": (assets_dir() / "train.py").read_text()}, assets_dir())
    assert known.constants.keys() <= found.values.keys()
    for rule in known.rules:
        assert rule.broken(found.known({}), found.known({})) == "", rule
    for name, constant in known.constants.items():
        for value in constant.first:
            assert constant.contains(value), name


@given(st.floats(0, 1), st.floats(0, 1))
def test_steps_stay_in_the_range_and_keep_their_direction(a: float, b: float) -> None:
    old, new = at(RATE, a), at(RATE, b)
    onward = further(RATE, old, new)
    assert RATE.contains(old) and RATE.contains(onward)
    places = [position(RATE, value) for value in (old, new, onward)]
    assert all(place is not None for place in places)
    if onward != new:
        assert (places[1] - places[0]) * (places[2] - places[1]) > 0  # type: ignore[operator]
    middle = between(RATE, old, new)
    assert middle is None or min(old, new) < middle < max(old, new)  # type: ignore[operator, type-var]


def test_neighbours_are_the_nearest_first_and_all_different() -> None:
    found = neighbours(Constant("D", "int", "shape", 1, 6), 4)
    assert found[:2] == [3, 5] and sorted(found) == [1, 2, 3, 5, 6]  # type: ignore[type-var]
    rates = neighbours(RATE, 0.1)
    assert len(set(rates)) == len(rates) > 20
    assert all(isinstance(rate, float) and abs(math.log(rate / 0.1)) > 0.1 for rate in rates)


@pytest.mark.parametrize(
    ("value", "like", "text"),
    [
        (32768, "2**14", "2**15"),
        (24576, "2**14", "24576"),
        (524288, "262_144", "524_288"),
        (0.03, "0.02", "0.03"),
        (5e-05, "0.1", "5e-05"),
        ((0.9, 0.95), "(0.8, 0.95)", "(0.9, 0.95)"),
        ((0.9, 0.95), "[0.8, 0.95]", "[0.9, 0.95]"),
        ((1,), "(2,)", "(1,)"),
        ("SL", '"SSSL"', '"SL"'),
        ("SL", "'SSSL'", "'SL'"),
        (None, "768", "None"),
        (768, "None", "768"),
    ],
)
def test_values_are_written_as_the_file_writes_its_own(value: Value, like: str, text: str) -> None:
    assert write(value, like) == text
    assert read(text) == value
