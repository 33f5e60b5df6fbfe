"""What a run.log says while it grows, and at its end."""

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session.losscurve import LossCurve
from engine.session.runlog import Progress, last_progress, parse_progress, parse_summary
from engine.session.tail import Tail

LINE = (
    "step 00042 (13.3%) | loss: 5.123456 | lrm: 1.00 | dt: 125ms | tok/sec: 16,384 | mfu: 0.0% "
    "| epoch: 1 | remaining: 12s"
)


def step(number: int, loss: float = 5.0, end: str = "\r") -> bytes:
    return f"step {number:05d} (1.0%) | loss: {loss:.6f} | lrm: 1.00{end}".encode()


def test_a_progress_line_of_the_template() -> None:
    assert parse_progress(LINE) == Progress(42, 13.3, 5.123456, 1.0, 125.0, 16384.0, 0.0, 1, 12.0)


@pytest.mark.parametrize(
    "line", ["", "val_bpb: 0.99", "step one (1%) | loss: 1", "step 1 (1%) loss: 1", LINE[:20], "x" * 10**6]
)
def test_other_lines_are_no_progress(line: str) -> None:
    assert parse_progress(line) is None


def test_what_a_line_does_not_say_is_none_and_a_loss_may_be_nan() -> None:
    found = parse_progress("step 7 (1%) | loss: nan | mfu: N/A")
    assert found is not None and math.isnan(found.loss)
    assert (found.step, found.mfu, found.remaining_s) == (7, None, None)


def test_the_newest_progress_is_found_among_overprinted_lines() -> None:
    found = last_progress("start\n" + (step(1) + step(2) + b"      \rwarn").decode())
    assert found is not None and found.step == 2
    assert last_progress("nothing") is None


def test_the_summary_block_is_what_follows_the_dashes() -> None:
    text = f"depth: 99\n{LINE}\r\n---\nval_bpb:          0.997900\ntotal_tokens_M:   499.6\n"
    text += "peak: 1 GB\nloss: nan\nnum_steps: 1,953\n"
    expected = {"val_bpb": 0.9979, "total_tokens_M": 499.6, "num_steps": 1953.0}
    assert parse_summary(text) == expected
    assert parse_summary(text.encode() + b"\xff") == expected
    assert parse_summary("val_bpb: 0.5\n") == {"val_bpb": 0.5}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 300), st.integers(2, 20), st.integers(1, 50))
def test_a_loss_curve_stays_small_ordered_and_ends_with_the_newest_point(steps: int, most: int, chunk: int) -> None:
    data = b"".join(step(i, 10 - i / 100, "\r" if i % 3 else "\n") for i in range(steps))
    curve = LossCurve(most)
    for start in range(0, len(data), chunk):
        curve.feed(data[start : start + chunk])
    points = curve.points()
    assert len(points) <= most
    assert points == sorted(points)
    assert all(loss == pytest.approx(10 - number / 100) for number, loss in points)
    if steps:
        assert points[0][0] == 0 and points[-1][0] == steps - 1
    if steps <= most:
        assert len(points) == steps


def test_a_loss_curve_starts_over_when_the_steps_do_and_skips_nan() -> None:
    curve = LossCurve()
    assert curve.feed(step(1) + step(2))
    assert not curve.feed(b"noise\n")
    assert curve.feed(step(0, 7.0) + b"step 1 (1%) | loss: nan |\r")
    assert curve.points() == [(0, 7.0)]


def test_a_tail_gives_complete_lines_collapsed_and_what_the_last_one_shows(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    tail = Tail(path)
    assert tail.poll().lines == []
    with path.open("ab", buffering=0) as file:
        file.write(b"one\r\ntw")
        first = tail.poll()
        file.write(b"o\n1%\r2%\r")
        second = tail.poll()
        file.write(b"3%\n")
        third = tail.poll()
    assert (first.lines, first.current, first.restarted) == (["one"], "tw", False)
    assert (second.lines, second.current) == (["two"], "2%")
    assert (third.lines, third.current) == (["3%"], "")
    assert first.data + second.data + third.data == path.read_bytes()


def test_a_tail_starts_over_when_the_log_is_cut_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_bytes(b"run 1\nhalf")
    tail = Tail(path)
    tail.poll()
    path.write_bytes(b"run 2\n")
    cut = tail.poll()
    assert (cut.lines, cut.current, cut.restarted) == (["run 2"], "", True)
    assert not tail.poll().restarted
    other = tmp_path / "other"
    other.write_bytes(b"run 3, and longer\n")
    other.replace(path)
    replaced = tail.poll()
    assert (replaced.lines, replaced.restarted) == (["run 3, and longer"], True)


def test_a_tail_can_start_near_the_end_and_reads_in_bounded_pieces(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_bytes(b"".join(b"line %d\n" % i for i in range(1000)))
    tail = Tail(path, last=20)
    assert tail.poll().lines == ["line 998", "line 999"]
    tail = Tail(path)
    lines, polls = [], 0
    while True:
        grown = tail.poll(most=1000)
        lines += grown.lines
        polls += 1
        if not grown.more:
            break
    assert lines == [f"line {i}" for i in range(1000)]
    assert polls == -(-path.stat().st_size // 1000)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b" ", b"bc", "é".encode()]), max_size=30), st.integers(1, 9))
def test_however_a_log_is_cut_into_polls_its_lines_are_the_same(parts: list[bytes], most: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.log")
        path.write_bytes(b"".join(parts))
        tail, lines = Tail(path), []
        grown = tail.poll(most)
        lines += grown.lines
        while grown.more:
            grown = tail.poll(most)
            lines += grown.lines
        whole = Tail(path).poll()
        assert (lines, grown.current) == (whole.lines, whole.current)
        tail.close()
