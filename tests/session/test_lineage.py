"""The line of champions under an operator's revert, keep and undo."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session import events as ev
from engine.session import lineage
from engine.session.lineage import Override, Refused
from tests.session.story import Story


def decide(story: Story, override: Override) -> None:
    """Tell the decision, as the engine would."""
    story.tell(
        ev.Overridden(
            at=1.0,
            command=f"d{len(story.state.overrides)}",
            kind=override.kind,
            run=override.run,
            line=override.line,
            statuses=override.statuses,
            withdrawn=override.withdrawn,
            by="anna",
        )
    )


@pytest.fixture
def story() -> Story:
    """Line 1, 2, 4, 5; run 3 was tried on 2 and discarded, run 6 on 5."""
    story = Story()
    for status, metric in (("keep", 1.0), ("keep", 0.9), ("discard", 0.95), ("keep", 0.85), ("keep", 0.8)):
        story.ran(status, metric)
    story.ran("discard", 0.9)
    return story


def test_a_revert_brings_back_the_champion_before_and_names_the_later_keeps(story: Story) -> None:
    found = lineage.revert(story.state, 4)
    assert (found.line, found.withdrawn, found.champion) == ((1, 2), (5,), 2)
    assert found.statuses == {4: "discard", 5: "discard"}


def test_a_keep_stands_on_the_champion_that_it_was_tried_on(story: Story) -> None:
    found = lineage.keep(story.state, 3)
    assert (found.line, found.withdrawn) == ((1, 2, 3), (4, 5))
    assert found.statuses == {3: "keep", 4: "discard", 5: "discard"}
    assert lineage.keep(story.state, 6).line == (1, 2, 4, 5, 6)


def test_a_keep_on_a_withdrawn_champion_stands_on_the_nearest_that_is_left(story: Story) -> None:
    decide(story, lineage.revert(story.state, 4))
    found = lineage.keep(story.state, 6)
    assert (found.line, found.withdrawn) == ((1, 2, 6), ())


@pytest.mark.parametrize(
    ("verb", "run", "why"),
    [
        ("revert", 1, "is the baseline"),
        ("revert", 3, "is not part of the champion"),
        ("revert", 9, "there is no run 9"),
        ("revert", 0, "there is no run 0"),
        ("keep", 5, "is already part of the champion"),
        ("keep", 7, "has no metric"),
        ("keep", 8, "is not decided yet"),
        ("revert", 8, "is not decided yet"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(story: Story, verb: str, run: int, why: str) -> None:
    story.ran("crash", None)
    story.began()
    with pytest.raises(Refused, match=why):
        getattr(lineage, verb)(story.state, run)


def test_an_earlier_segments_runs_and_decisions_are_closed(story: Story) -> None:
    decide(story, lineage.revert(story.state, 4))
    story.segment()
    story.ran("keep", 1.0)
    with pytest.raises(Refused, match="run 3 belongs to segment 0, and segment 1 is open"):
        lineage.keep(story.state, 3)
    with pytest.raises(Refused, match="the last decision was made in segment 0, and segment 1 is open"):
        lineage.undo(story.state)


def test_undo_takes_back_one_decision_after_the_other_and_then_there_is_none(story: Story) -> None:
    decide(story, lineage.revert(story.state, 5))
    decide(story, lineage.keep(story.state, 3))
    assert story.line == [1, 2, 3]
    decide(story, lineage.undo(story.state))
    assert story.line == [1, 2, 4]
    decide(story, lineage.undo(story.state))
    assert story.line == [1, 2, 4, 5]
    with pytest.raises(Refused, match="no revert or keep to undo"):
        lineage.undo(story.state)


def test_undo_withdraws_what_was_kept_on_the_decision_and_says_so(story: Story) -> None:
    decide(story, lineage.revert(story.state, 4))
    run = story.ran("keep", 0.7)
    found = lineage.undo(story.state)
    assert (found.line, found.withdrawn) == ((1, 2, 4, 5), (run,))
    decide(story, found)
    assert story.experiment(run).status == "discard"


def test_nothing_in_an_empty_session_is_refused_without_an_accident() -> None:
    story = Story()
    for verb in (lineage.revert, lineage.keep):
        with pytest.raises(Refused):
            verb(story.state, 1)
    with pytest.raises(Refused):
        lineage.undo(story.state)


RESULTS = st.lists(
    st.sampled_from([("keep", 0.9), ("discard", 1.1), ("crash", None), ("checks_failed", 0.8)]), max_size=8
)
DECISIONS = st.lists(st.tuples(st.sampled_from(["revert", "keep"]), st.integers(1, 10)), max_size=6)


def grown(results: list[tuple[str, float | None]], decisions: list[tuple[str, int]]) -> Story:
    story = Story()
    story.ran("keep", 1.0)
    for status, metric in results:
        story.ran(status, metric)
    for kind, run in decisions:
        try:
            decide(story, getattr(lineage, kind)(story.state, run))
        except Refused:
            continue
    return story


@settings(max_examples=60)
@given(RESULTS, DECISIONS, st.sampled_from(["revert", "keep"]), st.integers(1, 10))
def test_undo_restores_the_line_and_every_status(
    results: list[tuple[str, float | None]], decisions: list[tuple[str, int]], kind: str, run: int
) -> None:
    story = grown(results, decisions)
    line, statuses = list(story.line), story.statuses()
    try:
        decide(story, getattr(lineage, kind)(story.state, run))
    except Refused:
        assert (story.line, story.statuses()) == (line, statuses)
        return
    assert story.line != line
    decide(story, lineage.undo(story.state))
    assert (story.line, story.statuses()) == (line, statuses)


@settings(max_examples=60)
@given(RESULTS, DECISIONS)
def test_undoing_everything_brings_back_what_the_gate_had_decided(
    results: list[tuple[str, float | None]], decisions: list[tuple[str, int]]
) -> None:
    story, untouched = grown(results, decisions), grown(results, [])
    for _ in story.state.decisions:
        decide(story, lineage.undo(story.state))
    assert (story.line, story.statuses()) == (untouched.line, untouched.statuses())
    assert all(not experiment.overridden_by for experiment in story.state.experiments)


@settings(max_examples=60)
@given(RESULTS, DECISIONS)
def test_the_line_is_the_kept_runs_each_with_a_metric_and_the_baseline_first(
    results: list[tuple[str, float | None]], decisions: list[tuple[str, int]]
) -> None:
    story = grown(results, decisions)
    assert story.line[0] == 1
    assert set(story.line) == {e.run for e in story.state.experiments if e.status == "keep"}
    assert all(story.experiment(run).metric is not None for run in story.line)
    for decision in story.state.decisions:
        assert set(decision.withdrawn) <= set(decision.before)
