"""A viewer's random access to logs of any size."""

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.session import textlines
from engine.session.carriage import collapse, collapse_text
from engine.session.textlines import TextLines
from engine.session.textlog import BLOCK, WIDEST, Change, LogLine, TextLog


class Memory:
    """Bytes to read from, counting what was read."""

    def __init__(self, data: bytes) -> None:
        self.data, self.size, self.taken = data, len(data), 0

    def pread(self, offset: int, length: int) -> bytes:
        data = self.data[offset : offset + length]
        self.taken += len(data)
        return data


def starts(data: bytes, block: int) -> list[int]:
    """The rule of `textlines`, stated plainly."""
    return [
        p
        for p in range(len(data))
        if p == 0 or data[p - 1 : p] == b"\n" or (p % block == 0 and b"\n" not in data[p - block : p])
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"bb", b"\n", b"c" * 9, b"\n\n", b"d" * 30]), max_size=40).map(b"".join))
def test_lines_found_locally_are_those_of_the_plain_rule(data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(textlines, "BLOCK", 8)
        lines = TextLines(Memory(data))
        expected = starts(data, 8)
        for offset in range(len(data)):
            assert lines.start_of(offset) == max(s for s in expected if s <= offset)
        for start, end in zip(expected, [*expected, len(data)][1:], strict=True):
            assert lines.end_of(start) == end
            assert lines.read(start, end) == data[start:end]
            assert end - start <= 16
        for low in range(0, len(data), 3):
            for high in range(low, len(data) + 1, 5):
                assert lines.count(low, high) == sum(low <= s < high for s in expected)


PIECES = st.sampled_from(
    [b"x\n", b"", b"\n", b"step 1\rstep 2\r", b"\xff\xfe\n", b"y" * 5000, b"z" * (BLOCK + 7), "é\n".encode()]
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=12).map(b"".join), st.integers(1, 7))
def test_paging_forwards_and_backwards_meets_the_same_lines(tmp_path: Path, data: bytes, n: int) -> None:
    path = tmp_path / "run.log"
    path.write_bytes(data)
    log = TextLog(path)
    forwards: list[LogLine] = []
    while not forwards or forwards[-1].end < log.size:
        if not (page := log.page_from(forwards[-1].end if forwards else 0, n)):
            break
        forwards += page
    backwards: list[LogLine] = []
    while page := log.page_before(backwards[0].offset if backwards else log.size, n):
        backwards = page + backwards
    log.close()
    assert forwards == backwards
    if len(data) < 30_000:  # the plain rule is slow
        assert [line.offset for line in forwards] == starts(data, BLOCK)
    assert all(a.end == b.offset for a, b in itertools.pairwise(forwards))
    assert all(len(line.text.encode()) < WIDEST * 3 + 60 for line in forwards)


