"""Troubles of a GPU are told apart by their cause, from the log and from what the driver showed, with what helps."""

from __future__ import annotations

import pytest

from engine.gpu.samples import GpuProcess, GpuSample, Snapshot
from engine.gpu.watched import DeviceWatch
from engine.work.diagnosis import HELPS, Diagnosis, diagnose, with_device
from engine.work.leash import Ending

FAILED = Ending(cause="exited", exit_code=1)
TOTAL = 81_559


@pytest.mark.parametrize(
    ("cause", "line"),
    [
        ("oom", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity"),
        ("oom", "FAIL out of memory: 44.1 of 47.5 GiB; a smaller DEVICE_BATCH_SIZE fits"),
        ("oom", "out of memory: DEVICE_BATCH_SIZE = 128 does not fit"),
        ("oom_host", "kernel: Out of memory: Killed process 4711 (python)"),
        ("gpu_ecc", "torch.AcceleratorError: CUDA error: uncorrectable ECC error encountered"),
        ("gpu_ecc", "NVRM: Xid (PCI:0000:3b:00): 48, pid=4711, name=python, DBE (double bit error)"),
        ("gpu_lost", "NVRM: Xid (PCI:0000:3b:00): 79, pid=4711, GPU has fallen off the bus."),
        ("gpu_lost", "RuntimeError: Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost."),
        ("gpu_lost", "Unable to determine the device handle for GPU 0000:02:00.0: Unknown Error"),
        ("gpu_driver", "Failed to initialize NVML: Driver/library version mismatch"),
        (
            "gpu_driver",
            "RuntimeError: CUDA error: CUDA driver version is insufficient for CUDA runtime version",
        ),
        ("gpu_driver", "RuntimeError: The NVIDIA driver on your system is too old (found version 11040)."),
        ("gpu_driver", "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU"),
        (
            "gpu_driver",
            "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 804: forward compatibility was attempted "
            "on non supported HW",
        ),
        ("gpu_arch", "RuntimeError: CUDA error: no kernel image is available for execution on the device"),
        ("gpu_arch", "RuntimeError: FlashAttention only supports Ampere GPUs or newer."),
        ("gpu_busy", "RuntimeError: CUDA error: CUDA-capable device(s) is/are busy or unavailable"),
        ("gpu_library", "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
        ("gpu_library", "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
        ("gpu_library", "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:2356"),
        ("gpu_library", "ImportError: libcudnn.so.9: cannot open shared object file: No such file or directory"),
        ("gpu_library", "ImportError: libcudart.so.12: cannot open shared object file: No such file or directory"),
        ("no_gpu", "RuntimeError: No CUDA GPUs are available"),
        ("no_gpu", "FAIL no GPU to train on, though this session has one: Error 101: invalid device ordinal"),
        ("gpu_driver", "FAIL no GPU to train on, though this session has one: CUDA unknown error - this may be due"),
        ("gpu_driver", "RuntimeError: Error 304: OS call failed or operation not supported on this OS"),
        ("oom", "RuntimeError: Triton Error [CUDA]: out of memory"),
        ("cuda_error", "RuntimeError: CUDA error: an illegal memory access was encountered"),
        ("import_error", "ImportError: libcuda_helper.so: cannot open shared object file"),
        ("nan", "FAIL loss nan at step 12"),
        ("exception", "ValueError: memory must be positive"),
    ],
)
def test_each_trouble_has_its_cause_and_says_what_helps(cause: str, line: str) -> None:
    found = diagnose(FAILED, f"step 00001 (1.0%) | loss: 9.0\n{line}\n")
    assert found.cause == cause, found
    assert line.split(": ", 1)[-1][:40] in found.detail
    assert (HELPS.get(cause, "What helps") in found.detail) is (cause in HELPS)
    assert "\n" not in found.detail


def test_an_abort_after_a_memory_error_of_the_device_keeps_its_cause() -> None:
    log = "terminate called after throwing\n  what():  CUDA error: uncorrectable ECC error encountered\n"
    assert diagnose(Ending(cause="exited", signal=6), log).cause == "gpu_ecc"


def watch(before: GpuSample | None, *later: GpuSample | None, trouble: str = "") -> DeviceWatch:
    made = DeviceWatch("GPU-1", "mar5")
    for at, gpu in enumerate((before, *later)):
        ill = trouble if gpu is None else None
        made.see(Snapshot(at=float(at), gpus=[gpu] if gpu else [], trouble=ill or None))
    return made


def gpu(used: int = 400, ecc: int | None = 0, processes: list[GpuProcess] | None = None) -> GpuSample:
    return GpuSample(index=0, uuid="GPU-1", used_mb=used, total_mb=TOTAL, ecc_errors=ecc, processes=processes)


VAGUE = Diagnosis("cuda_error", "Failed (exit code 1): CUDA error: unknown error")
OOM = Diagnosis("oom", "Failed (exit code 1): the GPU's memory was not enough.")


def test_a_vague_failure_on_a_device_that_is_gone_is_a_lost_device() -> None:
    found = with_device(VAGUE, watch(gpu(), None))
    assert found.cause == "gpu_lost" and HELPS["gpu_lost"] in found.detail and VAGUE.detail in found.detail
    assert with_device(Diagnosis("timeout", "Ended after its limit"), watch(gpu(), None)).cause == "gpu_lost"


def test_new_memory_errors_and_a_silent_driver_are_behind_a_vague_failure() -> None:
    assert with_device(VAGUE, watch(gpu(), gpu(ecc=2))).cause == "gpu_ecc"
    silent = with_device(VAGUE, watch(gpu(), None, trouble="The NVIDIA driver does not answer (Unknown)"))
    assert silent.cause == "gpu_driver" and "does not answer" in silent.detail


def test_a_failure_of_the_code_stays_what_it_is_whatever_the_driver_shows() -> None:
    for cause in ("syntax_error", "import_error", "nan", "assertion"):
        found = Diagnosis(cause, "its own fault")
        assert with_device(found, watch(gpu(), None)) == found
    assert with_device(VAGUE, watch(gpu(), gpu())) == VAGUE
    assert with_device(VAGUE, DeviceWatch("", "mar5")) == VAGUE


def test_memory_that_others_hold_most_of_is_their_doing_and_they_are_named() -> None:
    other, mine = GpuProcess(2**22 + 9, "python", 60_000), GpuProcess(7, "python", 20_000, "mar5:3:1")
    crowded = watch(
        gpu(60_400, processes=[other]), gpu(80_400, processes=[other, mine]), gpu(60_400, processes=[other])
    )
    found = with_device(OOM, crowded)
    assert found.cause == "oom_others" and f"pid {other.pid}" in found.detail and "58.6 of its 79.6 GiB" in found.detail
    assert HELPS["oom_others"] in found.detail


def test_others_that_hold_some_are_told_and_it_stays_the_runs_own_out_of_memory() -> None:
    other, mine = GpuProcess(2**22 + 9, "python", 12_000), GpuProcess(7, "python", 60_000, "mar5:3:1")
    found = with_device(OOM, watch(gpu(12_400, processes=[other]), gpu(72_400, processes=[other, mine])))
    assert found.cause == "oom" and "others hold 11.7 of its 79.6 GiB" in found.detail
    assert with_device(OOM, watch(gpu(), gpu(70_000))) == OOM, "nobody else is there"
