"""Versions: one for each experiment that was ever kept, numbered once and for ever."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.reports.versions import missed_since, versions
from engine.session import events as ev
from engine.session import lineage
from tests.session.story import Story


def decide(story: Story, kind: str, run: int) -> bool:
    """An operator's decision, if it can be made."""
    try:
        made = {"revert": lineage.revert, "keep": lineage.keep}[kind](story.state, run)
    except lineage.Refused:
        return False
    id = f"c{len(story.state.commands)}"
    story.tell(
        ev.CommandQueued(at=story.now, id=id, kind=kind, args={"run": str(run)}, by="anna"),
        ev.Overridden(
            at=story.now,
            command=id,
            kind=kind,
            run=run,
            line=made.line,
            statuses=made.statuses,
            withdrawn=made.withdrawn,
            by="anna",
        ),
    )
    return True


def test_keeps_are_numbered_in_order_and_what_was_missed_between_them_is_told() -> None:
    story = Story()
    story.ran("keep", 1.0)
    story.ran("discard", 1.1)
    story.ran("keep", 0.9)
    story.ran("crash", None)
    story.ran("discard", 1.2)
    story.ran("keep", 0.8)
    story.ran("discard", 1.3)
    found = versions(story.state)
    assert [(one.name, one.run, one.base, one.missed) for one in found] == [
        ("v0.0.0", 1, "", ()),
        ("v0.0.1", 3, "v0.0.0", (2,)),
        ("v0.0.2", 6, "v0.0.1", (4, 5)),
    ]
    assert missed_since(story.state, found) == (7,)


def test_a_new_segment_counts_from_its_own_baseline() -> None:
    story = Story()
    story.ran("keep", 1.0)
    story.ran("keep", 0.9)
    story.segment()
    story.ran("keep", 3.0)
    story.ran("keep", 2.9)
    assert [one.name for one in versions(story.state)] == ["v0.0.0", "v0.0.1", "v0.1.0", "v0.1.1"]


def test_a_withdrawn_version_stays_and_one_taken_by_hand_comes_after_it() -> None:
    story = Story()
    story.ran("keep", 1.0)
    story.ran("discard", 0.95)
    story.ran("keep", 0.9)
    assert decide(story, "revert", 3) and decide(story, "keep", 2)
    found = versions(story.state)
    assert [(one.name, one.run, one.kept_by, one.withdrawn_by) for one in found] == [
        ("v0.0.0", 1, "", ""),
        ("v0.0.1", 3, "", "anna"),
        ("v0.0.2", 2, "anna", ""),
    ]


STEPS = st.lists(
    st.tuples(st.sampled_from(["keep", "discard", "crash", "revert", "take"]), st.integers(1, 8)), max_size=14
)


@settings(max_examples=100)
@given(STEPS)
def test_a_version_never_changes_its_number_nor_its_run(steps: list[tuple[str, int]]) -> None:
    story = Story()
    story.ran("keep", 1.0)
    before: list[tuple[str, int]] = []
    for kind, run in steps:
        if kind in ("revert", "take"):
            decide(story, "keep" if kind == "take" else "revert", run)
        else:
            story.ran(kind, None if kind == "crash" else 1.0 / (2 + len(story.state.experiments)))
        now = [(one.name, one.run) for one in versions(story.state)]
        assert now[: len(before)] == before
        before = now
    runs = [one.run for one in versions(story.state)]
    kept = {e.run for e in story.state.experiments if e.status == "keep"}
    assert len(set(runs)) == len(runs) and kept <= set(runs)
    missed = [run for one in versions(story.state) for run in one.missed]
    assert not set(missed) & set(runs)
