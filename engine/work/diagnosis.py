"""Why a trial brought no result, told apart and put in words: pure, from how it ended and what its log says."""

from __future__ import annotations

import signal

import msgspec

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
    "oom_host": "the machine's memory was not enough",
    "disk_full": "no space was left on the disk",
    "import_error": "something that it imports is not there",
    "syntax_error": "the code does not parse",
    "assertion": "an assertion failed",
    "nan": "the loss became NaN or blew up",
    "cuda_error": "the GPU or its driver reported an error",
    "exception": "an exception ended it",
}


class Diagnosis(msgspec.Struct, frozen=True):
    """`cause`: nan, oom (GPU), oom_host, disk_full, import_error, syntax_error, assertion, cuda_error, exception,
    timeout, killed, segfault, abort, terminated, leash_lost, not_started, other. `detail`: one line for the
    operator."""

    cause: str
    detail: str


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
    if number is not None and trouble.cause not in ("oom", "oom_host", "disk_full"):
        return _by_signal(number, ending, trouble, last)
    how = f"exit code {ending.exit_code}" if ending.exit_code is not None else f"signal {ending.signal}"
    if trouble.cause:
        at = f" at {trouble.where}" if trouble.where else ""
        return Diagnosis(trouble.cause, f"Failed ({how}): {WORDS[trouble.cause]}{at}: {trouble.line}")
    return Diagnosis("other", f"Failed ({how}) without saying why.{last}")


def _by_signal(number: int, ending: Ending, trouble: LogTrouble, last: str) -> Diagnosis:
    name = next((one.name for one in signal.Signals if one == number), f"signal {number}")
    if number == signal.SIGKILL and ending.oom_kills:
        return Diagnosis("oom_host", f"Killed by the kernel: {WORDS['oom_host']}.{last}")
    said = f" Its log says: {trouble.line}" if trouble.cause else last
    kind = FATAL.get(number, "killed")
    words = {"killed": "Killed from outside", "segfault": "Crashed in native code", "abort": "Aborted in native code"}
    return Diagnosis(kind, f"{words[kind]} ({name}).{said}")
