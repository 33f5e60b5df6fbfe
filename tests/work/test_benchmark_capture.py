"""Output is kept within bounds, whole where it fits, and never with half a line that reads as something else."""

from __future__ import annotations

import os
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.work.capture import Capture, bound, keep_copy


def capture(target: Path, keep: int, *pieces: bytes) -> bytes:
    one = Capture(target, keep)
    for piece in pieces:
        at = 0
        while at < len(piece):
            at += os.write(one.fd, piece[at:])
    one.started()
    return one.finish()


def test_what_fits_is_kept_to_the_byte(tmp_path: Path) -> None:
    text = b"one\r\ntwo\0\xff\n" * 10
    assert capture(tmp_path / "out", 1000, text) == text == (tmp_path / "out").read_bytes()
    assert capture(tmp_path / "out", 80, text) == text, "head and tail together hold it"
    assert (tmp_path / "out").read_bytes() == text


def test_of_a_flood_both_ends_are_kept_and_the_file_says_how_much_is_not(tmp_path: Path) -> None:
    flood = b"".join(b"line %d\n" % number for number in range(100_000))
    kept = capture(tmp_path / "out", 1000, flood[:300_000], flood[300_000:])
    assert kept == (tmp_path / "out").read_bytes()
    assert kept.startswith(b"line 0\n") and kept.endswith(b"line 99999\n")
    assert len(kept) < 2100
    found = re.search(rb"\[\.\.\. (\d+) bytes left out \.\.\.\]\n", kept)
    assert found and len(kept) - len(found[0]) + int(found[1]) == len(flood)


def test_a_reader_that_is_held_up_by_an_open_pipe_still_ends(tmp_path: Path) -> None:
    one = Capture(tmp_path / "out")
    held = os.dup(one.fd)
    os.write(held, b"said before\n")
    one.started()
    assert one.finish() == b"said before\n"
    os.close(held)


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=12), max_size=20), st.integers(1, 40))
def test_a_bounded_text_consists_of_whole_lines_of_the_original(lines: list[bytes], keep: int) -> None:
    text = b"".join(line.replace(b"\r", b"").replace(b"\n", b"") + b"\n" for line in lines)
    left_out = max(0, len(text) - 2 * keep)
    tail = text[keep:] if not left_out else text[-keep:]
    kept = bound(text[:keep], tail, left_out)
    if not left_out:
        assert kept == text
    else:
        notes = [line for line in kept.splitlines() if line.endswith(b"bytes left out ...]")]
        assert len(notes) >= 1
        assert set(kept.split(b"\n")) - {notes[-1], b""} <= set(text.split(b"\n")) | set(notes)


def test_a_log_is_copied_whole_or_by_its_ends(tmp_path: Path) -> None:
    log, copy = tmp_path / "run.log", tmp_path / "copy.log"
    log.write_bytes(b"abc\n" * 1000)
    keep_copy(log, copy)
    assert copy.read_bytes() == log.read_bytes()
    keep_copy(log, copy, keep=100)
    assert copy.stat().st_size < 300
    assert copy.read_bytes().startswith(b"abc\n") and copy.read_bytes().endswith(b"abc\n")
    log.write_bytes(b"")
    keep_copy(log, copy)
    assert copy.read_bytes() == b""
