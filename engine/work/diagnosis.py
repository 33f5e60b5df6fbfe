"""Why a trial brought no result, told apart and put in words: pure, from how it ended and what its log says."""

from __future__ import annotations

import signal

import msgspec

from engine.gpu.holders import describe
from engine.gpu.watched import DeviceWatch
from engine.work.leash import Ending
from engine.work.logtrouble import LogTrouble, last_lines, read_trouble

FATAL: dict[int, str] = {
    signal.SIGKILL: "killed",
    signal.SIGTERM: "killed",
    signal.SIGINT: "killed",
    signal.SIGHUP: "killed",
    signal.SIGXCPU: "killed",
    signal.SIGSEGV: "segfault",
    signal.SIGBUS: "segfault",
    signal.SIGILL: "segfault",
    signal.SIGFPE: "segfault",
    signal.SIGABRT: "abort",
}
WORDS = {
    "oom": "the GPU's memory was not enough",
    "oom_others": "the GPU's memory was not enough beside what others hold",
    "gpu_ecc": "the GPU's memory had an error that could not be corrected",
    "gpu_lost": "the GPU is gone: it does not answer any more",
    "gpu_driver": "the NVIDIA driver does not work, or not with this PyTorch",
    "gpu_arch": "what is installed was not built for this GPU",
    "gpu_busy": "another process has the GPU for itself",
    "gpu_library": "cuDNN, cuBLAS or NCCL could not start",
    "no_gpu": "it found no GPU",
    "oom_host": "the machine's memory was not enough",
    "disk_full": "no space was left on the disk",
    "import_error": "something that it imports is not there",
    "syntax_error": "the code does not parse",
    "assertion": "an assertion failed",
    "nan": "the loss became NaN or blew up",
    "cuda_error": "the GPU or its driver reported an error",
    "exception": "an exception ended it",
}

HELPS = {
    "oom": "a smaller DEVICE_BATCH_SIZE, DEPTH or MAX_SEQ_LEN fits",
    "oom_others": "wait for them, end them, or take another GPU (overnight start --gpu N)",
    "gpu_ecc": "nvidia-smi -q -d ECC,ROW_REMAPPER tells more; reset the GPU or reboot, or take another one"
    " (overnight start --gpu N)",
    "gpu_lost": "dmesg tells why (Xid 79 is power, heat or the slot); reboot, or take another GPU"
    " (overnight start --gpu N)",
    "gpu_driver": "after an update of the driver reboot; else install the driver that this PyTorch needs"
    " (overnight doctor --only gpu --only torch)",
    "gpu_arch": "install a PyTorch for it (overnight doctor --only gpu --only torch tells both)",
    "gpu_busy": "nvidia-smi tells whose it is; its compute mode is exclusive, or it is being reset",
    "gpu_library": "often too little memory is left on the GPU, else PyTorch's installation is not whole",
    "no_gpu": "CUDA_VISIBLE_DEVICES and the installed PyTorch decide (overnight doctor --only torch)",
}


class Diagnosis(msgspec.Struct, frozen=True):
    """`cause`: nan, oom (GPU), oom_others, oom_host, disk_full, import_error, syntax_error, assertion, gpu_ecc,
    gpu_lost, gpu_driver, gpu_arch, gpu_busy, gpu_library, no_gpu, cuda_error, exception, timeout, killed, segfault,
    abort, terminated, leash_lost, not_started, other. `detail`: one line for the operator."""

    cause: str
    detail: str


TELLING = frozenset({"oom", "oom_host", "disk_full", "gpu_ecc", "gpu_lost", "gpu_driver", "gpu_arch", "gpu_busy"})
"""Causes that say more than the signal in which the program ended after it."""
MUCH = 0.1
"""Of a device's memory: others that hold more are told in an out-of-memory error."""
VAGUE = frozenset(
    {"cuda_error", "no_gpu", "gpu_library", "exception", "killed", "segfault", "abort", "timeout", "other"}
)
"""Causes behind which a broken device may stand without train.py having been told."""
NOT_RUN = (126, 127)
"""Exit codes of a shell for a command that may not be executed and for one that is not there."""


