"""What a session's journal amounts to: the state that the engine decides by and the console shows."""

from collections.abc import MutableSequence
from typing import Literal

import msgspec

from engine.session.events import Planned
from engine.session.flags import CUT_SHORT
from engine.session.settings import Gate, Metric, Run

MAX_ITERS = "max_iters"
"""The name under which the training length is set by hand, as growth logs call it."""
Phase = Literal["proposing", "accepted", "committed", "decided", "settled", "learnt", "ended"]


class Trial(msgspec.Struct, omit_defaults=True):
    """One (commit, seed, budget) and what it brought; `outcome` is "" while it runs."""

    number: int
    commit: str
    seed: int
    of: str
    budget: str
    began_at: float
    outcome: str = ""
    metric: float | None = None
    metrics: dict[str, float] = {}
    duration_s: float = 0.0
    cause: str = ""
    detail: str = ""
    flags: tuple[str, ...] = ()
    killed: tuple[str, ...] = ()


class Experiment(msgspec.Struct, omit_defaults=True):
    """One change and its trials. `champion` is the run it was tried on, None for a baseline.

    `verdict` is what the gate said, `status` what holds now (an operator may have overridden it); both are "" until
    decided. `params` maps a constant to (old, new) source texts. `phase` tells how far it got.
    """

    run: int
    segment: int
    champion: int | None
    began_at: float
    gate: Gate
    researcher: str = ""
    group: str = ""
    candidate: str = ""
    seeds: int = 1
    phase: Phase = "proposing"
    commit: str = ""
    description: str = ""
    asi: dict[str, str] = {}
    fingerprint: str = ""
    params: dict[str, tuple[str, str]] = {}
    net_lines: int = 0
    usage: dict[str, float] = {}
    refusals: list[str] = []
    attempts: list[str] = []
    """What went wrong with the researcher meanwhile, one line an attempt."""
    mends: int = 0
    claim: str = ""
    token: int = 0
    """The swarm's claim of the change (see ChangeAccepted)."""
    mend_failed: str = ""
    refused: str = ""
    """The description of the last proposal that was sent back."""
    failed: str = ""
    trials: list[Trial] = []
    checks: str = ""
    checks_detail: str = ""
    verdict: str = ""
    status: str = ""
    logged: str = ""
    """Its status when it was logged; a later decision is a line of its own in the public log."""
    reason: str = ""
    metric: float | None = None
    metrics: dict[str, float] = {}
    flags: tuple[str, ...] = ()
    confidence: float | None = None
    decided_at: float = 0.0
    ended_at: float = 0.0
    abort: str = ""
    notes: list[str] = []
    overridden_by: str = ""

    @property
    def is_baseline(self) -> bool:
        """Whether it measures a segment's unchanged start."""
        return self.champion is None

    @property
    def valid(self) -> bool:
        """Whether its metric counts in statistics: it has one, and its claim was believed."""
        return self.metric is not None and self.status not in ("crash", "checks_failed") and not self.disbelieved

    @property
    def disbelieved(self) -> bool:
        """Flagged as a claim that cannot be, and not approved by the operator."""
        return bool(DISBELIEF.intersection(self.flags)) and self.status != "keep"

    @property
    def duration_s(self) -> float:
        """Seconds in its trials."""
        return sum(trial.duration_s for trial in self.trials)


DISBELIEF = frozenset(
    {
        "jump",
        "not_positive",
        "not_finite",
        "log_disagrees",
        "clock_disagrees",
        "pinned_changed",
        "editable_changed",
        "checks_changed",
        "verify_disagrees",
        "budget_exceeded",
        "gpu_unused",
    }
)
"""Flags of claims that are not believed: out of every statistic until a person approves the run."""

SHOWN = frozenset({"vram_disagrees"})
"""Flags that are only shown: the metric is believed and decides as it is."""


class Segment(msgspec.Struct):
    """One configuration under which results can be compared. `line` is its champions' runs, the baseline's first."""

    number: int
    name: str
    metric: Metric
    run: Run
    editable: tuple[str, ...]
    pinned: dict[str, str]
    commit: str
    budget: str
    opened_at: float
    reason: str = ""
    branch: str = ""
    line: list[int] = []
    runs: list[int] = []

    @property
    def baseline(self) -> int | None:
        """The run that measured the start."""
        return self.line[0] if self.line else None

    @property
    def champion(self) -> int | None:
        """The last kept run."""
        return self.line[-1] if self.line else None


class Command(msgspec.Struct):
    """A command of the inbox and where it stands: queued, delivered, done, refused."""

    id: str
    kind: str
    args: dict[str, str]
    by: str
    at: float
    status: str = "queued"
    answer: str = ""
    delivered_in: int | None = None


class Job(msgspec.Struct, omit_defaults=True):
    """Queued work that began: `outcome` is "" while it runs, then as a trial's; `files` lie in jobs/COMMAND."""

    command: str
    kind: str
    run: int
    began_at: float
    seed: int | None = None
    outcome: str = ""
    detail: str = ""
    metric: float | None = None
    metrics: dict[str, float] = {}
    files: tuple[str, ...] = ()
    duration_s: float = 0.0
    ended_at: float = 0.0
    abort: str = ""
    """Who asked for its end."""


class Decision(msgspec.Struct):
    """An operator's override, with what it replaced, so that `undo` can take it back."""

    command: str
    kind: str
    run: int
    segment: int
    before: list[int]
    statuses_before: dict[int, str]
    statuses: dict[int, str]
    withdrawn: tuple[int, ...]
    by: str
    reason: str
    at: float
    undone: bool = False


class Override(msgspec.Struct):
    """One run's change of status by a decision: a line of the public log."""

    run: int
    status: str
    by: str
    reason: str
    commit: str
    at: float
    command: str


