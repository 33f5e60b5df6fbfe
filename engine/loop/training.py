"""Trials and checks: the benchmark under the leash, its telemetry, and what is held against its claims."""

import contextlib
import functools
import os
import shutil
import sys
import threading
import time
from pathlib import Path

import msgspec

from engine.gpu.sampler import Sampler
from engine.gpu.telemetry import Telemetry
from engine.gpu.watched import DeviceWatch
from engine.loop import claims, leavings
from engine.loop.effects import RunTrial
from engine.researchers.credentials import is_credential
from engine.session import events as ev
from engine.session.cookie import COOKIE, cookie, cookie_of_job, session_id
from engine.session.paths import SessionPaths
from engine.session.runlog import parse_summary
from engine.session.settings import Settings
from engine.session.state import Segment
from engine.work import benchmark, diagnosis, leash, provenance, sandbox, verify
from engine.work.constants import read_constants
from engine.work.environment import trial_environment

TAIL_BYTES = 65536
RSS_PEAK = "peak_rss_mb"
"""The metric that the engine adds for the growth search on the CPU: the largest process's resident memory, in MiB."""
NVML_PEAK = "nvml_peak_mb"
"""The metric that the engine adds: the run's peak as the driver saw it, its context included, in MiB."""


def interrupted(ended: ev.TrialEnded, signal: str, abort: str) -> ev.TrialEnded:
    """A trial that a signal to the engine ended was interrupted, not aborted by the operator (`abort`: by whom)."""
    if ended.outcome != "aborted" or abort:
        return ended
    why = f"interrupted: the engine was ended by {signal}"
    return msgspec.structs.replace(ended, outcome="interrupted", cause="interrupted", detail=why)


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

    @property
    def ended(self) -> bool:
        """Whether somebody asked for the end of what runs, since the last `fresh`."""
        with self._lock:
            return bool(self._ended_why)

    def hold(self, child: leash.Leashed | None) -> None:
        """Take the child that runs now, so that `abort` finds it; None: it has ended."""
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
        self._write_provenance(effect, segment, settings)
        environment = self._trained_with(effect.run, effect.trial, effect.seed, segment)
        weights = folder / leavings.FINAL / leavings.WEIGHTS
        weights.parent.mkdir(exist_ok=True)
        leavings.ask(environment, weights.parent, self.paths, effect, settings)
        confine = self._sandbox(segment, settings, [weights.parent])
        watch, sampler = DeviceWatch(self.device, session_id(self.paths.root)), Sampler()
        if self.device:
            watch.see(sampler.sample())
        try:
            running = benchmark.start_trial(
                self.paths.root,
                folder,
                segment.run.command,
                environment=environment,
                limit_s=segment.run.timeout_s,
                confine=confine,
            )
        except leash.LeashError as error:
            return ev.TrialEnded(
                at=time.time(), run=effect.run, trial=effect.trial, outcome="crash", cause="start", detail=str(error)
            )
        self.hold(running.leashed)
        try:
            with Telemetry(folder / "telemetry.jsonl", sampler, watch=watch):
                measured = running.finish(segment.metric.name)
        finally:
            self.hold(None)
        found = diagnosis.Diagnosis(measured.cause, measured.detail)
        if measured.outcome in ("crash", "timeout"):
            found = diagnosis.with_device(found, watch)
        ended = ev.TrialEnded(
            at=time.time(),
            run=effect.run,
            trial=effect.trial,
            outcome=measured.outcome,
            metric=measured.metric if measured.outcome == "ok" else None,
            metrics={**measured.metrics, **self._memory(measured, watch.peak_mb, settings)},
            duration_s=measured.duration_s,
            exit_code=measured.exit_code,
            cause=found.cause,
            detail=found.detail,
            flags=self._claims(segment, measured, watch.peak_mb) if measured.outcome == "ok" else (),
            killed=measured.killed,
        )
        if measured.outcome == "ok" and settings.guard.verify:
            ended = self._verified(ended, folder, weights, segment, settings, environment)
        leavings.take(self.paths, effect, ended.outcome, weights.parent, settings)
        shutil.rmtree(weights.parent, ignore_errors=True)
        return ended

    def _memory(self, measured: benchmark.Measured, peak_mb: float | None, settings: Settings) -> dict[str, float]:
        """What the run held at most: as the driver saw it, or resident on the CPU, for whoever counts memory."""
        if peak_mb is not None:
            return {NVML_PEAK: peak_mb}
        wanted = not self.device and settings.researcher.kind == "grow" and measured.peak_rss_mb > 0
        return {RSS_PEAK: measured.peak_rss_mb} if wanted else {}

    def _write_provenance(self, effect: RunTrial, segment: Segment, settings: Settings) -> None:
        """Once for each commit of a run; a disk that fails costs the note, not the run."""
        path = self.paths.run(effect.run) / provenance.FILE
        if effect.of != "candidate" or not provenance.wanted(path, effect.commit):
            return
        with contextlib.suppress(OSError):
            root, (commit, seed) = self.paths.root, (effect.commit, effect.seed)
            provenance.write(path, provenance.collect(root, effect.run, commit, seed, segment, settings, self.device))

    def job_environment(self, command: str, run: int, seed: int, budget: str) -> dict[str, str]:
        """The environment of queued work about `run`: a trial's, under a cookie of its own and without credentials."""
        found = self.environment(run, 0, seed, budget)
        found[COOKIE] = cookie_of_job(session_id(self.paths.root), command)
        return {name: value for name, value in found.items() if not is_credential(name)}

    def _trained_with(self, run: int, trial: int, seed: int, segment: Segment) -> dict[str, str]:
        """The environment of what a researcher wrote: no credentials in it."""
        everything = self.environment(run, trial, seed, segment.budget)
        return {name: value for name, value in everything.items() if not is_credential(name)}

    def _sandbox(self, segment: Segment, settings: Settings, writable: list[Path]) -> benchmark.Confine:
        root = self.paths.root
        return functools.partial(
            sandbox.wrap,
            kind="train",
            session=root,
            setting=settings.guard.sandbox,
            device=self.device,
            writable=writable,
            pinned=(*segment.editable, *segment.pinned),
            strict=sandbox.is_template(root, segment.run.command),
        )

    def _claims(self, segment: Segment, measured: benchmark.Measured, peak_mb: float | None) -> tuple[str, ...]:
        found = claims.flags(segment.metric.name, measured.metrics, self._summary(), measured.duration_s)
        printed_mb = measured.metrics.get("peak_vram_mb")
        found += claims.vram(printed_mb, peak_mb)
        if self.device:
            found += claims.unused(printed_mb, peak_mb)
        try:
            fixed = read_constants((self.paths.root / "prepare.py").read_text(encoding="utf-8"))
        except (OSError, ValueError, SyntaxError):
            return found
        budget, unit = segment.budget or fixed.get("BUDGET", ""), fixed.get("BUDGET_UNIT", "").strip("\"'")
        return found + claims.over_budget(measured.metrics, budget, unit)

    def _verified(
        self,
        ended: ev.TrialEnded,
        folder: Path,
        weights: Path,
        segment: Segment,
        settings: Settings,
        environment: dict[str, str],
    ) -> ev.TrialEnded:
        """The trial with what the independent measure says of it."""
        assert ended.metric is not None
        if segment.metric.name != verify.NAME or not weights.is_file():
            missing = f"train.py left no weights at OVERNIGHT_WEIGHTS, and guard.verify is on for {segment.metric.name}"
            found = verify.Verified(missing)
        else:
            try:
                running = verify.start(
                    self.paths.root,
                    folder,
                    weights,
                    environment=environment,
                    limit_s=segment.run.timeout_s,
                    confine=self._sandbox(segment, settings, []),
                )
            except leash.LeashError as error:
                found = verify.Verified(str(error))
            else:
                self.hold(running)
                try:
                    found = verify.finish(running, folder, ended.metric)
                finally:
                    self.hold(None)
        if found.aborted:
            why = {"outcome": "aborted", "cause": "terminated", "detail": found.why, "metric": None, "flags": ()}
            return msgspec.structs.replace(ended, **why)
        if not found.why:
            return ended
        return msgspec.structs.replace(ended, flags=(*ended.flags, "verify_disagrees"), detail=found.why)

    def _summary(self) -> dict[str, float]:
        try:
            with self.paths.run_log.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
                return parse_summary(file.read().decode("utf-8", "replace"))
        except OSError:
            return {}

    def checks(self, run: int, segment: Segment, settings: Settings) -> ev.ChecksEnded:
        """Run autoresearch.checks.sh to its end."""
        try:
            running = benchmark.start_checks(
                self.paths.root,
                self.paths.run(run),
                environment=self._trained_with(run, 0, segment.run.seed, segment),
                limit_s=segment.run.checks_timeout_s,
                confine=self._sandbox(segment, settings, []),
            )
        except leash.LeashError as error:
            return ev.ChecksEnded(at=time.time(), run=run, passed=False, detail=str(error))
        self.hold(running.leashed)
        try:
            checked = running.finish()
        finally:
            self.hold(None)
        return ev.ChecksEnded(
            at=time.time(), run=run, passed=checked.passed, detail=checked.detail, duration_s=checked.duration_s
        )
