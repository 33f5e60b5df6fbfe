"""What a verification is asked with, and which foreign code is not even run."""

import pytest

from engine.session.state import State
from engine.work.jobs.job import Refused
from engine.work.jobs.verification import check, objections, seeds, unsafe

OWN = {"train.py": "ALPHA = 1\n"}


@pytest.mark.parametrize("text", ["", "1", "1 1", "1 -2", "1 x", "1 2 3 4 5 6 7 8 9", "1 99999999999"])
def test_seeds_are_two_to_eight_different_whole_numbers(text: str) -> None:
    with pytest.raises(Refused, match="whole numbers"):
        seeds({"seeds": text})
    assert seeds({"seeds": "3 1 2"}) == [3, 1, 2]


def test_a_verification_names_a_result_and_needs_a_champion_to_lay_it_over() -> None:
    with pytest.raises(Refused, match="names a result"):
        check(State(), {"seeds": "1 2"})
    with pytest.raises(Refused, match="no champion"):
        check(State(), {"seeds": "1 2", "result": "a" * 32, "code": "b" * 64})


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"prepare.py": "BUDGET = 9\n"}, "outside the scope"),
        ({"train.py": "import requests\n"}, "requests"),
        ({"train.py": 'ALPHA = 1\nimport subprocess\nsubprocess.run(["true"])\n'}, "line 3"),
    ],
)
def test_code_that_reaches_beyond_or_looks_like_cheating_is_not_run(files: dict[str, str], why: str) -> None:
    found = objections(OWN, {**OWN, **files}, ("train.py",), frozenset({"torch"}))
    assert found and why in "; ".join(found)


def test_honest_code_and_the_champions_own_are_run() -> None:
    assert objections(OWN, {"train.py": "ALPHA = 2\n"}, ("train.py",), frozenset()) == []
    assert objections(OWN, dict(OWN), ("train.py",), frozenset()) == []


def test_without_a_sandbox_nobody_elses_code_is_run() -> None:
    assert "guard.sandbox" in unsafe("off")
