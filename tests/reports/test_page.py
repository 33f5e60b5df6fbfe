"""The journal's page: what it tells, and that no text of others breaks it."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.reports.entry import Around
from engine.reports.material import Material, commit_pages
from engine.reports.page import parts
from engine.reports.todos import open_todos
from engine.reports.versions import versions
from engine.session import events as ev
from engine.session.marked import merged, parts_of
from engine.session.night import night
from engine.session.profiles import Profile
from engine.session.samples import Sample
from tests.session.story import Story


def page(story: Story, materials: dict[int, Material] | None = None, old: str = "# journal\n", pages: str = "") -> str:
    """The page made from a story."""
    found = versions(story.state)
    around = Around(story.state, {one.run: one.name for one in found}, pages)
    made = parts(found, materials or {}, {}, night(story.state), open_todos(story.state), around)
    return merged(old, made, in_order=True)


def begun() -> Story:
    story = Story()
    story.ran("keep", 1.0)
    story.ran("discard", 1.1, reason="worse by 0.100000")
    story.ran("keep", 0.9, result="a higher rate helps")
    return story


def test_a_session_without_results_has_a_page() -> None:
    assert "Nothing was measured yet." in page(Story())


def test_parts_come_by_date_notes_among_the_versions_and_later_ones_below() -> None:
    story = begun()
    story.tell(ev.Noted(at=story.now, text="the fan is loud", by="anna"))
    story.ran("keep", 0.8)
    story.tell(ev.Noted(at=story.now, text="quiet again", by="bo"))
    text = page(story)
    order = ["head", "v0_0_0", "v0_0_1", "note_1", "v0_0_2", "note_2", "since", "failures", "todos"]
    assert parts_of(text) == order
    assert "anna" in text and "the fan is loud" in text
    story.ran("keep", 0.7)
    assert parts_of(page(story, old=text)) == [*order[:6], "v0_0_3", *order[6:]]


def test_an_entry_tells_why_what_before_after_and_what_was_missed() -> None:
    material = Material(
        constants={"LR": "0.2", "DEPTH": "4"},
        changed={"LR": ("0.1", "0.2")},
        curve=[(step, 5 - step / 50) for step in range(100)],
        samples=[Sample("Once", "Once upon a time")],
        profile=Profile("a GPU", True, 20, 10.0, {"forward": 4.0, "backward": 6.0}),
    )
    text = page(begun(), {3: material}, pages="https://example.org/a/commit/")
    own = text[text.index("### v0.0.1") : text.index("<!-- /overnight:v0_0_1 -->")]
    assert "- **Result:** a higher rate helps" in own
    assert "| **val_bpb** | 1.000000 | 0.900000 | 0.100000 better |" in own
    assert "| `LR` | `0.1` | `0.2` |" in own and "**`LR`** | `0.2` | `DEPTH` | `4`" in own
    assert "█" in own and "Once▸ upon a time" in own and "| backward | 6.00 | 60% |" in own
    assert "- run 2, change 2 — discard, 0.100000 worse" in own
    assert "[`c000003`](https://example.org/a/commit/c000003)" in own


def test_a_growth_search_is_told_by_its_rounds_and_ratios() -> None:
    story = begun()
    story.tell(
        ev.RoundPlanned(
            at=story.now, round=1, segment=0, base=1, cost="params", seeds=1, candidates=(), config={"DEPTH": "2"}
        ),
        ev.RoundDecided(at=story.now, round=1, chosen=3, reason="score +0.01 for 2 M parameters"),
    )
    text = page(story)
    assert "| 1 | params | 0 | v0.0.1, change 3 | score +0.01 for 2 M parameters |" in text
    assert "Ratios: not told" in text and "growth" in parts_of(text)


def test_a_withdrawn_version_says_so() -> None:
    story = begun()
    story.tell(
        ev.CommandQueued(at=story.now, id="a", kind="revert", args={"run": "3"}, by="anna"),
        ev.Overridden(
            at=story.now, command="a", kind="revert", run=3, line=(1,), statuses={3: "discard"}, withdrawn=(), by="anna"
        ),
    )
    assert "**Withdrawn by anna**" in page(story)


def test_a_person_s_words_stay_below_the_version_they_were_written_to() -> None:
    story = begun()
    text = page(story).replace("<!-- /overnight:v0_0_1 -->\n", "<!-- /overnight:v0_0_1 -->\n\nWHY DID THIS HELP?\n")
    story.ran("keep", 0.8)
    after = page(story, old=text)
    assert after.index("<!-- /overnight:v0_0_1 -->") < after.index("WHY DID THIS HELP?") < after.index("### v0.0.2")
    assert page(story, old=after) == after


HOSTILE = "| a | b |\n# title\n<!-- /overnight:v0_0_1 -->\n```\n<script>x</script> ![x](http://a/b)\x1b[2J\u202e\x00"
TEXT = st.text(max_size=20) | st.sampled_from([HOSTILE, "<!-- overnight:head -->", "````", "-->"])


@settings(max_examples=60)
@given(TEXT, TEXT, TEXT, TEXT)
def test_no_text_of_others_breaks_the_page_or_comes_to_life(one: str, two: str, three: str, four: str) -> None:
    story = begun()
    kept = story.experiment(3)
    kept.description, kept.notes, kept.params = one, [two], {"LR": (three, four)}
    kept.asi = {"hypothesis": two, "result": three, "next_action_hint": four, "arch_change": one}
    story.experiment(2).description, story.experiment(2).reason = two, three
    story.tell(ev.Noted(at=story.now, text=one + "\n" + four, by=two))
    material = Material(changed={"LR": (three, four)}, samples=[Sample(one, two)], diff=f"+{three}\n-{four}")
    text = page(story, {3: material})
    assert parts_of(text) == ["head", "v0_0_0", "v0_0_1", "note_1", "since", "failures", "todos"]
    assert text.count("<!--") == 2 * len(parts_of(text))
    outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    outside = re.sub(r"`[^`\n]*`", "", outside)  # code shows what it holds
    assert "<script" not in outside and "![x]" not in outside
    assert not {"\x1b", "\u202e", "\x00"} & set(text)
    assert page(story, {3: material}, old=text) == text


def test_remotes_of_forges_become_links_and_others_do_not() -> None:
    assert commit_pages("git@github.com:anna/nanochat.git") == "https://github.com/anna/nanochat/commit/"
    assert commit_pages("https://anna:secret@github.com/anna/x") == "https://github.com/anna/x/commit/"
    assert commit_pages("https://gitlab.com/a/b.git") == "https://gitlab.com/a/b/-/commit/"
    for local in ("/srv/git/x.git", "../x", "", "file:///srv/x"):
        assert commit_pages(local) == ""
