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
        assert [row["id"] for row in overnight("swarm", "hypotheses", "--state", state, "--json", *own).json] == [
            one["id"]
        ]
