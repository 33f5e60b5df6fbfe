"""Nothing that is known of a result is lost: what a prompt shortens stands whole where the prompt says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.researchers.prompt import archive, build
from engine.researchers.prompt.quoting import DATA, one_line
from engine.researchers.prompt.size import cost, pieces, tokens
from engine.session.settings import Researcher
from engine.session.state import Experiment
from tests.researchers.agent.playing import Stage
from tests.researchers.briefs import brief, result
from tests.researchers.test_prompt_results import many

WHERE = "the archive"
PAGE = re.compile(r"Page (\d+) of (\d+)")
TEXTS = st.text(max_size=200)


@st.composite
def results(draw: st.DrawFn) -> list[Experiment]:
    """Results with arbitrary texts and metrics, many of them about the same constants in the same words."""
    texts = st.one_of(st.sampled_from(["raise LR 0.1→0.2", "Raise LR 0.1→0.2!", "a longer warm-up"]), TEXTS)
    made = [result(1, "the baseline", "keep", 1.0)]
    for run in range(2, draw(st.integers(2, 40))):
        metric = draw(st.none() | st.floats(0.5, 2.0))
        one = result(run, draw(texts), "crash" if metric is None else "discard", metric)
        one.asi = {"hypothesis": draw(texts), "next_action_hint": draw(texts)}
        one.params = {"LR": ("0.1", draw(st.sampled_from(["0.2", "0.3"])))} if draw(st.booleans()) else {}
        one.notes = draw(st.lists(texts, max_size=1))
        made.append(one)
    return made


def paged(pages: archive.Pages, query: str, room: int) -> Iterator[str]:
    """What every page of an answer quotes."""
    number, last = 1, 1
    while number <= last:
        text = pages.page(query, number)
        assert cost(text) <= room
        found = PAGE.search(text)
        assert found and int(found[1]) == number, text
        last, number = int(found[2]), number + 1
        yield text[text.index(DATA) + len(DATA) + 1 : text.rindex("\n")]


def objects(lines: str) -> dict[int, dict[str, Any]]:
    return {told["run"]: told for told in map(json.loads, lines.strip("\n").split("\n"))}


@settings(max_examples=40, deadline=None)
@given(results(), st.integers(2000, 5000))
def test_every_text_and_figure_of_every_result_is_in_the_archive_to_the_letter(
    tmp_path_factory: pytest.TempPathFactory, made: list[Experiment], bound: int
) -> None:
    asked = brief(tmp_path_factory.getbasetemp() / "archive", *made, researcher=Researcher(prompt_tokens=bound))
    prompt = build(asked, "Answer.", WHERE)
    assert tokens(prompt) <= bound and prompt == build(asked, "Answer.", WHERE)
    file, room = archive.whole(made), 3 * 500
    pages = archive.Pages(made, room)
    by_page = objects("\n".join(quoted for quoted in paged(pages, "", 10**9)))
    for told in (objects(file), by_page):
        assert sorted(told) == [one.run for one in made]
        for one in made:
            assert told[one.run]["description"] == one.description
            assert told[one.run].get("asi", {}) == one.asi and told[one.run].get("notes", []) == one.notes
            assert told[one.run]["metric"] == one.metric
    for one in made[-3:]:
        assert objects("".join(paged(pages, f"run {one.run}", room)))[one.run].get("asi", {}) == one.asi
    whole = all(f"change: {one_line(one.description)}" in prompt for one in made)
    assert whole or f"each stands whole in {WHERE}" in prompt


@given(st.text(max_size=400), st.integers(12, 200))
def test_pieces_join_to_the_text_and_each_fits(text: str, room: int) -> None:
    parts = pieces(text, room)
    assert "".join(parts) == text and all(part and cost(part) <= room for part in parts)


def test_a_result_longer_than_a_page_goes_on_on_the_next() -> None:
    one = result(2, "an idea")
    one.notes = ["a very long note, " * 400]
    pages = archive.Pages([result(1, "the baseline", "keep"), one], 3 * 500)
    parts = [quoted.removesuffix("\n") for quoted in paged(pages, "2", 3 * 500)]
    assert len(parts) > 3 and json.loads("".join(parts))["notes"] == one.notes


def test_results_are_found_by_words_by_a_run_and_by_runs_newest_first() -> None:
    made = many(60)
    made[30].description = 'Swap the "Muon" step\u2028for SOAP'
    pages = archive.Pages(made, 9000)
    assert list(objects(next(paged(pages, 'soap "MUON"', 9000)))) == [31]
    assert list(objects(next(paged(pages, "run 17", 9000)))) == [17]
    assert list(objects(next(paged(pages, "20 - 17", 9000)))) == [20, 19, 18, 17]
    assert len(objects(next(paged(pages, "keep idea", 9000)))) == 8
    assert pages.page("no such thing").startswith("None of 60 results matches 'no such thing'")
    assert pages.page("", 99) == pages.page("", int(PAGE.search(pages.page())[2]))  # type: ignore[index]


def test_no_credential_stands_in_the_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-very-secret-value")
    one = result(2, "put sk-very-secret-value into it")
    assert "very-secret" not in archive.whole([one]) + archive.Pages([one], 9000).page("2")


def test_the_results_of_earlier_segments_are_told_of_and_found(tmp_path: Path) -> None:
    old = result(1, "an idea of yore", "keep", 3.5)
    text = build(brief(tmp_path, result(2, "the baseline", "keep"), earlier=(old,)), "", WHERE)
    assert "1 results of earlier segments" in text and f"not among these; each stands whole in {WHERE}" in text
    assert "an idea of yore" not in text


AGENT = """
told = [json.loads(line) for line in open("OVERNIGHT-RESULTS.jsonl", encoding="utf-8")]
assert "OVERNIGHT-RESULTS.jsonl" in prompt or len(told) < 9, prompt
put("ALPHA = 0.9", "ALPHA = 0.8")
hand_in(description=told[MINE]["description"] + " again")
open("OVERNIGHT-RESULTS.jsonl", "w").write("nonsense")
"""


def test_an_agent_finds_the_archive_in_its_work_tree_and_no_change_of_it_counts(tmp_path: Path) -> None:
    stage = Stage(tmp_path, AGENT.replace("MINE", "1234"), prompt_tokens=4000)
    given = stage.brief(results=tuple(many(2000)))
    proposal = stage.agent.propose(given)
    assert proposal.description == "idea 1235 of many again"
    assert list(proposal.files) == ["train.py"] and not proposal.remarks
    assert "OVERNIGHT-RESULTS.jsonl (a JSON object a line) in your folder" in stage.prompt()
    assert stage.untouched()
