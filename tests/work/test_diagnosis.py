"""Failures are told apart, and the operator is told in one line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.work.diagnosis import diagnose
from engine.work.leash import Ending
from engine.work.logtrouble import last_lines, lines_of, read_trouble

FAILED = Ending(cause="exited", exit_code=1)
TRACEBACK = """step 00001 (1.0%) | loss: 9.0
Traceback (most recent call last):
  File "/home/me/sessions/mar5/train.py", line 120, in <module>
    model(x)
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1750, in _call_impl
    return forward_call(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"""


@pytest.mark.parametrize(
    ("cause", "line"),
    [
        ("oom", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 79.10 GiB"),
        ("oom", "torch.cuda.OutOfMemoryError: CUDA out of memory."),
        ("oom", "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        (
            "oom_host",
            "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9",
        ),
        ("oom_host", "MemoryError"),
        ("oom_host", "OSError: [Errno 12] Cannot allocate memory"),
        ("disk_full", "OSError: [Errno 28] No space left on device: 'x.pt'"),
        ("import_error", "ModuleNotFoundError: No module named 'flash_attn'"),
        ("import_error", "ImportError: cannot import name 'f' from 'prepare'"),
        ("syntax_error", "SyntaxError: invalid syntax"),
        ("syntax_error", "IndentationError: unexpected indent"),
        ("assertion", "AssertionError: batch size must divide"),
        ("assertion", "AssertionError"),
        ("nan", "FloatingPointError: the loss is nan"),
        ("cuda_error", "RuntimeError: CUDA error: device-side assert triggered"),
        ("exception", "ValueError: shapes do not match"),
        ("exception", "__main__.SomeError: odd"),
    ],
)
def test_the_exception_decides_the_cause_and_the_place_in_the_sessions_code_is_named(cause: str, line: str) -> None:
    found = diagnose(FAILED, TRACEBACK + line + "\n")
    assert found.cause == cause
    assert "train.py line 120" in found.detail
    assert "\n" not in found.detail
    assert line.rsplit(".", 1)[-1][:20] in found.detail


def test_the_templates_fail_is_a_nan() -> None:
    assert diagnose(FAILED, "step 00003 (1%) | loss: nan | dt: 1ms\rstep 00004 | loss: nan\nFAIL\n").cause == "nan"


def test_a_nan_in_a_good_looking_line_is_not_mistaken() -> None:
    assert diagnose(FAILED, "financial banana: 1\nnanoseconds 3\n").cause == "other"


def test_the_last_exception_decides() -> None:
    log = "KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\nMemoryError\n"
    assert diagnose(FAILED, log).cause == "oom_host"


@pytest.mark.parametrize(("code", "number"), [(137, None), (None, 9)])
def test_a_kill_is_told_from_the_kernels_kill_for_memory(code: int | None, number: int | None) -> None:
    assert diagnose(Ending(cause="exited", exit_code=code, signal=number), "step 1\n").cause == "killed"
    assert diagnose(Ending(cause="exited", exit_code=code, signal=number, oom_kills=1), "").cause == "oom_host"


def test_native_crashes_name_their_signal() -> None:
    for number, cause, name in ((11, "segfault", "SIGSEGV"), (6, "abort", "SIGABRT"), (4, "segfault", "SIGILL")):
        found = diagnose(Ending(cause="exited", exit_code=128 + number), "")
        assert (found.cause, name in found.detail) == (cause, True)
    assert diagnose(Ending(cause="exited", signal=40), "").cause == "killed"


def test_an_out_of_memory_that_ends_in_an_abort_is_an_out_of_memory() -> None:
    log = "terminate called after throwing an instance of 'std::bad_alloc'\n"
    assert diagnose(Ending(cause="exited", signal=6), log).cause == "oom_host"


def test_ends_from_outside_carry_their_reason() -> None:
    assert diagnose(Ending(cause="timeout", signal=9), "step 3\n", 600).detail.startswith(
        "Ended after its limit of 600 s"
    )
    found = diagnose(Ending(cause="terminated", why="aborted by ann", signal=15), "ValueError: x\n")
    assert (found.cause, "aborted by ann" in found.detail) == ("terminated", True)
    assert diagnose(Ending(cause="leash_lost", why="gone"), "").cause == "leash_lost"
    assert diagnose(Ending(cause="not_started", why="no bash"), "").cause == "not_started"


def test_what_a_shell_could_not_execute_is_told_as_not_started() -> None:
    for code, said in ((126, "./autoresearch.sh: Permission denied"), (127, "python3: command not found")):
        found = diagnose(Ending(cause="exited", exit_code=code), f"bash: line 1: {said}\n")
        assert (found.cause, said in found.detail) == ("not_started", True)
    assert diagnose(Ending(cause="exited", exit_code=127), "ValueError: x\n").cause == "exception"
    assert diagnose(FAILED, "bash: line 1: x: Permission denied\n").cause == "other"


def test_silence_is_told_as_silence() -> None:
    assert "wrote nothing" in diagnose(FAILED, "").detail


def test_progress_lines_count_as_one() -> None:
    log = "begin\n" + "".join(f"step {n:05d} ({n}%) | loss: 1\r" for n in range(1000)) + "\nend\n"
    assert lines_of(log) == ["begin", "step 00999 (999%) | loss: 1", "end"]
    assert last_lines(log, 2) == ["step 00999 (999%) | loss: 1", "end"]


@settings(max_examples=60)
@given(st.text(max_size=300))
def test_any_log_gives_one_harmless_line(text: str) -> None:
    detail = diagnose(FAILED, text).detail
    assert not set(detail) & {chr(code) for code in (*range(32), 127, *range(0x80, 0xA0))}
    assert len(detail) < 1500
    read_trouble(text)
