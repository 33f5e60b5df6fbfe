"""A trial's outcome, metrics and output, measured with real scripts."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from engine.session.cookie import cookie
from engine.work import sweep
from engine.work.benchmark import Measured, has_checks, run_checks, run_trial, start_trial
from engine.work.environment import trial_environment
from engine.work.leash import LeashError


@pytest.fixture
def mark(request: pytest.FixtureRequest) -> str:
    return cookie(f"bench-{os.getpid()}-{request.node.name}", 7, 1)


def environment(mark: str) -> dict[str, str]:
    return trial_environment(os.environ, python=sys.executable, seed=5, cookie=mark, run=7, cpu=True)


def run(session: Path, mark: str, script: str, limit_s: float = 60, grace_s: float = 0.2) -> Measured:
    (session / "autoresearch.sh").write_text(script)
    return run_trial(
        session,
        session / ".overnight/runs/0007",
        "bash autoresearch.sh",
        metric="val_bpb",
        environment=environment(mark),
        limit_s=limit_s,
        grace_s=grace_s,
    )


def test_metrics_are_read_and_the_output_is_kept_with_the_run(tmp_path: Path, mark: str) -> None:
    script = "echo training > run.log; echo METRIC val_bpb=1.25; echo METRIC peak_memory_mb=10"
    measured = run(tmp_path, mark, script)
    assert (measured.outcome, measured.metric, measured.cause) == ("ok", 1.25, "")
    assert measured.metrics == {"val_bpb": 1.25, "peak_memory_mb": 10.0}
    folder = tmp_path / ".overnight/runs/0007"
    assert (folder / "run.log").read_text() == "training\n"
    assert (folder / "benchmark.out").read_text().startswith("METRIC val_bpb=1.25\n")


def test_a_missing_metric_is_told_and_never_a_number(tmp_path: Path, mark: str) -> None:
    measured = run(tmp_path, mark, "echo METRIC other=1; echo the end > run.log")
    assert (measured.outcome, measured.metric, measured.cause) == ("no_metric", None, "missing_metric")
    assert "val_bpb" in measured.detail and "other" in measured.detail and "the end" in measured.detail


def test_where_no_metric_was_printed_the_benchmarks_own_last_words_are_told(tmp_path: Path, mark: str) -> None:
    measured = run(tmp_path, mark, "echo val_bpb: 1.0 > run.log; no-such-awk < run.log; exit 0")
    assert measured.outcome == "no_metric" and "no-such-awk: command not found" in measured.detail
    assert "printed no METRIC line, but said: " in measured.detail and "val_bpb: 1.0" in measured.detail


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "", "0.9x", "1e999"])
def test_a_metric_that_is_no_finite_number_is_bad(tmp_path: Path, mark: str, value: str) -> None:
    measured = run(tmp_path, mark, f"echo METRIC val_bpb={value}")
    assert (measured.outcome, measured.metric, measured.metrics) == ("bad_metric", None, {})
    assert f"val_bpb={value}" in measured.detail


def test_a_crash_is_a_crash_whatever_it_printed(tmp_path: Path, mark: str) -> None:
    script = "echo METRIC val_bpb=0.1; echo \"ModuleNotFoundError: No module named 'zap'\" > run.log; exit 1"
    measured = run(tmp_path, mark, script)
    assert (measured.outcome, measured.metric, measured.exit_code) == ("crash", None, 1)
    assert measured.cause == "import_error"
    assert "zap" in measured.detail


def test_an_earlier_runs_log_is_never_taken_for_this_ones(tmp_path: Path, mark: str) -> None:
    (tmp_path / "run.log").write_text("MemoryError\n")
    measured = run(tmp_path, mark, "exit 1")
    assert measured.cause == "other"
    assert (tmp_path / ".overnight/runs/0007/run.log").read_text() == ""


def test_a_log_that_is_a_link_is_not_written_through(tmp_path: Path, mark: str) -> None:
    (tmp_path / "precious").write_text("keep me")
    (tmp_path / "run.log").symlink_to(tmp_path / "precious")
    run(tmp_path, mark, "echo METRIC val_bpb=1 ; echo new > run.log")
    assert (tmp_path / "precious").read_text() == "keep me"


def test_a_benchmark_that_never_ends_and_ignores_sigterm_is_a_timeout(tmp_path: Path, mark: str) -> None:
    script = "trap '' TERM; (trap '' TERM; setsid sleep 1000; sleep 1000) & while :; do sleep 0.1; done"
    measured = run(tmp_path, mark, script, limit_s=0.5)
    assert (measured.outcome, measured.cause) == ("timeout", "timeout")
    assert measured.killed
    assert sweep.find(mark) == []


def test_a_trial_can_be_aborted(tmp_path: Path, mark: str) -> None:
    (tmp_path / "autoresearch.sh").write_text("touch begun; sleep 1000")
    trial = start_trial(
        tmp_path, tmp_path / "runs", "bash autoresearch.sh", environment=environment(mark), limit_s=0, grace_s=60
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        assert trial.leashed.wait(0.02) is None
    trial.abort("the operator said so")
    measured = trial.finish("val_bpb")
    assert (measured.outcome, measured.cause) == ("aborted", "terminated")
    assert "the operator said so" in measured.detail


def test_a_training_process_killed_below_the_shell_is_told_as_killed(tmp_path: Path, mark: str) -> None:
    measured = run(tmp_path, mark, "bash -c 'kill -KILL $$' > run.log; exit $?")
    assert (measured.outcome, measured.exit_code) == ("crash", 137)
    assert measured.cause in ("killed", "oom_host"), "oom_host only if the kernel killed something else meanwhile"


def test_the_benchmark_gets_the_trials_environment(tmp_path: Path, mark: str) -> None:
    script = 'echo METRIC val_bpb=$OVERNIGHT_SEED; "$OVERNIGHT_PYTHON" -c "print(\'METRIC two=2\')"'
    assert run(tmp_path, mark, script).metrics == {"val_bpb": 5.0, "two": 2.0}


def test_a_folder_that_cannot_be_written_is_refused_with_its_name(tmp_path: Path, mark: str) -> None:
    (tmp_path / "runs").write_text("a file where a folder should be")
    with pytest.raises(LeashError, match="runs"):
        start_trial(tmp_path, tmp_path / "runs", "true", environment=environment(mark), limit_s=1)


def test_checks_pass_fail_and_are_optional(tmp_path: Path, mark: str) -> None:
    def check(limit_s: float = 60) -> object:
        return run_checks(tmp_path, tmp_path / "runs", environment=environment(mark), limit_s=limit_s, grace_s=0.2)

    assert not has_checks(tmp_path) and check() is None
    script = tmp_path / "autoresearch.checks.sh"
    script.write_text("exit 0")
    passed = check()
    assert passed is not None and passed.passed  # type: ignore[attr-defined]
    script.write_text("echo shape mismatch; exit 2")
    failed = check()
    assert (failed.outcome, failed.exit_code) == ("failed", 2)  # type: ignore[attr-defined]
    assert "shape mismatch" in failed.detail  # type: ignore[attr-defined]
    assert (tmp_path / "runs/checks.out").read_text() == "shape mismatch\n"
    script.write_text("sleep 1000")
    assert check(0.3).outcome == "timeout"  # type: ignore[attr-defined]
