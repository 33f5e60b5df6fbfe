"""The saved fold is a cache: it gives exactly the fold of the journal, or it is not used."""

from pathlib import Path

from engine.session import savedfold
from engine.session.journal import read
from tests.tui.recording import Recording


def saved(tmp_path: Path, count: int = 20) -> Recording:
    recording = Recording(tmp_path).open().night(count)
    follower = savedfold.load(recording.paths.journal)
    assert follower.poll()
    assert savedfold.save(follower)
    return recording


def test_a_reader_goes_on_where_the_fold_was_saved(tmp_path: Path) -> None:
    recording = saved(tmp_path)
    recording.experiment("keep", 0.9, "a late win")
    follower = savedfold.load(recording.paths.journal)
    assert follower.line > 100
    fresh = follower.poll()
    assert len(fresh) == 7
    assert follower.state == read(recording.paths.journal)


def test_the_saved_state_equals_the_fold_of_the_whole_journal(tmp_path: Path) -> None:
    recording = saved(tmp_path)
    follower = savedfold.load(recording.paths.journal)
    assert follower.poll() == []
    assert follower.state == read(recording.paths.journal)


def test_another_journal_under_the_same_name_is_folded_from_its_start(tmp_path: Path) -> None:
    recording = saved(tmp_path)
    other = Recording(tmp_path / "other").open().night(30)
    other.paths.journal.replace(recording.paths.journal)
    follower = savedfold.load(recording.paths.journal)
    assert follower.offset == 0
    follower.poll()
    assert len(follower.state.experiments) == 31


def test_a_journal_rewritten_in_place_is_noticed(tmp_path: Path) -> None:
    recording = saved(tmp_path)
    data = recording.paths.journal.read_bytes()
    recording.paths.journal.write_bytes(data.replace(b'"discard"', b'"crashed"'))
    assert savedfold.load(recording.paths.journal).offset == 0


def test_a_damaged_or_foreign_file_is_ignored(tmp_path: Path) -> None:
    recording = saved(tmp_path)
    path = savedfold.path_of(recording.paths.journal)
    whole = path.read_bytes()
    turned = bytes([*whole[:-50], whole[-50] ^ 1, *whole[-49:]])
    for damaged in (b"", whole[:3], whole[: len(whole) // 2], b"\0" * 200, b"xxxx" + whole[4:], turned):
        path.write_bytes(damaged)
        follower = savedfold.load(recording.paths.journal)
        assert follower.offset == 0
        follower.poll()
        assert follower.state == read(recording.paths.journal)


def test_a_fold_that_cannot_be_saved_harms_nothing(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(2)
    follower = savedfold.load(recording.paths.journal)
    follower.poll()
    savedfold.path_of(recording.paths.journal).mkdir()
    assert savedfold.save(follower) is False
    assert not [one for one in recording.paths.private.iterdir() if one.name.startswith(".fold")]
