"""The largest configuration that fits is found: depth goes down first, then the batch, then the sequence."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session.cookie import COOKIE
from engine.work import leash
from engine.work.constants import read_constants
from engine.work.fitting import (
    Configuration,
    FitError,
    can_be_fitted,
    changes,
    judge,
    look,
    order,
    search,
    start_of,
    texts,
)
from engine.work.tiers import read

TRAIN = '''"""Says what it would need: depth² · batch · sequence."""
import itertools
import os
import sys

from corpus import LIMIT
from prepare import MAX_SEQ_LEN

DEPTH = 8  # layers
TOTAL_BATCH_SIZE = 2**15
DEVICE_BATCH_SIZE = 2**4  # rows

assert os.environ["OVERNIGHT_FIT"] == "1"
need = DEPTH**2 * DEVICE_BATCH_SIZE * MAX_SEQ_LEN
if need > LIMIT:
    print(f"out of memory: {need} > {LIMIT}: a smaller DEVICE_BATCH_SIZE fits")
    sys.exit(3)
print(f"fit: ok peak_vram_mb: {need / 1000}")
'''


def session(root: Path, limit: int, train: str = TRAIN) -> Path:
    root.mkdir()
    (root / "train.py").write_text(train)
    (root / "prepare.py").write_text("MAX_SEQ_LEN = 1024  # tokens\n")
    (root / "corpus.py").write_text(f"LIMIT = {limit}\n")
    return root


def tried(root: Path, wanted: Configuration, held: list[leash.Leashed | None] | None = None) -> object:
    environment = {**os.environ, "OVERNIGHT_PYTHON": sys.executable, COOKIE: "fitting:0:0"}
    return look(
        root,
        root / "fit",
        wanted,
        environment=environment,
        confine=list,
        hold=(held if held is not None else []).append,
        limit_s=60,
    )


def memory(one: Configuration) -> int:
    return one.depth**2 * one.batch * one.sequence


SHAPES = st.builds(
    Configuration,
    st.integers(1, 24),
    st.sampled_from([1, 2, 3, 4, 6, 16, 32, 96, 128]),
    st.sampled_from([128, 256, 768, 2048]),
)


@settings(max_examples=150)
@given(SHAPES, st.integers(1, 8))
def test_the_order_goes_down_in_one_thing_at_a_time_and_the_total_stays_a_multiple(
    largest: Configuration, accumulation: int
) -> None:
    total = largest.batch * largest.sequence * accumulation
    found = order(largest, total)
    assert found[0] == largest and len(set(found)) == len(found)
    phase = 0
    for before, after in itertools.pairwise(found):
        smaller = [after.depth < before.depth, after.batch < before.batch, after.sequence < before.sequence]
        assert smaller.count(True) == 1 and memory(after) < memory(before)
        assert smaller.index(True) >= phase, "depth, then batch, then sequence"
        phase = smaller.index(True)
        assert total % (after.batch * after.sequence) == 0
    assert found[-1].depth >= min(largest.depth, max(2, largest.depth // 2)) and found[-1].batch == 1


@settings(max_examples=150)
@given(SHAPES, st.integers(0, 24**2 * 128 * 2048))
def test_the_search_finds_the_first_that_fits_in_few_looks(largest: Configuration, room: int) -> None:
    candidates = order(largest, largest.batch * largest.sequence)
    wanted = next((one for one in candidates if memory(one) <= room), None)
    searching, looks = search(candidates), 0
    at = next(searching)
    while True:
        looks += 1
        try:
            at = searching.send(memory(at) <= room)
        except StopIteration as ended:
            assert ended.value == wanted
            break
    assert looks <= 1 + len(candidates).bit_length()
    if wanted == largest:
        assert looks == 1, "the ordinary case costs one look"


def test_every_gpu_tier_has_an_order_that_begins_with_its_own_row(tmp_path: Path) -> None:
    for row in read():
        if row.vram_gb:
            largest = Configuration(row.train["DEPTH"], row.train["DEVICE_BATCH_SIZE"], row.prepare["MAX_SEQ_LEN"])
            assert order(largest, row.train["TOTAL_BATCH_SIZE"])[0] == largest


def test_a_real_look_says_what_fits_and_leaves_the_session_as_it_was(tmp_path: Path) -> None:
    root = session(tmp_path / "mar5", limit=4**2 * 16 * 1024)
    before = {path.name: path.read_bytes() for path in root.iterdir()}
    largest, total = start_of(root)
    assert (largest, total) == (Configuration(8, 16, 1024), 2**15)
    held: list[leash.Leashed | None] = []
    too_large = tried(root, largest, held)
    fitting = tried(root, Configuration(4, 16, 1024))
    assert not too_large.fits and "out of memory" in too_large.why  # type: ignore[attr-defined]
    assert fitting.fits and fitting.peak_mb == pytest.approx(262.144)  # type: ignore[attr-defined]
    assert held[0] is not None and held[-1] is None
    assert {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()} == before


def test_the_constants_are_written_in_the_files_own_manner_and_nothing_else_changes(tmp_path: Path) -> None:
    root = session(tmp_path / "mar5", limit=1)
    wanted = Configuration(6, 8, 512)
    assert changes(root, wanted) == {
        "train.py": {"DEPTH": ("8", "6"), "DEVICE_BATCH_SIZE": ("2**4", "2**3")},
        "prepare.py": {"MAX_SEQ_LEN": ("1024", "512")},
    }
    new = texts(root, wanted)
    assert new["train.py"] == TRAIN.replace("DEPTH = 8 ", "DEPTH = 6 ").replace("2**4", "2**3")
    assert read_constants(new["prepare.py"]) == {"MAX_SEQ_LEN": "512"}
    assert texts(root, Configuration(8, 16, 1024)) == {}


def test_what_cannot_be_asked_is_not_asked(tmp_path: Path) -> None:
    assert can_be_fitted(session(tmp_path / "template", limit=1))
    own = TRAIN.replace("OVERNIGHT_FIT", "OTHER")
    assert not can_be_fitted(session(tmp_path / "own", limit=1, train=own))
    assert not can_be_fitted(session(tmp_path / "bare", limit=1, train="# OVERNIGHT_FIT\n"))
    odd = TRAIN.replace("2**15", "1000")
    with pytest.raises(FitError, match="TOTAL_BATCH_SIZE = 1000 is no multiple"):
        start_of(session(tmp_path / "odd", limit=1, train=odd))


def test_a_failure_that_is_no_want_of_memory_is_an_error_not_an_answer(tmp_path: Path) -> None:
    broken = TRAIN.replace("from corpus import LIMIT", "from corpus import NOTHING")
    with pytest.raises(FitError, match="something that it imports is not there"):
        tried(session(tmp_path / "broken", limit=1, train=broken), Configuration(8, 16, 1024))
    with pytest.raises(FitError, match="did not print `fit: ok"):
        judge(leash.Ending(cause="exited", exit_code=0), "done\n")
    with pytest.raises(FitError, match="stop by ann"):
        judge(leash.Ending(cause="terminated", why="stop by ann", signal=15), "fit: ok")
    with pytest.raises(FitError, match="limit of 60 s"):
        judge(leash.Ending(cause="timeout", signal=9), "compiling\n", 60)


def test_an_error_of_torchs_own_about_memory_is_an_answer_too() -> None:
    found = judge(leash.Ending(cause="exited", exit_code=1), "torch.OutOfMemoryError: CUDA out of memory. Tried\n")
    assert not found.fits and "What helps" in found.why
