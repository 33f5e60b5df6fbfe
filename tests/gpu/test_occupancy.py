"""A run starts on a free device only: what an earlier one left and what others hold is seen, and its owner told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.gpu.holders import describe
from engine.gpu.occupancy import SLACK_MB, UNSEEN_S, Level, occupied, others_at_start
from engine.gpu.samples import GpuProcess, GpuSample, Snapshot
from engine.gpu.watched import DeviceWatch

TOTAL = 80_000


def device(used: int | None, *processes: GpuProcess, hidden: bool = False) -> GpuSample:
    return GpuSample(index=0, uuid="GPU-1", used_mb=used, total_mb=TOTAL, processes=None if hidden else list(processes))


def test_an_empty_device_is_free_and_so_is_one_at_its_level_before() -> None:
    assert occupied(device(4), Level(), "mar5") is None
    assert occupied(device(900), Level(before_mb=500), "mar5") is None
    assert occupied(device(None), Level(before_mb=500), "mar5") is None


def test_a_process_of_an_earlier_run_is_waited_for_however_little_it_holds() -> None:
    mine = GpuProcess(pid=2**22 + 5, used_mb=300, cookie="mar5:7:1")
    found = occupied(device(300, mine), Level(), "mar5")
    assert found is not None and found.who == (mine.pid,)
    assert "left by run 7 of this session" in found.text and f"pid {mine.pid}" in found.text


def test_memory_that_is_not_given_back_is_waited_for_also_where_no_process_is_seen() -> None:
    for hidden in (True, False):
        found = occupied(device(45_000, hidden=hidden), Level(before_mb=400, need_mb=44_000), "mar5")
        assert found is not None and "43.9 GiB in use (0.4 before the last run)" in found.text
        assert "cannot be seen from here" in found.text


def test_others_beside_whom_the_run_still_fits_do_not_cost_the_night() -> None:
    other = GpuProcess(pid=2**22 + 6, name="python", used_mb=8_000)
    fits, full = Level(before_mb=400, need_mb=44_000), Level(before_mb=400, need_mb=75_000)
    seen, unseen = occupied(device(8_400, other), fits, "mar5"), occupied(device(8_400, hidden=True), fits, "mar5")
    assert seen is not None and seen.beside_s == 0, "somebody else's: it is told, and the run starts"
    assert unseen is not None and unseen.beside_s == UNSEEN_S, "it may still be the last run's own"
    for level in (full, Level(before_mb=400)):
        found = occupied(device(8_400, other), level, "mar5")
        assert found is not None and "python" in found.text and found.beside_s is None


def test_who_is_there_before_the_first_run_is_told_when_it_is_much() -> None:
    other = GpuProcess(pid=2**22 + 7, name="python", used_mb=20_000)
    assert others_at_start(device(500, other), "mar5") == ""
    text = others_at_start(device(20_400, other), "mar5")
    assert "19.9 of 78.1 GiB are in use already" in text and f"pid {other.pid}" in text


@settings(max_examples=100)
@given(st.integers(0, TOTAL), st.one_of(st.none(), st.integers(0, TOTAL)), st.one_of(st.none(), st.integers(1, TOTAL)))
def test_it_never_waits_without_a_reason_nor_starts_where_a_known_need_does_not_fit(
    used: int, before: int | None, need: int | None
) -> None:
    found = occupied(device(used, hidden=True), Level(before, need), "mar5")
    grown = before is not None and used > before + SLACK_MB
    fits = need is not None and used + need <= 0.97 * TOTAL
    if found is None:
        assert not grown and (fits or before is not None or need is None)
    else:
        assert grown or (before is None and need is not None)
        assert (found.beside_s is None) is not fits


def test_a_process_is_described_by_user_command_and_session(tmp_path: Path) -> None:
    folder = tmp_path / "apr1"
    folder.mkdir()
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout and child.stdout.readline() == b"1\n"
    try:
        text = describe(GpuProcess(child.pid, "python", 2048, "0f0f:3:1"), own="mar5")
        assert text.startswith(f"2.0 GiB python (pid {child.pid}, user ")
        assert "run 3 of session apr1" in text and "import sys" in text
        assert "left by run 3 of this session" in describe(GpuProcess(child.pid, "python", 1, "0f0f:3:1"), own="0f0f")
    finally:
        child.communicate()


def test_a_process_of_another_namespace_is_only_its_number_and_memory(tmp_path: Path) -> None:
    text = describe(GpuProcess(4711, None, 1024, None), proc=tmp_path)
    assert text == "1.0 GiB a process that is not visible here (pid 4711)"


def watched(*shots: list[GpuSample], trouble: str | None = None) -> DeviceWatch:
    watch = DeviceWatch("GPU-1", "mar5")
    for at, gpus in enumerate(shots):
        watch.see(Snapshot(at=float(at), gpus=gpus, trouble=trouble if gpus == [] else None))
    return watch


def test_the_peak_is_the_runs_own_where_its_processes_are_told_and_else_what_came_on_top() -> None:
    other = GpuProcess(5, used_mb=9_000)
    mine = [GpuProcess(6, used_mb=used, cookie="mar5:7:1") for used in (20_000, 44_000, 30_000)]
    told = watched([device(9_400, other)], *([device(9_400 + (one.used_mb or 0), other, one)] for one in mine))
    assert (told.peak_mb, told.others_mb) == (44_000, 9_000)
    hidden = watched(*([device(used, hidden=True)] for used in (9_400, 30_000, 53_400, 9_400)))
    assert (hidden.peak_mb, hidden.others_mb) == (44_000, 9_400)
    assert watched([device(5)]).peak_mb is None, "one look has no peak"
    assert DeviceWatch("", "mar5").peak_mb is None


def test_a_device_that_goes_is_lost_and_a_driver_that_goes_is_trouble() -> None:
    assert watched([device(5)], []).lost
    assert not watched([device(5)], [], [device(5)]).lost, "it came back"
    ill = watched([device(5)], [], trouble="The NVIDIA driver does not answer")
    assert (ill.lost, ill.trouble) == (False, "The NVIDIA driver does not answer")
    assert not watched([]).lost, "it never was there"


def test_new_memory_errors_are_counted_from_the_runs_start() -> None:
    first, last = (GpuSample(index=0, uuid="GPU-1", ecc_errors=count) for count in (2, 5))
    assert watched([first], [last]).new_ecc_errors == 3
    assert watched([first], [device(1)]).new_ecc_errors == 0


def test_this_process_is_its_users() -> None:
    assert f"pid {os.getpid()}, user " in describe(GpuProcess(os.getpid(), "python", None, None))