class GrowthRound(msgspec.Struct, omit_defaults=True):
    """A round of the growth search as planned, and what came of it (fields as in RoundPlanned and RoundDecided).

    `decided_at` is 0 while it is on; `refused` are runs that it chose and a person took back.
    """

    number: int
    segment: int
    base: int
    cost: str
    seeds: int
    at: float
    budget: str = ""
    candidates: tuple[Planned, ...] = ()
    config: dict[str, str] = {}
    mark: str = ""
    decided_at: float = 0.0
    chosen: int | None = None
    reason: str = ""
    length: str = ""
    stop: str = ""
    refused: tuple[int, ...] = ()


class Pause(msgspec.Struct):
    """A pause from when it was asked for to the resumption; `until` is 0 while it lasts."""

    at: float
    by: str
    reason: str
    until: float = 0.0


class EngineRun(msgspec.Struct):
    """The engine's last start: its limits, and what was already there then."""

    pid: int
    host: str
    start_id: str
    started_at: float
    experiments: int = 0
    hours: float = 0.0
    cost_usd: float = 0.0
    tokens: int = 0
    ended_experiments: int = 0
    cost: float = 0.0
    used_tokens: float = 0.0
    counted_from: float = 0.0
    """Limits count from here: the engine's start, or the resumption after one was reached."""
    stopped_at: float = 0.0
    stop_reason: str = ""
    failed: bool = False
    device: str = ""
    device_name: str = ""
    jobs_only: bool = False


class State(msgspec.Struct):
    """Everything; `experiments` is ordered by run, which counts from 1 without gaps."""

    experiments: MutableSequence[Experiment] = []
    """A list; for those who only read and have little room a `Packed`."""
    segments: list[Segment] = []
    commands: dict[str, Command] = {}
    jobs: list[Job] = []
    """Queued work, in the order that it was begun."""
    decisions: list[Decision] = []
    overrides: list[Override] = []
    public: list[tuple[str, int]] = []
    """The public log's lines in order: ("config", segment), ("result", run), ("override", index)."""
    engine: EngineRun | None = None
    paused: bool = False
    pause_limit: bool = False
    pause_by: str = ""
    pause_reason: str = ""
    pauses: list[Pause] = []
    away: list[tuple[float, float]] = []
    """From when to when there was no engine, between its first start and its last."""
    delayed: str = ""
    """What the engine waits for, or does, before a run can start."""
    fitted: bool = False
    """The largest configuration that the GPU holds was looked for."""
    stop: str = ""
    rounds: list[GrowthRound] = []
    """Of the growth search, in order; a round that lost its baseline is followed by another of the same number."""
    earlier_rounds: int = 0
    """Rounds of a growth log of elsewhere that this one goes on from."""
    length: str = ""
    """The training length that the growth search set, "" = prepare.py's own."""
    tree: int | None = None
    """The run whose editable files the tree holds between experiments."""
    head: str = ""
    messages: list[str] = []
    """Ids of `say` commands, in order."""
    said: list[tuple[float, int | None, str]] = []
    notes: list[tuple[float, str, str]] = []
    troubles: list[tuple[float, str]] = []
    ended: int = 0
    cost: float = 0.0
    tokens: float = 0.0
    failing: int = 0
    """Failures in a row of the session's researcher; 0 once it proposed something."""
    failed_at: float = 0.0
    retry_at: float = 0.0
    """Nobody is asked before this moment."""
    last_at: float = 0.0
    engine_at: float = 0.0
    """The engine's last sign of life: what people ask for, which is also written without one, is none."""
    events: int = 0

    @property
    def segment(self) -> Segment | None:
        """The segment that is open."""
        return self.segments[-1] if self.segments else None

    @property
    def current(self) -> Experiment | None:
        """The experiment under way."""
        last = self.experiments[-1] if self.experiments else None
        return last if last is not None and last.phase != "ended" else None

    @property
    def job(self) -> Job | None:
        """The queued work under way."""
        last = self.jobs[-1] if self.jobs else None
        return last if last is not None and not last.outcome else None

    def experiment(self, run: int) -> Experiment | None:
        """Experiment `run`, or None where there is none."""
        return self.experiments[run - 1] if 0 < run <= len(self.experiments) else None

    @property
    def champion(self) -> Experiment | None:
        """The open segment's champion."""
        segment = self.segment
        run = segment.champion if segment else None
        return self.experiment(run) if run is not None else None

    @property
    def baseline(self) -> Experiment | None:
        """The open segment's baseline."""
        segment = self.segment
        run = segment.baseline if segment else None
        return self.experiment(run) if run is not None else None

    def of_segment(self, segment: Segment | None = None) -> list[Experiment]:
        """The segment's experiments (default: the open one), in order."""
        chosen = segment or self.segment
        return [self.experiments[run - 1] for run in chosen.runs] if chosen else []

    def failures_in_row(self) -> int:
        """How many experiments of the open segment, the newest first, were not kept, but for those that the machine or
        the engine's end cut short."""
        count = 0
        for run in reversed(self.segment.runs if self.segment else []):
            experiment = self.experiments[run - 1]
            if not experiment.status or CUT_SHORT & set(experiment.flags):
                continue
            if experiment.status == "keep":
                break
            count += 1
        return count

    def undelivered(self) -> list[Command]:
        """Messages that no prompt has carried yet."""
        return [c for id in self.messages if (c := self.commands[id]).status == "queued"]


def better(a: float, b: float, direction: str) -> bool:
    """Whether metric `a` beats `b`."""
    return a < b if direction == "lower" else a > b


def gain(new: float, old: float, direction: str) -> float:
    """How much better `new` is than `old`: positive is better, in the metric's unit."""
    return old - new if direction == "lower" else new - old
