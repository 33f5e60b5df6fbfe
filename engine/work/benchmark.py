"""One trial: runs the session's benchmark under the leash, keeps its output, and reads what it measured."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from engine.session import metrics
from engine.session.cookie import COOKIE
from engine.session.inert import inert
from engine.work import leash, sweep
from engine.work.capture import Capture, keep_copy
from engine.work.diagnosis import diagnose
from engine.work.logtrouble import TAIL_BYTES, last_lines

RUN_LOG = "run.log"
BENCHMARK_OUT = "benchmark.out"
CHECKS = "autoresearch.checks.sh"
CHECKS_OUT = "checks.out"

Confine = Callable[[list[str]], list[str]]
"""Puts a command into a sandbox: engine.work.sandbox.wrap with its places given."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a trial brought.

    `outcome`: ok · crash · timeout · aborted (the engine asked) · interrupted (engine or leash gone) · no_metric
    (exit 0, but the primary metric is missing) · bad_metric (it is there, and not a finite number). `metric` is the
    primary metric, None unless `outcome` is ok; `metrics` all finite ones, the primary included. `cause` and `detail`
    are `diagnosis.Diagnosis`'s, or empty. `trouble` tells what of the output could not be kept. `peak_rss_mb`: the most
    resident memory that one of its processes had, 0 = not known.
    """

    outcome: str
    exit_code: int | None = None
    signal: int | None = None
    metric: float | None = None
    metrics: dict[str, float] = {}
    duration_s: float = 0.0
    cause: str = ""
    detail: str = ""
    killed: tuple[str, ...] = ()
    trouble: str = ""
    peak_rss_mb: float = 0.0


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What the correctness checks said. `outcome`: passed · failed · timeout · aborted · interrupted."""

    outcome: str
    exit_code: int | None = None
    duration_s: float = 0.0
    detail: str = ""
    killed: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """The checks ran and exited with 0."""
        return self.outcome == "passed"


class Trial:
    """A benchmark that runs. `leashed` is its child: poll it, wait for it, terminate it; then call `finish`."""

    def __init__(self, leashed: leash.Leashed, capture: Capture, session: Path, folder: Path, limit_s: float) -> None:
        self.leashed = leashed
        self._capture = capture
        self._session = session
        self._folder = folder
        self._limit_s = limit_s

    def abort(self, why: str) -> None:
        """End the trial now; `finish` then says aborted."""
        self.leashed.terminate(why)

    def finish(self, metric: str) -> Measured:
        """Wait for the end, sweep, keep run.log in the run's folder, and read the metrics. `metric`: the primary."""
        ending, killed, output, trouble = _close(self.leashed, self._capture)
        log = self._session / RUN_LOG
        tail = ""
        if log.is_file():
            tail = _tail(log)
            try:
                keep_copy(log, self._folder / RUN_LOG)
            except OSError as error:
                trouble = trouble or f"{log} could not be kept in {self._folder}: {error.strerror}"
        return measure(ending, output, tail, metric, self._limit_s, killed, trouble)


def measure(
    ending: leash.Ending,
    output: str,
    log: str,
    metric: str,
    limit_s: float = 0.0,
    killed: tuple[str, ...] = (),
    trouble: str = "",
) -> Measured:
    """Judge a trial's end: `output` is what the benchmark printed, `log` the end of run.log."""
    scan = metrics.scan(output)
    values = dict(scan.values)
    value = values.get(metric)
    refused = scan.refused.get(metric)
    cause, detail = "", ""
    if ending.clean and refused is not None:
        outcome = cause = "bad_metric"
        detail = f"The benchmark printed METRIC {metric}={inert(refused[:80])}; expected a finite decimal number."
    elif ending.clean and value is None:
        printed = f"it printed {', '.join(values)}" if values else "it printed no METRIC line"
        own = last_lines(output, 1) if log and not values else []  # "awk: command not found"
        printed += f", but said: {own[0]}" if own else ""
        lines = last_lines(log or output)
        last = f" Last lines: {' | '.join(lines)}" if lines else ""
        outcome, cause = "no_metric", "missing_metric"
        detail = f"The benchmark ended well but reported no {metric}; {printed}.{last}"
    elif ending.clean:
        outcome = "ok"
    else:
        found = diagnose(ending, f"{output[-TAIL_BYTES:]}\n{log}", limit_s)
        outcome, cause, detail = _outcome(ending, "crash"), found.cause, found.detail
    return Measured(
        outcome=outcome,
        exit_code=ending.exit_code,
        signal=ending.signal,
        metric=value if outcome == "ok" else None,
        metrics=values,
        duration_s=ending.wall_s,
        cause=cause,
        detail=detail,
        killed=killed,
        trouble=trouble,
        peak_rss_mb=ending.peak_rss_mb,
    )


