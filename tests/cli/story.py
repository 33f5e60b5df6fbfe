"""A session with a past, written as an engine writes it: real commits, and a journal of what became of them."""

import time
from pathlib import Path

from engine.session import events as ev
from engine.session.journal import Journal, read
from engine.session.locking import Lock
from engine.session.settings import Gate, Metric
from engine.session.state import State
from tests.loop.lab import TRAIN, Lab


class Story(Lab):
    """A baseline when it is made; `experiment` adds to it. Metrics: lower is better."""

    def __init__(self, root: Path, baseline: float = 2.0) -> None:
        super().__init__(root)
        self.now = time.time() - 3600
        self.runs = 0
        self.champion = 1
        self.start_id = "first"
        self.write(ev.EngineStarted(at=self.tick(), pid=4242, host="box", start_id=self.start_id))
        head = self.git("rev-parse", "HEAD").strip()
        self.write(
            ev.SegmentOpened(
                at=self.tick(),
                segment=0,
                name="Optimize val_bpb",
                metric=Metric(),
                command="bash autoresearch.sh",
                timeout_s=600,
                checks_timeout_s=300,
                editable=("train.py",),
                pinned={},
                commit=head,
                seed=1337,
            )
        )
        self.begin()
        self.write(ev.ChangeCommitted(at=self.tick(), run=1, commit=head))
        self.trial("ok", baseline)
        self.decide("keep", baseline, "the baseline")

    def tick(self) -> float:
        """Ten seconds later."""
        self.now += 10
        return self.now

    def write(self, *events: ev.AnyEvent) -> None:
        """Append to the journal."""
        journal = Journal(self.paths.journal)
        journal.append(list(events))
        journal.close()

    def begin(self) -> int:
        """The next experiment gets its number."""
        self.runs += 1
        champion = None if self.runs == 1 else self.champion
        self.write(ev.ExperimentBegan(at=self.tick(), run=self.runs, segment=0, champion=champion, gate=Gate()))
        return self.runs

    def accept(self, description: str) -> None:
        """A change of ALPHA is accepted and committed."""
        run = self.runs
        text = TRAIN.replace("ALPHA = 0.9", f"ALPHA = 0.{run}")
        asi = {"hypothesis": f"idea {run}", "arch_change": f"ALPHA 0.9→0.{run}"}
        self.write(ev.ChangeAccepted(at=self.tick(), run=run, description=description, asi=asi, fingerprint=str(run)))
        (self.root / "train.py").write_text(text)
        self.git("commit", "-qam", f"experiment: {description}\n\nOvernight-Run: {run}")
        self.write(ev.ChangeCommitted(at=self.tick(), run=run, commit=self.git("rev-parse", "HEAD").strip()))

    def trial(self, outcome: str = "", metric: float | None = None) -> None:
        """Its trial begins and, with an outcome, ends."""
        head = self.git("rev-parse", "HEAD").strip()
        self.write(ev.TrialBegan(at=self.tick(), run=self.runs, trial=1, commit=head, seed=1337))
        if outcome:
            detail = "" if outcome == "ok" else "RuntimeError: shapes differ"
            self.write(
                ev.TrialEnded(
                    at=self.tick(),
                    run=self.runs,
                    trial=1,
                    outcome=outcome,
                    metric=metric,
                    metrics={"peak_vram_mb": 45060.0, "mfu_percent": 39.8} if metric else {},
                    duration_s=8.0,
                    detail=detail,
                )
            )

    def decide(self, status: str, metric: float | None, reason: str, flags: tuple[str, ...] = ()) -> None:
        """The gate's word; the tree is set right, and the experiment ends."""
        metrics = {"peak_vram_mb": 45060.0, "mfu_percent": 39.8} if metric else {}
        self.write(
            ev.Decided(
                at=self.tick(), run=self.runs, status=status, reason=reason, metric=metric, metrics=metrics, flags=flags
            )
        )
        if status == "keep":
            self.champion = self.runs
        else:
            champion = self.state().experiments[self.champion - 1].commit
            self.git("checkout", champion, "--", "train.py")
            self.git("commit", "-qm", f"Revert run {self.runs}")
        head = self.git("rev-parse", "HEAD").strip()
        self.write(
            ev.TreeSettled(at=self.tick(), run=self.runs, commit=head, champion=self.champion),
            ev.Learnt(at=self.tick(), run=self.runs, asi={"result": reason}),
            ev.ExperimentEnded(at=self.tick(), run=self.runs, confidence=2.5 if self.runs > 2 else None),
        )

    def experiment(self, status: str, metric: float | None, description: str, reason: str = "because") -> int:
        """A whole one; its number."""
        self.begin()
        self.accept(description)
        self.trial("ok" if metric is not None else "crash", metric)
        self.decide(status, metric, reason)
        return self.runs

    def night(self) -> "Story":
        """Runs 2 (keep), 3 (discard), 4 (crash), 5 (keep)."""
        self.experiment("keep", 1.9, "ALPHA 0.9→0.2", "better")
        self.experiment("discard", 1.95, "ALPHA 0.2→0.3", "worse than the champion")
        self.experiment("crash", None, "ALPHA 0.2→0.4", "RuntimeError: shapes differ")
        self.experiment("keep", 1.8, "ALPHA 0.2→0.5", "better")
        return self

    def stop(self, reason: str = "the limit of 4 experiments is reached") -> "Story":
        """The engine leaves in order."""
        self.write(ev.EngineStopped(at=self.tick(), reason=reason))
        return self

    def hold(self) -> Lock:
        """The engine's lock, as if its process were this one."""
        return Lock(self.paths.lock, self.start_id)

    def state(self) -> State:
        """What the journal says now."""
        return read(self.paths.journal)
