"""A full disk: refused before anything is written, or ended in order and gone on with when there is room again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.session import events as ev
from engine.session import journal, publiclog
from tests.faults.scene import at_rest, seen, start, verb
from tests.loop.lab import BENCHMARK, Lab

FILLS = BENCHMARK + 'test "$OVERNIGHT_RUN" = 1 || dd if=/dev/zero of=filling bs=64k status=none 2>/dev/null || true\n'
LIMITED = (
    sys.executable,
    "-c",
    "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20,) * 2);"
    " os.execv(sys.argv[1], sys.argv[1:])",
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 16 MB."""
    where = tmp_path / "disk"
    where.mkdir()
    if os.getuid() != 0:
        pytest.skip("only root may mount a small file system")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", where], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    yield where
    subprocess.run(["umount", "-l", where], check=True)


def test_without_room_for_an_orderly_end_nothing_is_started(disk: Path) -> None:
    lab = Lab(disk / "toy")
    (disk / "other").write_bytes(bytes(12 << 20))
    before = seen(lab)
    for way in (("--foreground",), ()):
        done = verb(lab, "start", *way)
        assert done.returncode == 4 and "8 MB" in done.stderr and "free some space" in done.stderr
        assert "Traceback" not in done.stderr
    assert seen(lab) == before and not lab.paths.reserve.exists()
    (disk / "other").unlink()
    assert start(lab).returncode == 0
    at_rest(lab)


def test_a_disk_that_fills_up_ends_the_engine_in_order_and_nothing_is_lost(disk: Path) -> None:
    lab = Lab(disk / "toy", benchmark=FILLS)
    done = start(lab)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "No space left" in done.stderr and "nothing is lost" in done.stderr
    last = [ev.decode(line) for line in lab.paths.journal.read_bytes().splitlines()][-1]
    assert isinstance(last, ev.EngineStopped) and last.failed and "No space left" in last.reason
    ended = [e.run for e in lab.state().experiments if e.phase == "ended"]
    assert [r.run for r in publiclog.read_log(lab.paths.public_log).results] == ended and ended[0] == 1
    (lab.root / "filling").unlink()
    (lab.root / "autoresearch.sh").write_text(BENCHMARK)
    assert start(lab).returncode == 0
    at_rest(lab)


def test_a_limit_on_file_sizes_is_told_like_a_full_disk(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    before = seen(lab)
    done = verb(lab, "start", "--foreground", prefix=LIMITED)
    assert done.returncode == 4 and "File too large" in done.stderr and "Traceback" not in done.stderr
    assert seen(lab) == before
    assert journal.read(lab.paths.journal).events == 0
