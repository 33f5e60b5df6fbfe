"""autoresearch.md: generated parts made new, a person's text kept to the letter."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session import events as ev
from engine.session.document import LEARNT_ROWS, PARTS, TRIED_ROWS, updated
from engine.session.settings import Settings
from engine.session.state import State
from tests.session.story import Story

PART = re.compile(r"<!-- overnight:(\w+) -->\n.*?<!-- /overnight:\1 -->\n", re.DOTALL)


def new(old: str, state: State) -> str:
    return updated(old, state, Settings(), "mar5")


def part(text: str, name: str) -> str:
    found = re.search(rf"<!-- overnight:{name} -->\n(.*?)<!-- /overnight:{name} -->\n", text, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def story() -> Story:
    story = Story()
    story.ran("keep", 1.0)
    story.ran("keep", 0.9, result="a higher rate helps", next_action_hint="try 0.06")
    story.ran("crash", None, reason="CUDA out of memory")
    return story


def test_a_fresh_document_has_every_part_once_and_room_for_a_person() -> None:
    text = new("", State())
    assert text.startswith("# mar5\n\nWrite wherever you like")
    assert [found[1] for found in PART.finditer(text)] == list(PARTS)
    assert "Nothing is measured yet." in text and "as low as it goes" in text


def test_the_parts_tell_the_champion_what_was_tried_learnt_and_failed(story: Story) -> None:
    text = new("", story.state)
    assert "Run 2, commit `c000002`: val_bpb 0.900000, +0.100000 against the baseline's 1.000000 (run 1)." in text
    assert "| 2 | 0.900000 | keep | change 2 |" in part(text, "tried")
    assert "3 in this segment: 2 keep, 0 discard, 1 crash." in part(text, "tried")
    assert "- Run 2: a higher rate helps" in part(text, "learnt")
    assert "- Run 3, change 3: CUDA out of memory" in part(text, "dead_ends")


def test_messages_and_decisions_of_the_operator_are_told_with_their_answers(story: Story) -> None:
    story.tell(
        ev.CommandQueued(at=1, id="a", kind="say", args={"text": "smaller batch"}, by="anna"),
        ev.CommandDone(at=1, id="a", answer="yes"),
        ev.CommandQueued(at=1, id="b", kind="revert", args={"run": "2"}, by="anna"),
        ev.Overridden(
            at=1, command="b", kind="revert", run=2, line=(1,), statuses={2: "discard"}, withdrawn=(), by="anna"
        ),
    )
    found = part(new("", story.state), "operator")
    assert "- anna: smaller batch (done) → yes\n" in found
    assert "- anna: revert of run 2." in found


def test_long_nights_are_cut_to_the_last_rows_and_say_so() -> None:
    story = Story()
    for number in range(TRIED_ROWS + 10):
        story.ran("keep" if number == 0 else "discard", 1.0 + number, result=f"result {number}")
    text = new("", story.state)
    assert "The last 40; 10 older ones are in `autoresearch.jsonl`." in part(text, "tried")
    assert part(text, "tried").count("\n| ") == TRIED_ROWS + 1
    assert part(text, "learnt").count("\n- Run ") == LEARNT_ROWS


PROSE = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=15)
MARKS = [
    mark
    for name in ("goal", "tried", "mine")
    for mark in (f"<!-- overnight:{name} -->\n", f"<!-- /overnight:{name} -->\n")
]
SCRAPS = st.lists(PROSE | st.sampled_from([*MARKS, "<!-- overnight:goal -->", "<!--", "-->", "\n"]), max_size=12)


@settings(max_examples=150)
@given(SCRAPS)
def test_a_second_update_changes_nothing_whatever_stood_there(scraps: list[str]) -> None:
    story = Story()
    story.ran("keep", 1.0)
    once = new("".join(scraps), story.state)
    assert new(once, story.state) == once


@settings(max_examples=100)
@given(st.lists(PROSE, min_size=len(PARTS) + 1, max_size=len(PARTS) + 1), st.permutations(list(PARTS)))
def test_what_stands_around_the_parts_is_kept_to_the_letter_wherever_they_were_moved(
    prose: list[str], order: list[str]
) -> None:
    story = Story()
    framed = {name: f"<!-- overnight:{name} -->\nold\n<!-- /overnight:{name} -->\n" for name in order}
    old = prose[0] + "".join(framed[name] + text for name, text in zip(order, prose[1:], strict=True))
    for metric in (1.0, 0.9):
        story.ran("keep", metric)
        old = new(old, story.state)
        assert PART.split(old)[::2] == prose
        assert PART.split(old)[1::2] == order


def test_a_lost_end_mark_never_costs_a_person_a_word(story: Story) -> None:
    text = new("", story.state).replace("<!-- /overnight:goal -->\n", "")
    text = text.replace("<!-- overnight:tried -->", "my own thoughts\n<!-- overnight:tried -->")
    for _ in range(3):
        text = new(text, story.state)
        assert text.count("my own thoughts") == 1
        assert part(text, "champion").startswith("## Champion")


def test_a_deleted_part_comes_back_a_doubled_one_is_one_again_and_a_foreign_one_stays(story: Story) -> None:
    text = new("", story.state)
    tried = f"<!-- overnight:tried -->\n{part(text, 'tried')}<!-- /overnight:tried -->\n"
    assert new(text.replace(tried, ""), story.state).count(tried) == 1
    assert new(text + tried, story.state).count(tried) == 1
    foreign = "<!-- overnight:weather -->\nrain\n<!-- /overnight:weather -->\n"
    assert foreign in new(text + foreign, story.state)


HOSTILE = "| a | b |\n# title\n<!-- /overnight:tried -->\n<!-- overnight:goal -->\x1b[2J\u202e\x00 `x`"


def test_a_hostile_description_is_one_harmless_line(story: Story) -> None:
    story.ran("discard", 1.0, result=HOSTILE)
    story.experiment(4).description = HOSTILE
    story.experiment(3).reason = HOSTILE
    text = new("", story.state)
    assert [found[1] for found in PART.finditer(text)] == list(PARTS)
    assert text.count("<!--") == 2 * len(PARTS)
    assert not {"\x1b", "\u202e", "\x00"} & set(text)
    row = next(line for line in part(text, "tried").splitlines() if line.startswith("| 4 "))
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert new(text, story.state) == text


@settings(max_examples=60)
@given(st.text(max_size=40), st.text(max_size=20))
def test_no_text_of_a_researcher_breaks_the_frame(description: str, result: str) -> None:
    story = Story()
    story.ran("keep", 1.0, result=result)
    story.experiment(1).description = description
    text = new("", story.state)
    assert [found[1] for found in PART.finditer(text)] == list(PARTS)
    assert new(text, story.state) == text
