"""MIG instances, lost devices among well ones, refused permissions, and the names by which people call a device."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.gpu.locks import DeviceError, named, pick, visible
from engine.gpu.nvml import Driver, Nvml
from engine.gpu.samples import GpuSample, Snapshot, device_of
from engine.gpu.watched import DeviceWatch
from tests.gpu.standin import ERRORS, MIB, Binding, Card

TWO = [GpuSample(index=0, uuid="GPU-aaaa", name="H100"), GpuSample(index=1, uuid="GPU-abbb", name="H100")]
MIG = [
    GpuSample(index=0, uuid=f"MIG-{n}", name="H100 MIG", parent="GPU-cccc", instance=n, used_mb=100 * n, total_mb=9728)
    for n in range(2)
]


def test_a_divided_gpu_is_its_instances_with_their_own_memory_and_the_whole_ones_power() -> None:
    small = [Card(f"MIG-{n}", "NVIDIA H100 MIG 1g.10gb", used=100 + n, total=9728) for n in range(2)]
    nvml = Nvml(Binding(Card("GPU-a", instances=small), Card("GPU-b")))
    first, second, whole = nvml.sample()
    assert [gpu.label for gpu in (first, second, whole)] == ["0:0", "0:1", "1"]
    assert (second.uuid, second.parent, second.used_mb, second.total_mb) == ("MIG-1", "GPU-a", 101, 9728)
    assert (second.power_w, second.util_percent) == (650.5, None)
    assert (whole.parent, whole.instance) == ("", None) and nvml.trouble is None


def test_a_divided_gpu_without_instances_cannot_be_used_and_says_why() -> None:
    (gpu,) = Nvml(Binding(Card("GPU-a", instances=[]))).sample()
    assert gpu.uuid == "" and "MIG is on and has no instance" in (gpu.name or "")


def test_a_lost_device_hides_no_other() -> None:
    nvml = Nvml(Binding(Card("GPU-a", lost=True), Card("GPU-b", used=7)))
    lost, well = nvml.sample()
    assert (lost.uuid, "GPU is lost" in (lost.name or ""), well.used_mb) == ("", True, 7)
    assert device_of([lost, well], "GPU-a") is None and device_of([lost, well], "GPU-b") == well
    assert nvml.trouble is None


class FallenOff(Binding):
    """Its first GPU fell off the bus: the driver has no handle for it and calls that an unknown error."""

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:
        if index == 0:
            raise ERRORS["Unknown"]("Unknown Error")
        return super().nvmlDeviceGetHandleByIndex(index)


def test_a_device_of_which_the_driver_knows_nothing_hides_no_other() -> None:
    nvml = Nvml(FallenOff(Card("GPU-a"), Card("GPU-b", used=7)))
    lost, well = nvml.sample()
    assert (lost.uuid, well.uuid, nvml.trouble) == ("", "GPU-b", None)
    assert nvml.about().capabilities == {"GPU-b": (9, 0)} and nvml.trouble is None
    watch = DeviceWatch("GPU-a", "mar5")
    watch.see(Snapshot(at=0.0, gpus=Nvml(Binding(Card("GPU-a"))).sample()))
    watch.see(Snapshot(at=1.0, gpus=nvml.sample(), trouble=nvml.trouble))
    assert watch.lost, "it is the device, not the driver"


def test_what_may_not_be_asked_is_none_and_the_rest_is_told() -> None:
    (gpu,) = Nvml(Binding(Card(used=5, processes=None, ecc=None), nvmlDeviceGetPowerUsage="NoPermission")).sample()
    assert (gpu.processes, gpu.ecc_errors, gpu.power_w, gpu.used_mb) == (None, None, None, 5)
    (all_refused,) = Nvml(Binding(Card(), nvmlDeviceGetHandleByIndex="NoPermission")).sample()
    assert all_refused.uuid == "" and "not available" in (all_refused.name or "")


def test_errors_that_could_not_be_corrected_are_counted() -> None:
    (gpu,) = Nvml(Binding(Card(ecc=3))).sample()
    assert gpu.ecc_errors == 3


class Newer(Binding):
    """A binding that tells the driver's own share of the memory apart, where the driver does."""

    nvmlMemory_v2 = 2
    old_driver = False

    def nvmlDeviceGetMemoryInfo(self, card: Card, version: int = 1) -> SimpleNamespace:
        if version == 2 and self.old_driver:
            raise ERRORS["ArgumentVersionMismatch"]("Version mismatch")
        return SimpleNamespace(used=(100 if version == 2 else 700) * MIB, total=card.total * MIB)


def test_memory_in_use_is_what_nvidia_smi_says_also_with_an_older_driver() -> None:
    binding = Newer(Card())
    assert Nvml(binding).sample()[0].used_mb == 100
    binding.old_driver = True
    assert Nvml(binding).sample()[0].used_mb == 700


def test_the_driver_is_described_and_a_missing_one_is_nothing() -> None:
    about = Nvml(Binding(Card("GPU-a"))).about()
    assert about == Driver("575.57.08", "12.9", {"GPU-a": (9, 0)})
    assert Nvml(Binding(nvmlInit="LibraryNotFound")).about() == Driver()
    assert Nvml(Binding(Card(), nvmlDeviceGetCudaComputeCapability="NotSupported")).about().capabilities == {}


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("1", ["GPU-abbb"]),
        (1, ["GPU-abbb"]),
        ("GPU-ab", ["GPU-abbb"]),
        ("GPU-a", ["GPU-aaaa", "GPU-abbb"]),
        ("0:1", ["MIG-1"]),
        ("MIG-0", ["MIG-0"]),
        ("GPU-cccc", ["MIG-0", "MIG-1"]),
        ("7", []),
        ("H100", []),
        ("", []),
    ],
)
def test_a_device_is_called_by_index_instance_uuid_or_its_beginning(word: int | str, found: list[str]) -> None:
    devices = MIG if isinstance(word, str) and ("MIG" in word or ":" in word or "cccc" in word) else TWO
    assert [gpu.uuid for gpu in named(devices, word)] == found


def test_the_flag_is_named_in_a_refusal_and_so_is_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"--gpu is 5, .*there: 0 \(H100\), 1 \(H100\).*driver is ill"):
        pick(TWO, "5", "mar5", "s1", tmp_path, asked_by="--gpu", trouble="The driver is ill.")


def test_of_the_instances_of_a_gpu_the_free_one_with_the_most_memory_is_taken(tmp_path: Path) -> None:
    taken = [pick(MIG, 0, f"mar{n}", "s", tmp_path) for n in (5, 6)]
    assert [one and one[0].uuid for one in taken] == ["MIG-0", "MIG-1"]
    with pytest.raises(DeviceError, match=r"Every instance of GPU 0 is taken: GPU 0:0 by session mar5.*0:1 by session"):
        pick(MIG, 0, "mar7", "s", tmp_path)
    for one in taken:
        assert one is not None
        one[1].release()


def test_cuda_visible_devices_leaves_what_cuda_would_see() -> None:
    def left(allowed: str | None) -> list[str]:
        return [gpu.uuid for gpu in visible(TWO, allowed)]

    assert left(None) == ["GPU-aaaa", "GPU-abbb"]
    assert left("1") == ["GPU-abbb"]
    assert left("GPU-aaaa,1") == ["GPU-aaaa", "GPU-abbb"]
    assert left("1,9,0") == ["GPU-abbb"], "CUDA stops at the first that does not exist"
    assert left("") == left("-1") == []
