"""Trials and checks: the benchmark under the leash, its telemetry, and what is held against its claims."""

import os
import sys
import threading
import time

from engine.gpu.telemetry import Telemetry
from engine.loop import claims
from engine.loop.effects import RunTrial
from engine.session import events as ev
from engine.session.cookie import cookie, session_id
from engine.session.paths import SessionPaths
from engine.session.runlog import parse_summary
from engine.session.settings import Settings
from engine.session.state import Segment
from engine.work import benchmark, leash
from engine.work.environment import trial_environment

TAIL_BYTES = 65536


class Training:
    """Runs one child at a time in the worker's thread; `abort` may be called from another."""

    def __init__(self, paths: SessionPaths, device: str) -> None:
        self.paths, self.device = paths, device
        self._lock = threading.Lock()
        self._child: leash.Leashed | None = None
        self._ended_why = ""

    def abort(self, why: str) -> None:
        """End the child that runs now, if one does."""
        with self._lock:
            self._ended_why = why
            if self._child is not None:
                self._child.terminate(why)

    def fresh(self) -> None:
        """Forget an earlier abort: the next child may run."""
        with self._lock:
            self._ended_why = ""

    def _hold(self, child: leash.Leashed | None) -> None:
        with self._lock:
            self._child = child
            if child is not None and self._ended_why:
                child.terminate(self._ended_why)

    def environment(self, run: int, trial: int, seed: int, budget: str) -> dict[str, str]:
        """The whole environment of a child of `run`; trial 0 stands for its checks and hooks."""
        return trial_environment(
            os.environ,
            python=sys.executable,
            seed=seed,
            budget=budget,
            cookie=cookie(session_id(self.paths.root), run, trial),
            run=run,
            cpu=not self.device,
            device=self.device,
        )

    def trial(self, effect: RunTrial, segment: Segment, settings: Settings) -> ev.TrialEnded:
        """Run the benchmark to its end, whatever that is."""
        folder = self.paths.run(effect.run)
        if effect.trial > 1:
            folder = folder / f"trial-{effect.trial}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            running = benchmark.start_trial(
                self.paths.root,
                folder,
                segment.run.command,
                environment=self.environment(effect.run, effect.trial, effect.seed, segment.budget),
                limit_s=segment.run.timeout_s,
            )
        except leash.LeashError as error:
            return ev.TrialEnded(
                at=time.time(), run=effect.run, trial=effect.trial, outcome="crash", cause="start", detail=str(error)
            )
        self._hold(running.leashed)
        try:
            with Telemetry(folder / "telemetry.jsonl"):
                measured = running.finish(segment.metric.name)
        finally:
            self._hold(None)
        flags = claims.flags(segment.metric.name, measured.metrics, self._summary(), measured.duration_s)
        return ev.TrialEnded(
            at=time.time(),
            run=effect.run,
            trial=effect.trial,
            outcome=measured.outcome,
            metric=measured.metric if measured.outcome == "ok" else None,
            metrics=measured.metrics,
            duration_s=measured.duration_s,
            exit_code=measured.exit_code,
            cause=measured.cause,
            detail=measured.detail,
            flags=flags if measured.outcome == "ok" else (),
            killed=measured.killed,
        )

    def _summary(self) -> dict[str, float]:
        try:
            with self.paths.run_log.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
                return parse_summary(file.read().decode("utf-8", "replace"))
        except OSError:
            return {}

    def checks(self, run: int, segment: Segment) -> ev.ChecksEnded:
        """Run autoresearch.checks.sh to its end."""
        try:
            running = benchmark.start_checks(
                self.paths.root,
                self.paths.run(run),
                environment=self.environment(run, 0, segment.run.seed, segment.budget),
                limit_s=segment.run.checks_timeout_s,
            )
        except leash.LeashError as error:
            return ev.ChecksEnded(at=time.time(), run=run, passed=False, detail=str(error))
        self._hold(running.leashed)
        try:
            checked = running.finish()
        finally:
            self._hold(None)
        return ev.ChecksEnded(
            at=time.time(), run=run, passed=checked.passed, detail=checked.detail, duration_s=checked.duration_s
        )
