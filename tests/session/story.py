"""A session told by its events, short enough to read in a test: no engine, no git, only what the journal would hold."""

from engine.session import events as ev
from engine.session.fold import apply
from engine.session.settings import Gate, Metric
from engine.session.state import Experiment, State


class Story:
    """Events so far (`events`) and what they amount to (`state`); each call makes a second pass."""

    def __init__(self, direction: str = "lower") -> None:
        self.events: list[ev.AnyEvent] = []
        self.state = State()
        self.now = 1000.0
        self.direction = direction

    def tell(self, *events: ev.AnyEvent) -> None:
        for event in events:
            self.events.append(event)
            apply(self.state, event)
            self.now += 1

    def segment(self) -> None:
        number = len(self.state.segments)
        metric = Metric("score", "", "higher") if self.direction == "higher" else Metric()
        self.tell(
            ev.SegmentOpened(
                at=self.now,
                segment=number,
                name=f"Optimize {metric.name}",
                metric=metric,
                command="bash autoresearch.sh",
                timeout_s=600,
                checks_timeout_s=300,
                editable=("train.py",),
                pinned={"prepare.py": "0" * 64},
                commit=f"s{number}",
                seed=1337,
            )
        )

    def began(self) -> int:
        """An experiment that has a commit and no trial yet; a baseline where there is no champion."""
        if not self.state.segments:
            self.segment()
        champion, run = self.state.champion, len(self.state.experiments) + 1
        number = self.state.segments[-1].number
        self.tell(
            ev.ExperimentBegan(
                at=self.now, run=run, segment=number, champion=champion.run if champion else None, gate=Gate()
            )
        )
        if champion is not None:
            self.tell(ev.ChangeAccepted(at=self.now, run=run, description=f"change {run}", asi={}))
        self.tell(ev.ChangeCommitted(at=self.now, run=run, commit=f"c{run:06d}"))
        return run

    def decided(self, status: str, metric: float | None, flags: tuple[str, ...] = (), reason: str = "told") -> int:
        """A run with one trial and its verdict, its tree not yet settled."""
        run = self.began()
        outcome = "ok" if metric is not None else "crash"
        commit = self.state.experiments[-1].commit
        self.tell(
            ev.TrialBegan(at=self.now, run=run, trial=1, commit=commit, seed=1337),
            ev.TrialEnded(at=self.now, run=run, trial=1, outcome=outcome, metric=metric, duration_s=1.5),
            ev.Decided(at=self.now, run=run, status=status, reason=reason, metric=metric, flags=flags),
        )
        return run

    def ran(
        self, status: str, metric: float | None, flags: tuple[str, ...] = (), reason: str = "told", **asi: str
    ) -> int:
        """A whole experiment; its run."""
        run = self.decided(status, metric, flags, reason)
        champion = self.state.champion
        self.tell(
            ev.TreeSettled(at=self.now, run=run, commit=f"h{run:06d}", champion=champion.run if champion else run),
            ev.Learnt(at=self.now, run=run, asi=asi),
            ev.ExperimentEnded(at=self.now, run=run),
        )
        return run

    @property
    def line(self) -> list[int]:
        return self.state.segments[-1].line

    def statuses(self) -> list[str]:
        return [experiment.status for experiment in self.state.experiments]

    def experiment(self, run: int) -> Experiment:
        return self.state.experiments[run - 1]
