"""Who holds which device is told to who looks from outside, without asking the driver twice."""

from __future__ import annotations

import socket
from pathlib import Path

from engine.gpu.held import Devices, held_devices
from engine.gpu.locks import take
from engine.gpu.sampler import Sampler
from engine.gpu.samples import GpuSample, Snapshot
from engine.session.locking import Holder

FIRST = GpuSample(index=0, uuid="GPU-aaaa-1")
SECOND = GpuSample(index=1, uuid="GPU-bbbb-2")


class Driver(Sampler):
    """A driver with two devices; it counts how often it is asked."""

    asked = 0

    def sample(self) -> Snapshot:
        Driver.asked += 1
        return Snapshot(at=0.0, gpus=[FIRST, SECOND])


def engine(start: str, host: str | None = None) -> Holder:
    return Holder(1, host or socket.gethostname(), start)


def test_each_engine_is_told_with_its_device_and_one_without_is_on_the_cpu(tmp_path: Path) -> None:
    Driver.asked = 0
    devices = Devices(tmp_path, Driver)
    devices.look()
    assert devices.of(engine("one")) == "cpu" and Driver.asked == 0, "no lock, no driver"
    first = take(SECOND, "mar5", "one", tmp_path)
    strange = take(GpuSample(index=7, uuid="GPU-gone-away"), "mar6", "two", tmp_path)
    for _ in range(3):
        devices.look()
        assert (devices.of(engine("one")), devices.of(engine("two"))) == ("GPU 1", "GPU-gone")
    assert Driver.asked == 1
    assert devices.of(engine("three")) == "cpu"
    assert devices.of(None) == devices.of(engine("one", "elsewhere")) == ""
    first.release()
    devices.look()
    assert devices.of(engine("one")) == "cpu" and devices.of(engine("two")) == "GPU-gone"
    strange.release()


def test_looking_makes_no_folder(tmp_path: Path) -> None:
    assert held_devices(tmp_path / "none") == {} and not (tmp_path / "none").exists()
