"""Pages that the program and a person write together: what a person wrote stays where it was put."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session.marked import framed, merged, parts_of

PROSE = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)
NAMES = [f"v{number}" for number in range(6)]
PART = re.compile(r"<!-- overnight:(\w+) -->\n.*?<!-- /overnight:\1 -->\n", re.DOTALL)


@settings(max_examples=150)
@given(st.data())
def test_what_a_person_wrote_after_a_part_stays_between_it_and_the_next_whatever_is_added(data: st.DataObject) -> None:
    there: set[str] = set()
    text, written = "", []
    for round in range(4):
        there |= data.draw(st.sets(st.sampled_from(NAMES), min_size=1))
        parts = {name: f"body {name} {round}" for name in NAMES if name in there}
        text = merged(text or "# title\n", parts, in_order=True)
        assert parts_of(text) == list(parts)
        assert merged(text, parts, in_order=True) == text
        for after, words in written:
            place = text.index(words)
            before = [found[1] for found in PART.finditer(text) if found.end() <= place]
            assert before[-1] == after
        after = data.draw(st.sampled_from(sorted(there)))
        words = f"\nmine {round} {data.draw(PROSE)} {round} end\n"
        found = next(one for one in PART.finditer(text) if one[1] == after)
        text = text[: found.end()] + words + text[found.end() :]
        written.append((after, words))
    assert all(words in merged(text, parts, in_order=True) for _, words in written)


@settings(max_examples=100)
@given(st.lists(PROSE, min_size=7, max_size=7), st.permutations(NAMES))
def test_parts_that_were_moved_stay_where_they_were_moved_to(prose: list[str], order: list[str]) -> None:
    old = prose[0] + "".join(framed(name, "old") + words for name, words in zip(order, prose[1:], strict=True))
    new = merged(old, dict.fromkeys(NAMES, "new"), in_order=True)
    assert PART.split(new)[::2] == prose
    assert PART.split(new)[1::2] == order


def test_a_new_part_goes_between_its_neighbours_and_below_what_was_written_there() -> None:
    old = framed("a", "A") + "my words\n" + framed("c", "C")
    new = merged(old, {"a": "A", "b": "B", "c": "C"}, in_order=True)
    assert new == framed("a", "A") + "my words\n" + framed("b", "B") + "\n" + framed("c", "C")
    assert merged(old, {"a": "A", "b": "B", "c": "C"}).endswith(framed("b", "B"))
