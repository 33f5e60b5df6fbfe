"""`overnight swarm results`, `hypotheses` and `join` with words that fit nothing: refused with what is expected."""

from pathlib import Path

import pytest

from tests.cli.conftest import Overnight
from tests.tui.swarming import Lab


@pytest.fixture
def lab(sessions: Path, tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("results", "--state", "frob"), 2, "quarantined"),
        (("results", "--limit", "0"), 2, "from 1 to 500"),
        (("results", "--limit", "-3"), 2, "from 1 to 500"),
        (("results", "--member", "nobody"), 4, "no member is named nobody"),
        (("best", "--member", "nobody"), 4, "leaderboard"),
        (("hypotheses", "--mark", "0000", "dropped"), 4, "overnight swarm hypotheses lists them"),
        (("hypotheses", "--mark", "0000", "frob"), 2, "open, claimed, tested, dropped"),
        (("hypotheses", "--add", "go wide", "--mark", "0000", "dropped"), 2, "one after the other"),
        (("ask", " "), 2, "no words"),
        (("join", "http://127.0.0.1:1", "--code", "12 34"), 2, "8 digits"),
    ],
)
def test_words_that_fit_nothing_are_refused_with_what_is_expected(
    overnight: Overnight, lab: Lab, words: tuple[str, ...], code: int, told: str
) -> None:
    if words[0] == "join":
        overnight("swarm", "leave", "-s", str(lab.story.paths.root))
    said = overnight("swarm", *words, "-s", str(lab.story.paths.root))
    assert (said.code, told in said.err) == (code, True), said
    assert "Traceback" not in said.err and not said.out


def test_a_members_name_is_found_whatever_its_case(overnight: Overnight, lab: Lab) -> None:
    lab.fill()
    said = overnight("swarm", "results", "--member", "BOB", "--json", "-s", str(lab.story.paths.root))
    assert [row["name"] for row in said.json["results"]] == ["bob"]


def test_a_hypothesis_that_was_dropped_can_be_opened_again(overnight: Overnight, lab: Lab) -> None:
    lab.fill()
    own = ("-s", str(lab.story.paths.root))
    (one,) = overnight("swarm", "hypotheses", "--json", *own).json
    for state in ("dropped", "open"):
        assert overnight("swarm", "hypotheses", "--mark", one["id"][:8], state, *own).code == 0
        (found,) = overnight("swarm", "hypotheses", "--state", state, "--json", *own).json
        assert (found["id"], found["state"]) == (one["id"], state)


def test_who_joins_again_is_told_the_name_that_the_key_has(overnight: Overnight, lab: Lab) -> None:
    own = ("-s", str(lab.story.paths.root))
    assert overnight("swarm", "leave", *own).code == 0
    said = overnight("swarm", "join", str(lab.file), "--name", "anna", *own)
    assert said.code == 4 and "--name ann\n" in said.err
    assert overnight("swarm", "join", str(lab.file), "--name", "ann", *own).code == 0


def test_of_several_classes_each_result_is_told_with_its_class(overnight: Overnight, lab: Lab) -> None:
    lab.fill()
    lab.members["bob"].tell("on a big one", 0.9)
    own = ("-s", str(lab.story.paths.root))
    told = overnight("swarm", "best", "--all", *own).out.splitlines()
    (big,) = (line for line in told if "on a big one" in line)
    assert big.startswith("H100 80GB HBM3  ") and len({line[:24] for line in told}) == 2
    places = overnight("swarm", "leaderboard", "--all", *own).out.splitlines()
    assert {line[:24] for line in places} == {line[:24] for line in told}
    assert overnight("swarm", "best", "--tier", ">48", *own).out.startswith("H100 80GB HBM3  ")
    assert not overnight("swarm", "best", *own).out.startswith(lab.klass.gpu.removeprefix("NVIDIA "))