def start_trial(
    session: Path,
    folder: Path,
    command: str,
    *,
    environment: Mapping[str, str],
    limit_s: float,
    grace_s: float = leash.GRACE_S,
    confine: Confine = list,
) -> Trial:
    """Start the benchmark `command` (a shell's command line) in `session`; its output is kept in `folder`.

    The session's run.log is emptied first, so that an earlier one is never read as this trial's. `environment` comes
    from `environment.trial_environment`; `confine` puts the command into a sandbox. Raises LeashError.
    """
    _empty(session / RUN_LOG)
    leashed, capture = _start(command, session, folder / BENCHMARK_OUT, environment, limit_s, grace_s, confine)
    return Trial(leashed, capture, session, folder, limit_s)


def run_trial(
    session: Path,
    folder: Path,
    command: str,
    *,
    metric: str,
    environment: Mapping[str, str],
    limit_s: float,
    grace_s: float = leash.GRACE_S,
) -> Measured:
    """`start_trial` and `finish` in one, for a caller that has nothing else to do meanwhile."""
    trial = start_trial(session, folder, command, environment=environment, limit_s=limit_s, grace_s=grace_s)
    return trial.finish(metric)


class Checks:
    """Correctness checks that run; `leashed` as in `Trial`."""

    def __init__(self, leashed: leash.Leashed, capture: Capture, limit_s: float) -> None:
        self.leashed = leashed
        self._capture = capture
        self._limit_s = limit_s

    def finish(self) -> Checked:
        """Wait for the end and say how it went."""
        ending, killed, output, _ = _close(self.leashed, self._capture)
        outcome = "passed" if ending.clean else _outcome(ending, "failed")
        detail = ""
        if outcome == "timeout":
            detail = f"{CHECKS} was ended after its limit of {self._limit_s:g} s."
        elif outcome != "passed":
            lines = last_lines(output[-TAIL_BYTES:])
            how = f"exit code {ending.exit_code}" if ending.signal is None else f"signal {ending.signal}"
            detail = f"{CHECKS} failed ({ending.why or how}): {' | '.join(lines) or 'it printed nothing'}"
        return Checked(
            outcome=outcome, exit_code=ending.exit_code, duration_s=ending.wall_s, detail=detail, killed=killed
        )


def has_checks(session: Path) -> bool:
    """Whether the session has correctness checks."""
    return (session / CHECKS).is_file()


def start_checks(
    session: Path,
    folder: Path,
    *,
    environment: Mapping[str, str],
    limit_s: float,
    grace_s: float = leash.GRACE_S,
    confine: Confine = list,
) -> Checks:
    """Start the session's correctness checks; their output is kept in `folder`. Raises LeashError."""
    leashed, capture = _start(f"bash {CHECKS}", session, folder / CHECKS_OUT, environment, limit_s, grace_s, confine)
    return Checks(leashed, capture, limit_s)


def run_checks(
    session: Path, folder: Path, *, environment: Mapping[str, str], limit_s: float, grace_s: float = leash.GRACE_S
) -> Checked | None:
    """The checks from start to end; None when the session has none."""
    if not has_checks(session):
        return None
    return start_checks(session, folder, environment=environment, limit_s=limit_s, grace_s=grace_s).finish()


def _start(
    command: str,
    session: Path,
    target: Path,
    environment: Mapping[str, str],
    limit_s: float,
    grace_s: float,
    confine: Confine,
) -> tuple[leash.Leashed, Capture]:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        capture = Capture(target)
    except OSError as error:
        raise leash.LeashError(
            f"{target} cannot be written: {error.strerror}. Check the folder's rights and the space left."
        ) from error
    try:
        leashed = leash.start(
            confine(["bash", "-c", command]),
            cwd=session,
            env=environment,
            limit_s=limit_s,
            stdout=capture.fd,
            grace_s=grace_s,
            cookie=environment.get(COOKIE, ""),
        )
    finally:
        capture.started()
    return leashed, capture


def _close(leashed: leash.Leashed, capture: Capture) -> tuple[leash.Ending, tuple[str, ...], str, str]:
    """Ending, the names of whom had to be killed, the output kept, and what of it could not be written."""
    ending = leashed.ended()
    swept = sweep.sweep(leashed.cookie) if leashed.cookie else []
    killed = tuple(str(one) for one in (*ending.killed, *swept))
    left = tuple(f"{one.name} (pid {one.pid}) could not be ended: it hangs in the kernel" for one in ending.left)
    output = capture.finish().decode("utf-8", "replace")
    return ending, killed + left, output, capture.trouble


def _outcome(ending: leash.Ending, otherwise: str) -> str:
    named = {"timeout": "timeout", "terminated": "aborted", "engine_gone": "interrupted", "leash_lost": "interrupted"}
    return named.get(ending.cause, otherwise)


def _empty(log: Path) -> None:
    """Empty a log in place, so that who follows it sees a truncation; a link is removed, never followed."""
    try:
        with contextlib.suppress(FileNotFoundError):
            if log.is_symlink():
                log.unlink()
            else:
                os.truncate(log, 0)
    except OSError as error:
        raise leash.LeashError(f"{log} cannot be emptied: {error.strerror}. Check its rights.") from error


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
        return file.read().decode("utf-8", "replace")
