"""A session written for a test: real files, a real journal, no engine but one pretended by the lock."""

from __future__ import annotations

import random
from pathlib import Path

from engine.session import events as ev
from engine.session.journal import Journal
from engine.session.locking import Lock
from engine.session.paths import SessionPaths
from engine.session.settings import Gate, Metric

BEGAN = 1_772_700_000.0


class Recording:
    """Writes what an engine would. `at` is the clock of the recording, in unix seconds."""

    def __init__(self, root: Path, name: str = "mar5") -> None:
        self.paths = SessionPaths(root / name)
        self.paths.private.mkdir(parents=True)
        self.paths.runs.mkdir()
        self.paths.inbox.mkdir()
        self.paths.settings.write_text("", encoding="utf-8")
        git = self.paths.root / ".git"
        git.mkdir()
        (git / "HEAD").write_text(f"ref: refs/heads/autoresearch/{name}-2026-03-05\n", encoding="utf-8")
        self.journal = Journal(self.paths.journal)
        self.at = BEGAN
        self.run = 0
        self.line: list[int] = []
        self._lock: Lock | None = None

    def write(self, *events: ev.AnyEvent) -> None:
        """Append events."""
        self.journal.append(list(events))

    def tick(self, seconds: float = 1.0) -> float:
        """Time passes."""
        self.at += seconds
        return self.at

    def hold(self) -> None:
        """An engine takes the session."""
        self._lock = Lock(self.paths.lock, "start-1")

    def let_go(self) -> None:
        """It lets go."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def open(self, start: bool = True) -> Recording:
        """The engine starts and a segment opens."""
        if start:
            self.write(ev.EngineStarted(at=self.at, pid=1, host="box", start_id="start-1"))
        self.write(
            ev.SegmentOpened(
                at=self.at,
                segment=0,
                name="Optimize val_bpb",
                metric=Metric(),
                command="bash autoresearch.sh",
                timeout_s=600,
                checks_timeout_s=300,
                editable=("train.py",),
                pinned={},
                commit="a" * 40,
            )
        )
        return self

    def begin(self, description: str = "", **more: object) -> int:
        """An experiment begins and is committed; the first is the baseline."""
        self.run += 1
        run, baseline = self.run, not self.line
        found: list[ev.AnyEvent] = [
            ev.ExperimentBegan(
                at=self.tick(),
                run=run,
                segment=0,
                champion=None if baseline else self.line[-1],
                gate=Gate(),
                researcher="search",
            )
        ]
        if not baseline:
            asi = {"hypothesis": f"idea {run} should help", "arch_change": description, "next_action_hint": "go on"}
            params = {"MATRIX_LR": ("0.03", f"0.0{run % 9 + 1}")}
            found.append(
                ev.ChangeAccepted(at=self.tick(), run=run, description=description, asi=asi, params=params, net_lines=2)
            )
        found.append(ev.ChangeCommitted(at=self.tick(), run=run, commit=f"{run:07x}" + "0" * 33))
        self.write(*found)
        return run

    def train(self, run: int) -> None:
        """Its trial begins."""
        self.write(ev.TrialBegan(at=self.tick(), run=run, trial=1, commit=f"{run:07x}", seed=1337))

    def end(
        self, run: int, status: str, metric: float | None, reason: str = "by the rule", flags: tuple[str, ...] = ()
    ) -> None:
        """Its trial ends, it is decided and logged."""
        metrics = {} if metric is None else {"val_bpb": metric, "peak_vram_mb": 44200.0 + run, "mfu_percent": 39.8}
        outcome = "ok" if metric is not None else "crash"
        self.write(
            ev.TrialEnded(
                at=self.tick(300),
                run=run,
                trial=1,
                outcome=outcome,
                metric=metric,
                metrics=metrics,
                duration_s=300,
                cause="" if metric is not None else "oom",
                detail="" if metric is not None else "CUDA out of memory",
            ),
            ev.Decided(at=self.at, run=run, status=status, reason=reason, metric=metric, metrics=metrics, flags=flags),
            ev.ExperimentEnded(at=self.tick(), run=run, confidence=2.4 if run > 2 else None),
        )
        if status == "keep":
            self.line.append(run)

    def experiment(self, status: str, metric: float | None, description: str = "change a thing", **more: object) -> int:
        """A whole experiment."""
        run = self.begin(description)
        self.train(run)
        self.end(run, status, metric, **more)  # type: ignore[arg-type]
        return run

    def night(self, count: int, seed: int = 7) -> Recording:
        """A baseline and `count` experiments of a plausible night."""
        chance = random.Random(seed)
        best = 0.9979
        self.experiment("keep", best, "baseline")
        names = ("MATRIX_LR", "WARMUP", "DEPTH", "WINDOW", "BETA2", "EMBED_LR")
        for _ in range(count):
            what = f"{chance.choice(names)} {chance.uniform(0.01, 0.09):.3f}→{chance.uniform(0.01, 0.09):.3f}"
            draw = chance.random()
            if draw < 0.06:
                self.experiment("crash", None, what, reason="CUDA out of memory")
            elif draw < 0.22:
                best -= chance.uniform(0.0002, 0.003)
                self.experiment("keep", round(best, 6), what)
            else:
                self.experiment("discard", round(best + chance.uniform(0.0, 0.01), 6), what)
        return self

    def log(self, steps: int, of: int = 953) -> None:
        """A run.log with progress up to a step."""
        lines = ["compiling the model\n"]
        for step in range(1, steps + 1):
            loss = 3.2 + 6 / (1 + step / 20)
            lines.append(
                f"step {step:05d} ({step / of * 100:.1f}%) | loss: {loss:.6f} | lrm: 1.00 | dt: 376ms |"
                f" tok/sec: 1,394,022 | mfu: 39.8% | epoch: 1 | remaining: {(of - step) * 376 // 1000}s\r"
            )
        self.paths.run_log.write_text("".join(lines), encoding="utf-8")