def with_device(found: Diagnosis, watch: DeviceWatch) -> Diagnosis:
    """The diagnosis with what the driver showed from outside: a lost device, memory errors, others in its memory."""
    if not watch.device:
        return found
    if found.cause == "oom":
        return _crowded(found, watch)
    if found.cause not in VAGUE:
        return found
    if watch.lost:
        cause, seen = "gpu_lost", "the driver does not show it any more"
    elif watch.new_ecc_errors:
        cause, seen = "gpu_ecc", f"the driver counts {watch.new_ecc_errors} more than before the run"
    elif watch.trouble and watch.before is not None:
        cause, seen = "gpu_driver", watch.trouble
    else:
        return found
    return Diagnosis(cause, f"{WORDS[cause].capitalize()} ({seen}). What helps: {HELPS[cause]}. {found.detail}")


def _crowded(found: Diagnosis, watch: DeviceWatch) -> Diagnosis:
    total = watch.last.total_mb if watch.last is not None else None
    held = watch.others_mb
    if not total or held <= MUCH * total:
        return found
    who = "; ".join(describe(one, watch.session) for one in watch.others()[:3]) or "processes not visible here"
    told = f"others hold {held / 1024:.1f} of its {total / 1024:.1f} GiB: {who}"
    if held > total / 2:
        return Diagnosis("oom_others", f"{found.detail} But {told}. What helps here: {HELPS['oom_others']}")
    return Diagnosis("oom", f"{found.detail} And {told}")


def fatal_signal(ending: Ending) -> int | None:
    """The signal that ended the program, also where a shell passed it on as exit code 128 + signal."""
    if ending.signal is not None:
        return ending.signal
    code = ending.exit_code or 0
    return code - 128 if code > 128 and code - 128 in FATAL else None


def diagnose(ending: Ending, log: str, limit_s: float = 0.0) -> Diagnosis:
    """The cause of a failure. `log`: the end of run.log (and of what the benchmark itself printed)."""
    lines = last_lines(log)
    last = f" Last lines: {' | '.join(lines)}" if lines else " It wrote nothing to its log."
    if ending.cause == "timeout":
        return Diagnosis("timeout", f"Ended after its limit of {limit_s or ending.wall_s:g} s.{last}")
    if ending.cause == "not_started":
        return Diagnosis("not_started", f"The benchmark could not be started: {ending.why}.")
    if ending.cause in ("terminated", "leash_lost", "engine_gone"):
        return Diagnosis(ending.cause.replace("engine_gone", "terminated"), f"Ended from outside: {ending.why}.")
    trouble = read_trouble(log)
    number = fatal_signal(ending)
    if number is not None and trouble.cause not in TELLING:
        return _by_signal(number, ending, trouble, last)
    if ending.exit_code in NOT_RUN and trouble.cause in ("", "import_error"):
        what = "something that it needs may not be executed, or is not there"
        return Diagnosis("not_started", f"Failed (exit code {ending.exit_code}): {what}.{last}")
    how = f"exit code {ending.exit_code}" if ending.exit_code is not None else f"signal {ending.signal}"
    if trouble.cause:
        at = f" at {trouble.where}" if trouble.where else ""
        helps = f". What helps: {HELPS[trouble.cause]}" if trouble.cause in HELPS else ""
        return Diagnosis(trouble.cause, f"Failed ({how}): {WORDS[trouble.cause]}{at}: {trouble.line}{helps}")
    return Diagnosis("other", f"Failed ({how}) without saying why.{last}")


def _by_signal(number: int, ending: Ending, trouble: LogTrouble, last: str) -> Diagnosis:
    name = next((one.name for one in signal.Signals if one == number), f"signal {number}")
    if number == signal.SIGKILL and ending.oom_kills:
        return Diagnosis("oom_host", f"Killed by the kernel: {WORDS['oom_host']}.{last}")
    said = f" Its log says: {trouble.line}" if trouble.cause else last
    kind = FATAL.get(number, "killed")
    words = {"killed": "Killed from outside", "segfault": "Crashed in native code", "abort": "Aborted in native code"}
    return Diagnosis(kind, f"{words[kind]} ({name}).{said}")
