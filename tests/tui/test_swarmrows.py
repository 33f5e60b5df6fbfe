"""What the swarm screen makes of a document: nothing foreign stays alive, nothing of another form is believed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session.inert import inert
from tui import swarmdata
from tui.fitting import width_of
from tui.runs import line_width, plain
from tui.swarmdata import Adopted, Claim, Idea, Member, News, Overview, Place, Rerun, Waiting
from tui.swarmrows import SECTIONS, ago, balance, detail

BY_ID = {section.id: section for section in SECTIONS}


def harmless(text: str) -> bool:
    """Whether nothing in it would have to be replaced."""
    return inert(text) == text


def texts(section: str, overview: Overview) -> list[str]:
    """The rows of a section as text."""
    return [" ".join(text for text, _ in entry.cells) for entry in BY_ID[section].entries(overview)]


def test_the_sessions_own_class_comes_first_and_each_class_counts_from_one() -> None:
    places = [
        Place(contract="a" * 64, gpu="H100", name="bob", verified=0.9),
        Place(contract="a" * 64, gpu="H100", name="cyd", reported=0.8),
        Place(contract="b" * 64, gpu="cpu", name="ann", reported=1.2, own=True, own_class=True),
    ]
    rows = texts("leaderboard", Overview(leaderboard=places))
    assert ["ann" in rows[0], "bob" in rows[1], "cyd" in rows[2]] == [True] * 3
    assert "1.200000" in rows[0] and "unverified" in rows[0] and "0.900000 verified" in rows[1]
    alone = BY_ID["leaderboard"].entries(Overview(leaderboard=places))[0]
    assert "nobody else is in this class" in " ".join(plain(line) for line in detail(alone, 200))


def test_members_are_alive_silent_or_revoked() -> None:
    members = [Member(name="a", alive=True), Member(name="b", seen=1000.0), Member(name="c", revoked=5.0, alive=False)]
    rows = texts("members", Overview(now=11_800.0, members=members))
    assert "● alive" in rows[0] and "○ 3 h" in rows[1] and "× revoked" in rows[2]


def test_a_lease_that_ran_out_is_not_shown_as_one_that_runs() -> None:
    claims = [Claim(name="a", until=700.0), Claim(name="b", until=90.0), Claim(name="c", until=99.0, live=True)]
    rows = texts("claims", Overview(now=100.0, claims=claims))
    assert "10 min left" in rows[0] and "ran out" in rows[1] and "ran out" in rows[2]


def test_only_results_with_a_metric_can_be_adopted_from_the_feed() -> None:
    news = [
        News(id="1", kind="result", metric=1.0),
        News(id="2", kind="result"),
        News(id="3", kind="insight", text="x"),
    ]
    assert [entry.result for entry in BY_ID["feed"].entries(Overview(feed=news))] == ["1", "", ""]


def test_what_was_given_and_taken_is_in_the_last_section_and_in_the_line() -> None:
    overview = Overview(adopted=[Adopted(run=7, status="keep", result="e" * 32)], avoided=4, delivered=12, waiting=3,
                        verified=[Rerun(name="bob", result="f" * 32, metric=0.98, outcome="ok")])  # fmt: skip
    took, gave = texts("own", overview)
    assert "took" in took and "run 7" in took and "keep" in took and "eeeeeeee" in took
    assert "gave" in gave and "bob" in gave and "0.980000" in gave
    line = plain(balance(overview, 200))
    assert all(word in line for word in ("12 records", "3 wait", "1 re-run", "1 adopted", "4 repeats avoided"))
    assert "3 wait" in plain(balance(overview, 50)) and line_width(balance(overview, 50)) <= 50


_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=60) | st.sampled_from(
    ["\x1b[2J", "\x1b]52;c;AAAA\x07", "\u202eevil", "a\nb\rc", "\x9b31m"]
)


@settings(max_examples=60)
@given(_text, st.floats(allow_nan=False, allow_infinity=False) | st.none(), st.integers(20, 200))
def test_no_control_character_of_anybody_reaches_a_cell(text: str, metric: float | None, width: int) -> None:
    told = Overview(
        swarm=text, where=text, name=text, trouble=text, why=text,
        members=[Member(name=text, machine=text, gpu=text)],
        leaderboard=[Place(name=text, gpu=text, contract=text, reported=metric, description=text, reason=text)],
        feed=[News(id=text, kind=text, name=text, text=text, state=text, metric=metric, gpu=text)],
        claims=[Claim(name=text, description=text)],
        hypotheses=[Idea(name=text, text=text, evidence=text, state=text)],
        queue=[Waiting(name=text, description=text, reason=text, metric=metric, state=text)],
        adopted=[Adopted(status=text, result=text)], verified=[Rerun(name=text, result=text, outcome=text)],
    )  # fmt: skip
    overview = swarmdata.overview(msgspec.to_builtins(told))
    assert harmless(overview.swarm) and harmless(overview.trouble)
    for section in SECTIONS:
        (entry, *_) = section.entries(overview)
        assert len(entry.cells) == len(section.columns)
        assert all(harmless(cell) for cell, _ in entry.cells), section.id
        lines = detail(entry, width)
        assert all(harmless(plain(line)) and line_width(line) <= width for line in lines)


def test_a_document_of_another_form_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="not understood"):
        swarmdata.overview({"members": "many"})
    with pytest.raises(ValueError, match=r"members\[0\]"):
        swarmdata.overview({"members": [{"name": 5}]})


def test_while_the_swarm_is_away_what_it_told_last_stays() -> None:
    old = Overview(where="x", members=[Member(name="bob")], now=5.0)
    away = Overview(where="x", reachable=False, waiting=3)
    kept = swarmdata.since_left(away, old)
    assert (kept.members, kept.now, kept.waiting, kept.reachable) == (old.members, 5.0, 3, False)
    assert swarmdata.since_left(msgspec.structs.replace(away, where="y"), old).members == []
    assert swarmdata.since_left(away, None).members == []


def test_times_are_coarse() -> None:
    assert [ago(s) for s in (-5, 59, 60, 7199, 7200, 172800)] == ["<1 min", "<1 min", "1 min", "119 min", "2 h", "2 d"]
    assert all(width_of(ago(s)) <= 7 for s in (0, 7199, 172799, 8.64e8))
