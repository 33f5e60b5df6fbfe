"""Packed experiments are a list in less memory: whatever is done, both tell the same."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session import savedfold
from engine.session.events import Noted, Overridden
from engine.session.fold import apply
from engine.session.journal import Follower, read
from engine.session.packed import BLOCK, Packed, marks_of
from engine.session.standing import counts, session_confidence
from engine.session.state import State
from tests.tui.recording import Recording

COUNT = 5 * BLOCK


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path).open().night(COUNT)


def both(recording: Recording) -> tuple[State, State]:
    """The journal's fold, packed and plain."""
    follower = Follower(recording.paths.journal, State(experiments=Packed()))
    assert follower.catch_up() > COUNT
    return follower.state, read(recording.paths.journal)


def test_packed_experiments_equal_the_plain_ones(recording: Recording) -> None:
    packed, plain = both(recording)
    assert isinstance(packed.experiments, Packed) and packed == plain
    assert list(packed.experiments) == list(reversed(list(reversed(packed.experiments)))) == plain.experiments
    assert packed.experiments[-1] == plain.experiments[-1] and packed.experiments[3:9] == plain.experiments[3:9]
    assert packed.of_segment() == plain.of_segment()


def test_there_is_no_experiment_before_the_first_or_after_the_last(recording: Recording) -> None:
    packed, _ = both(recording)
    for index in (len(packed.experiments), -len(packed.experiments) - 1):
        with pytest.raises(IndexError):
            packed.experiments[index]


@settings(max_examples=30, deadline=None)
@given(edges=st.lists(st.tuples(st.integers(0, COUNT + 9), st.integers(0, COUNT + 9)), min_size=1, max_size=5))
def test_columns_tell_what_the_experiments_tell(
    tmp_path_factory: pytest.TempPathFactory, edges: list[tuple[int, int]]
) -> None:
    packed, plain = night(tmp_path_factory)
    for one, two in edges:
        first, end = min(one, two), max(one, two)
        assert marks_of(packed.experiments, first, end) == marks_of(plain.experiments, first, end)


_NIGHT: list[tuple[State, State]] = []


def night(folders: pytest.TempPathFactory) -> tuple[State, State]:
    """One night for all examples."""
    if not _NIGHT:
        _NIGHT.append(both(Recording(folders.mktemp("night")).open().night(COUNT)))
    return _NIGHT[0]


def test_figures_are_the_same_packed_or_plain_and_follow_an_operator(recording: Recording) -> None:
    follower = Follower(recording.paths.journal, State(experiments=Packed()))
    follower.catch_up()
    for _ in range(40):  # far enough back that packed ones fall
        plain = read(recording.paths.journal)
        assert counts(follower.state) == counts(plain)
        assert session_confidence(follower.state) == session_confidence(plain)
        *line, fallen = plain.segments[0].line
        recording.write(
            Overridden(
                at=recording.tick(),
                command="c",
                kind="revert",
                run=fallen,
                line=tuple(line),
                withdrawn=(),
                statuses={fallen: "discard"},
                by="ann",
            )
        )
        follower.catch_up()


def test_a_late_change_to_a_packed_experiment_is_kept_and_saved(recording: Recording) -> None:
    follower = savedfold.load(recording.paths.journal)
    follower.catch_up()
    recording.write(Noted(at=recording.tick(), text="looks like noise", by="ann", run=3))
    assert len(follower.poll()) == 1
    assert follower.state.experiments[2].notes == ["ann: looks like noise"]
    assert follower.state == read(recording.paths.journal)
    assert savedfold.save(follower)
    again = savedfold.load(recording.paths.journal)
    assert again.offset == follower.offset and again.state == follower.state == read(recording.paths.journal)
    apply(again.state, Noted(at=1.0, text="or not", by="bob", run=3))
    assert again.state.experiments[2].notes == ["ann: looks like noise", "bob: or not"]


def test_an_experiment_under_way_is_never_packed(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(2)
    under_way = recording.begin("never ends")
    follower = Follower(recording.paths.journal, State(experiments=Packed()))
    follower.catch_up()
    held = follower.state.experiments[under_way - 1]
    recording.night(COUNT)
    follower.catch_up()
    assert follower.state.experiments[under_way - 1] is held


def test_it_can_be_changed_like_a_list(recording: Recording) -> None:
    packed, plain = both(recording)
    for experiments in (packed.experiments, plain.experiments):
        last = experiments.pop()
        experiments.insert(1, last)
        experiments[0] = last
        del experiments[5]
    assert packed.experiments == plain.experiments
