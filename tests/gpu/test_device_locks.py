"""No two sessions share a device by accident, and who holds one is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.gpu.locks import DeviceError, device_holder, lock_path, locks_folder, pick, take
from engine.gpu.samples import GpuSample

BUSY = GpuSample(index=0, uuid="GPU-a", name="H100", used_mb=70000, total_mb=80000)
FREE = GpuSample(index=1, uuid="GPU-b", name="H100", used_mb=10, total_mb=80000)
LOST = GpuSample(index=2, uuid="", name="not available")
HOLD = """
import sys
from pathlib import Path
from engine.gpu.locks import take
from engine.gpu.samples import GpuSample
lock = take(GpuSample(index=1, uuid="GPU-b"), "apr1", "start", Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_auto_takes_the_free_device_with_the_most_memory_then_the_next_then_none(tmp_path: Path) -> None:
    first = pick([BUSY, FREE, LOST], "auto", "mar5", "s1", tmp_path)
    second = pick([BUSY, FREE, LOST], "auto", "mar6", "s2", tmp_path)
    assert first and second
    assert (first[0].uuid, second[0].uuid) == ("GPU-b", "GPU-a")
    with pytest.raises(DeviceError, match=r"GPU 0 by session mar6.*GPU 1 by session mar5"):
        pick([BUSY, FREE], "auto", "mar7", "s3", tmp_path)
    first[1].release()
    third = pick([BUSY, FREE], "auto", "mar7", "s3", tmp_path)
    assert third and third[0].uuid == "GPU-b"
    third[1].release()
    second[1].release()


def test_without_a_device_auto_is_the_cpu_and_nothing_is_locked(tmp_path: Path) -> None:
    assert pick([], "auto", "mar5", "s1", tmp_path) is None
    assert pick([LOST], "auto", "mar5", "s1", tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_named_device_is_taken_or_refused_never_replaced(tmp_path: Path) -> None:
    taken = pick([BUSY, FREE], 0, "mar5", "s1", tmp_path)
    assert taken and taken[0].uuid == "GPU-a"
    with pytest.raises(DeviceError, match="taken by session mar5"):
        pick([BUSY, FREE], 0, "mar6", "s2", tmp_path)
    with pytest.raises(DeviceError, match=r"gpu.index in overnight.toml is 5.*0 \(H100\), 1 \(H100\)"):
        pick([BUSY, FREE], 5, "mar6", "s2", tmp_path)
    with pytest.raises(DeviceError, match="there: none"):
        pick([], 0, "mar6", "s2", tmp_path)
    with pytest.raises(DeviceError, match=r"or an index of them\. GPU 2 cannot be used \(not available\)\."):
        pick([BUSY, LOST], 2, "mar6", "s2", tmp_path)
    taken[1].release()


def test_a_lock_falls_with_its_process_however_that_ends(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    other = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{HOLD}", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout and other.stdout.readline() == b"held\n"
    found = device_holder("GPU-b", tmp_path)
    assert found and (found.pid, found.kind) == (other.pid, "apr1")
    with pytest.raises(DeviceError, match=f"session apr1 .process {other.pid}"):
        take(FREE, "mar5", "s1", tmp_path)
    other.kill()
    other.communicate()
    assert device_holder("GPU-b", tmp_path) is None
    take(FREE, "mar5", "s1", tmp_path).release()


def test_the_folder_is_private_and_anything_else_in_its_place_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.gpu.locks.ROOT", tmp_path)
    folder = locks_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    assert locks_folder() == folder
    folder.chmod(0o755)
    with pytest.raises(DeviceError, match="mode 700"):
        locks_folder()
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DeviceError, match="not a private folder"):
        locks_folder()


def test_a_lock_that_cannot_be_made_is_told_however_the_device_is_chosen(tmp_path: Path) -> None:
    lock_path("GPU-b", tmp_path).mkdir()
    for wanted in ("auto", 1):
        with pytest.raises(DeviceError, match=r"gpu-GPU-b.lock cannot be locked: Is a directory"):
            pick([BUSY, FREE], wanted, "mar5", "s1", tmp_path)


def test_a_uuid_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    assert lock_path("../../etc/passwd", tmp_path).parent == tmp_path