def test_a_page_of_a_huge_log_reads_little_wherever_it_lies() -> None:
    source = Memory(b"".join(b"line %d\n" % i for i in range(1_000_000)))
    lines = TextLines(source)
    for offset in (0, source.size // 2, source.size):
        lines.forget()
        source.taken = 0
        start = lines.start_of(offset)
        for _ in range(60):
            start = lines.start_of(max(0, start - 1))
        assert source.taken <= 3 * BLOCK


def test_end_page_shows_the_line_that_is_still_being_written(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_bytes(b"one\r\ntwo\nstep 1 | loss: 5\rstep 2 | loss: 4\r      \r")
    log = TextLog(path)
    assert [(line.text, line.terminated) for line in log.end_page(9)] == [
        ("one", True),
        ("two", True),
        ("step 2 | loss: 4", False),
    ]


def test_a_long_line_is_cut_between_characters_and_says_how_much_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_bytes(b"a" + "é".encode() * 10_000 + b"\n")
    (line,) = TextLog(path).page_from(0, 5)
    assert line.cut == 20_001 - 4095
    assert line.text == "a" + "é" * 2047 + f" … ({line.cut:,} bytes more)"


def test_a_file_that_appears_grows_is_cut_replaced_and_goes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    log = TextLog(path)
    assert (log.changed(), log.size, log.end_page(3)) == (Change.SAME, 0, [])
    path.write_bytes(b"one\n")
    assert log.changed() is Change.REPLACED
    assert log.changed() is Change.SAME
    with path.open("ab") as file:
        file.write(b"two\n")
    assert log.size == 4, "a page does not move until the change was asked for"
    assert log.changed() is Change.GROWN
    assert [line.text for line in log.end_page(5)] == ["one", "two"]
    path.write_bytes(b"1\n")
    assert log.changed() is Change.REPLACED
    assert [line.text for line in log.end_page(5)] == ["1"]
    path.write_bytes(b"another start, and longer than before\n")
    assert log.changed() is Change.REPLACED, "cut and grown past the old size between two looks"
    other = tmp_path / "other"
    other.write_bytes(b"another start, and longer than before\nmore\n")
    other.replace(path)
    assert log.changed() is Change.REPLACED
    path.unlink()
    assert log.changed() is Change.GONE
    assert log.changed() is Change.SAME
    assert log.end_page(1)[0].text == "more", "what was open stays readable"


def test_a_folder_under_the_name_reads_as_empty(tmp_path: Path) -> None:
    log = TextLog(tmp_path)
    assert (log.changed(), log.end_page(3)) == (Change.SAME, [])


def test_new_lines_are_counted_from_where_a_reader_stopped(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_bytes(b"seen\nhalf")
    log = TextLog(path)
    seen = log.size
    with path.open("ab") as file:
        file.write(b" a line\n" + b"new\n" * 142)
    log.changed()
    assert log.count_lines(seen, log.size) == 142


TEXT = st.text(alphabet=st.sampled_from("abAB é\r\nÉßK"), max_size=60)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT, st.text(alphabet=st.sampled_from("abAé"), min_size=1, max_size=2), st.integers(0, 60))
def test_search_finds_the_nearest_line_that_shows_the_text(tmp_path: Path, text: str, pattern: str, at: int) -> None:
    path = tmp_path / "run.log"
    path.write_bytes(text.encode())
    log = TextLog(path)
    shown = [(line.offset, line.text.casefold()) for line in log.end_page(1000)]
    hits = [offset for offset, line in shown if pattern.casefold() in line]
    at = min(at, log.size)
    assert log.search(pattern, at).offset == min((h for h in hits if h >= at), default=None)
    assert log.search(pattern, at, "backward").offset == max((h for h in hits if h < at), default=None)
    log.close()


@pytest.mark.parametrize("pattern", ["needle", "NEEDLE", "nädel"])
def test_search_crosses_chunks_both_ways_and_skips_what_is_overprinted(tmp_path: Path, pattern: str) -> None:
    path = tmp_path / "run.log"
    hidden = f"{pattern}\r".encode() * 300_000 + b"shown\n"
    first = b"filler of a line\n" * 100_000
    path.write_bytes(first + b"the Needle / N\xc3\x84DEL\n" + hidden + first)
    log = TextLog(path)
    assert log.search(pattern, 0).offset == len(first)
    # The endless overprinted line comes in pieces of a block; each but the last ends in the text, and shows it.
    pieces = [line for line in log.page_from(len(first), 60) if pattern in line.text]
    assert log.search(pattern, log.size, "backward").offset == pieces[-1].offset
    assert log.search("shown", 0).offset == log.search("shown", log.size, "backward").offset
    assert log.search("absent", 0).offset is None


def test_search_stops_when_asked_and_says_where_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_bytes(b"nothing here\n" * 300_000 + b"found\n")
    log = TextLog(path)
    answers = iter([False, False, True])
    hit = log.search("found", 0, stop=lambda: next(answers))
    assert hit.stopped and hit.offset is None and 0 < hit.reached < log.size
    assert log.search("found", hit.reached).offset == log.size - 6


def test_a_sparse_gigabyte_opens_jumps_and_counts_without_being_loaded(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    with path.open("wb") as file:
        file.truncate(1 << 30)
        file.seek(1 << 30)
        file.write(b"\nthe end\n")
    log = TextLog(path)
    assert log.end_page(3)[-1].text == "the end"
    assert log.page_from(0, 3)[0].offset == 0
    assert log.line_start(log.size // 2) % BLOCK == 0


@settings(deadline=None)
@given(st.lists(st.text(alphabet=st.sampled_from("ab \t"), max_size=5)))
def test_collapse_shows_the_last_segment_that_is_not_blank(segments: list[str]) -> None:
    shown = [s.rstrip() for s in segments if s.strip()]
    assert collapse("\r".join(segments).encode()).decode() == (shown[-1] if shown else "")


def test_collapse_text_works_line_by_line() -> None:
    assert collapse_text("a\r\n1%\r2%\r\nend") == "a\n2%\nend"
