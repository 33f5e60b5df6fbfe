"""Telemetry is one snapshot a line, costs the trial nothing, and reads back however torn."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.gpu.nvml import Nvml
from engine.gpu.sampler import Sampler
from engine.gpu.samples import GpuProcess, GpuSample, HostSample, Snapshot
from engine.gpu.telemetry import Telemetry, read_tail
from engine.gpu.watched import DeviceWatch


class TwoLooks(Sampler):
    """A device whose memory rises and falls."""

    def __init__(self) -> None:
        super().__init__(Nvml(object()))
        self.looks = 0

    def sample(self) -> Snapshot:
        self.looks += 1
        used = 900 if self.looks == 2 else 100
        return Snapshot(at=float(self.looks), gpus=[GpuSample(index=0, uuid="GPU-1", used_mb=used)])


def until_lines(path: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert time.monotonic() < deadline, "no telemetry within a minute"
        time.sleep(0.02)


def test_snapshots_are_appended_while_it_runs_and_the_peak_is_known(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    watch = DeviceWatch("GPU-1", "mar5")
    watch.see(Snapshot(at=0.0, gpus=[GpuSample(index=0, uuid="GPU-1", used_mb=60)]))
    with Telemetry(path, TwoLooks(), every_s=0.01, watch=watch) as telemetry:
        until_lines(path, 4)
    size = path.stat().st_size
    assert telemetry.trouble is None
    assert watch.peak_mb == 840, "above the level before the run"
    assert [one.at for one in read_tail(path, 1000)][:4] == [1.0, 2.0, 3.0, 4.0]
    assert path.stat().st_size == size, "nothing is written after the end"


def test_a_disk_that_refuses_costs_the_telemetry_only(tmp_path: Path) -> None:
    telemetry = Telemetry(tmp_path / "nowhere" / "telemetry.jsonl")
    telemetry.start()
    telemetry.stop()
    assert telemetry.trouble and "nowhere" in telemetry.trouble


def test_stopping_what_never_started_is_harmless(tmp_path: Path) -> None:
    Telemetry(tmp_path / "telemetry.jsonl").stop()
    assert read_tail(tmp_path / "telemetry.jsonl") == []


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(b'{"at":1}\nnot json\n{"at":"x"}\n\n{"at":2}\n{"at":3,"gp')
    assert [one.at for one in read_tail(path)] == [1.0, 2.0]
    assert read_tail(path, 0) == []


def test_the_tail_of_a_long_night_is_read_from_its_end(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(b"".join(b'{"at":%d,"host":{"load1":0.%0900d}}\n' % (n, n) for n in range(500)))
    assert [one.at for one in read_tail(path, 120)] == [float(n) for n in range(380, 500)]
    assert len(read_tail(path, 10_000)) == 500


NUMBERS = st.none() | st.integers(0, 1 << 40)
SNAPSHOTS = st.builds(
    Snapshot,
    at=st.floats(0, 1e11),
    gpus=st.lists(
        st.builds(
            GpuSample,
            index=st.integers(0, 15),
            uuid=st.text(max_size=5),
            used_mb=NUMBERS,
            processes=st.none() | st.lists(st.builds(GpuProcess, pid=st.integers(1, 9), used_mb=NUMBERS), max_size=2),
        ),
        max_size=2,
    ),
    host=st.builds(HostSample, cpu_percent=st.none() | st.floats(0, 100), mem_used_mb=NUMBERS),
    trouble=st.none() | st.text(max_size=9),
)


@settings(max_examples=60)
@given(SNAPSHOTS)
def test_a_snapshot_reads_back_as_it_was_written_on_one_line(snapshot: Snapshot) -> None:
    line = msgspec.json.encode(snapshot)
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=Snapshot) == snapshot
