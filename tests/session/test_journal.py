"""The journal file under real writers that really die."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session import events as ev
from engine.session.journal import Follower, Journal, JournalError, read
from tests.session.story import Story

WRITER = """
import sys
from pathlib import Path
from engine.session import events as ev
from engine.session.journal import Journal
journal = Journal(Path(sys.argv[1]))
print("open", flush=True)
number = 0
while True:
    pair = [ev.Trouble(at=number, text=f"{number} {part} " + "x" * 5000) for part in ("first", "second")]
    journal.append(pair)
    number += 1
    print(number, flush=True)
"""


def told(path: Path) -> list[str]:
    return [text for _, text in read(path).troubles]


def trouble(text: str) -> ev.AnyEvent:
    return ev.Trouble(at=1.0, text=text)


def written(path: Path, *batches: list[str]) -> bytes:
    journal = Journal(path)
    for batch in batches:
        journal.append([trouble(text) for text in batch])
    journal.close()
    return path.read_bytes()


def test_what_is_appended_is_read_back_in_order_also_by_a_later_engine(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.jsonl"
    written(path, ["a"], [], ["b", "c"])
    written(path, ["d"])
    assert told(path) == ["a", "b", "c", "d"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_killed_writer_leaves_whole_writes_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for life in range(3):
        before = len(told(path))
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        assert child.stdout is not None
        for _ in range(3 + life):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        acknowledged = 2 + life + child.stdout.read().count("\n")
        child.wait(60)
        child.stdout.close()
        Journal(path).close()
        lines = told(path)[before:]
        assert len(lines) % 2 == 0 and len(lines) // 2 >= acknowledged
        assert [line.split()[:2] for line in lines] == [
            [str(number), part] for number in range(len(lines) // 2) for part in ("first", "second")
        ]


BATCHES = st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=1, max_size=3), max_size=5)


@settings(max_examples=40)
@given(BATCHES, st.floats(0, 1))
def test_a_file_cut_anywhere_is_healed_to_whole_writes_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[str]], where: float
) -> None:
    path = tmp_path_factory.mktemp("torn") / "journal.jsonl"
    data = written(path, *batches)
    cut = int(len(data) * where)
    path.write_bytes(data[:cut])
    seen = told(path)
    complete = [[text for batch in batches[:count] for text in batch] for count in range(len(batches) + 1)]
    assert seen in complete, "a reader sees whole writes only, before anything is healed"
    written(path, ["after"])
    assert told(path) == [*seen, "after"]


def test_healing_looks_as_far_back_as_it_must(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    data = written(path, ["whole"], ["y" * 200_000, "z" * 200_000])
    path.write_bytes(data[:-1])
    written(path)
    assert told(path) == ["whole"]
    path.write_bytes(b"x" * 150_000)
    written(path, ["new"])
    assert told(path) == ["new"]


def test_a_write_that_fails_leaves_nothing_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.jsonl"
    before = written(path, ["a"])
    journal, write = Journal(path), os.write

    def full(fd: int, data: bytes) -> int:
        if len(data) < 60:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        journal.append([trouble("b" * 50), trouble("c" * 50)])
    monkeypatch.undo()
    assert path.read_bytes() == before
    journal.append([trouble("d")])
    journal.close()
    assert told(path) == ["a", "d"]


def test_a_follower_folds_what_came_since_and_waits_for_the_rest_of_a_write(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    follower = Follower(path)
    assert follower.poll() == [] and follower.state.events == 0
    data = written(path, ["a"], ["b", "c"])
    half = data.index(b"c") - 20
    path.write_bytes(data[:half])
    assert [event.text for event in follower.poll() if isinstance(event, ev.Trouble)] == ["a"]
    with path.open("ab") as file:
        file.write(data[half:])
    assert [event.text for event in follower.poll() if isinstance(event, ev.Trouble)] == ["b", "c"]
    assert follower.poll() == [] and follower.state == read(path)


def test_a_follower_of_a_long_journal_can_read_it_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    written(path, *[[f"{number}", "and more"] for number in range(40)])
    follower, pieces = Follower(path), 0
    while follower.poll(at_most=300):
        pieces += 1
    assert pieces > 5 and follower.state == read(path)


def test_a_follower_starts_over_when_the_file_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    written(path, ["a"], ["b"])
    follower = Follower(path)
    follower.poll()
    path.rename(tmp_path / "old.jsonl")
    written(path, ["other"], ["journal"], ["here"])
    follower.poll()
    assert follower.restarted and [text for _, text in follower.state.troubles] == ["other", "journal", "here"]


def test_what_is_no_event_is_told_with_file_and_line_and_nothing_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    data = written(path, ["a"], ["b"])
    path.write_bytes(data + b'{"type":"telepathy","at":1}\n')
    with pytest.raises(JournalError, match=rf"{path}, line 3: not an event this version understands"):
        read(path)
    story = Story()
    story.ran("keep", 1.0)
    path.write_bytes(data + ev.encode(story.events[1]))
    with pytest.raises(JournalError, match="line 3"):
        read(path)
    assert path.read_bytes().startswith(data)


def test_a_reader_keeps_what_came_before_a_broken_line_and_goes_on_when_it_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    data = written(path, ["a"], ["b"], ["c"])
    lines = data.splitlines(keepends=True)
    path.write_bytes(lines[0] + b"x" + lines[1][1:] + lines[2])
    follower = Follower(path)
    for _ in range(2):
        with pytest.raises(JournalError, match="line 2"):
            follower.poll()
        assert [text for _, text in follower.state.troubles] == ["a"]
    with path.open("r+b") as file:
        file.write(data)
    follower.poll()
    assert follower.state == read(path) and len(follower.state.troubles) == 3


def test_a_reader_never_folds_an_event_twice_where_one_after_it_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    story = Story()
    story.ran("keep", 1.0)
    data = written(path, ["a"])
    path.write_bytes(data + ev.encode(story.events[1]))
    follower = Follower(path)
    for _ in range(3):
        with pytest.raises(JournalError, match="line 2"):
            follower.poll()
        assert [text for _, text in follower.state.troubles] == ["a"]


def test_a_folder_in_the_journals_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(JournalError, match=r"journal\.jsonl: cannot be read"):
        read(tmp_path / "journal.jsonl")
