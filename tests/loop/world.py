"""A world without disk, clock or processes for the core: it carries effects out as the shell does, and crashes at will.

`Choices` are the world's fate: a list of numbers, taken one after the other; where they end, everything goes well, so
that a failing list shrinks to the few accidents that matter. Git is a dict of texts; the journal is bytes.
"""

from collections.abc import Callable, Sequence

import msgspec

from engine.loop import jobs
from engine.loop.commands import react
from engine.loop.core import plan
from engine.loop.effects import (
    ApplyChange,
    Context,
    EditSetting,
    Effect,
    OpenSegment,
    Propose,
    Reflect,
    RestoreTree,
    RunChecks,
    RunJob,
    RunTrial,
    Stop,
    Wait,
)
from engine.loop.proposing import not_taken_back
from engine.session import events as ev
from engine.session.fold import apply, fold
from engine.session.inbox import Request, Seen
from engine.session.settings import Gate, Limits, Metric
from engine.session.state import State
from engine.work.jobs.job import Done

METRICS = (0.9, 0.95, 0.93, 0.89, 0.95, 1.2, 0.5, -1.0, 0.90001)
OFTEN = ("revert", "keep", "undo", "abort", "say", "unsay")
SELDOM = ("stop", "resume", "edit", "note", "pause", "nonsense", "rerun", "rerun")


class Choices:
    """Fate: `of(n)` is a number below `n`, 0 once the list is used up. 0 is always the ordinary course."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = iter(numbers)

    def of(self, below: int) -> int:
        try:
            return next(self._numbers) % below
        except StopIteration:
            return 0


class Crashed(Exception):
    """kill -9, now."""


class Gone(Exception):
    """The engine left in order."""


class World:
    """One session. `watch` is called after every event, with the world, to look for broken promises."""

    def __init__(
        self,
        choices: Choices,
        watch: Callable[["World", ev.AnyEvent], None] = lambda world, event: None,
        gate: Gate | None = None,
        checks: bool = False,
        limit: int = 0,
    ) -> None:
        self.choices, self.watch, self.gate, self.checks, self.limit = choices, watch, gate or Gate(), checks, limit
        self.metric = Metric()
        self.journal: list[bytes] = []
        self.state = State()
        self.now, self.starts, self.serial = 1000.0, 0, 0
        self.commits = {"c0": "start"}
        self.made_by: dict[str, int] = {}
        self.head, self.tree = "c0", "start"
        self.stored: dict[int, str] = {}
        self.sent: list[Request] = []
        self.claimed: list[Request] = []
        self.plans = 0
        self.up = False

    # what the engine does to the world

    def write(self, *events: ev.AnyEvent) -> None:
        """One write of the journal: all of it or nothing (tests/session/test_journal.py shows that)."""
        self._maybe_crash()
        self.journal += [ev.encode(event) for event in events]
        for event in events:
            self.now += 1
            apply(self.state, event)
            self.watch(self, event)

    def _maybe_crash(self) -> None:
        if self.up and self.choices.of(40) == 39:
            raise Crashed

    def _commit(self, text: str, run: int = 0) -> str:
        self.head = f"c{len(self.commits)}"
        self.commits[self.head], self.tree = text, text
        if run:
            self.made_by[self.head] = run
        return self.head

    def _restore(self, target: str) -> str:
        self.tree = self.commits[target]
        self._maybe_crash()
        return self.head if self.commits[self.head] == self.tree else self._commit(self.tree)

    # an engine's life

    def refold(self) -> State:
        """The state as a new engine would read it."""
        return fold(ev.decode(line) for line in self.journal)

    def start(self) -> None:
        """What engine.loop.main and recovery.mend do."""
        self.state, self.starts, self.up = self.refold(), self.starts + 1, True
        self.write(
            ev.EngineStarted(
                at=self.now, pid=self.starts, host="here", start_id=f"start {self.starts}", experiments=self.limit
            )
        )
        for request in self.claimed:
            self.write(*react(self.state, request, self.now))
        self.claimed = []
        current = self.state.current
        if current is not None and current.phase == "committed":
            self.tree = self.commits[current.commit]

    def live(self, plans: int) -> None:
        """Start, run, crash and start again, until an engine leaves in order or `plans` are used up."""
        while self.plans < plans:
            try:
                if not self.up:
                    self.start()
                self.turn()
            except Crashed:
                self.up = False
            except Gone as gone:
                self.up = False
                self.write(ev.EngineStopped(at=self.now, reason=str(gone)))
                return

    def nights(self, plans: int) -> None:
        """Engine after engine until `plans` are used up, and what an operator does by hand while none is running."""
        while self.plans < plans:
            self.plans += 1
            self.live(plans)
            if not self.up and self.choices.of(3) == 2:
                self._random_command()
                self._by_hand()

    def _by_hand(self) -> None:
        """What engine.loop.byhand does under the lock."""
        for request in self.sent:
            self.write(*react(self.state, request, self.now, engine=False))
            command = self.state.commands[request.id]
            if command.kind == "edit" and command.status == "queued":
                self._edit(EditSetting(command.id))
        self.sent = []
        champion = self.state.champion
        if champion is not None and self.state.current is None and self.state.tree != champion.run:
            self.write(ev.TreeSettled(at=self.now, commit=self._restore(champion.commit), champion=champion.run))

    def turn(self) -> None:
        """One round of the shell's loop."""
        self.listen()
        self.plans += 1
        context = Context(
            now=self.now,
            gate=self.gate,
            checks=self.checks,
            new_segment=self._new_segment(),
            limits=Limits(experiments=self.limit),
        )
        planned = plan(self.state, context)
        if isinstance(planned, list):
            assert planned, "a plan of no events would be made for ever"
            self.write(*planned)
        elif isinstance(planned, Stop):
            raise Gone(planned.reason)
        elif isinstance(planned, Wait):
            if self.choices.of(3) == 0:
                self.send("resume")
        else:
            before = len(self.journal)
            self.carry_out(planned)
            assert len(self.journal) > before, f"{planned} left no event: it would be planned for ever"

    def _new_segment(self) -> str:
        segment = self.state.segment
        return "the metric was changed" if segment is None or segment.metric != self.metric else ""

    def carry_out(self, effect: Effect) -> None:
        run = getattr(effect, "run", 0)
        if isinstance(effect, OpenSegment):
            self._open_segment()
        elif isinstance(effect, ApplyChange):
            if self.made_by.get(self.head) != run:
                self._maybe_crash()
                self._commit(self.stored[run], run)
            self.write(ev.ChangeCommitted(at=self.now, run=run, commit=self.head))
        elif isinstance(effect, RestoreTree):
            head = self._restore(self.state.experiments[effect.champion - 1].commit)
            self.write(ev.TreeSettled(at=self.now, commit=head, champion=effect.champion, run=effect.of))
        elif isinstance(effect, EditSetting):
            self._edit(effect)
        elif isinstance(effect, Propose):
            self._propose(run)
        elif isinstance(effect, RunJob):
            self._job(effect)
        elif isinstance(effect, RunTrial):
            self._trial(effect)
        elif isinstance(effect, RunChecks):
            self.write(ev.ChecksBegan(at=self.now, run=run))
            self.listen()
            self.write(ev.ChecksEnded(at=self.now, run=run, passed=self.choices.of(4) != 3))
        elif isinstance(effect, Reflect):
            self.listen()
            self.write(ev.Learnt(at=self.now, run=run, asi={"result": "seen"}))

    def _open_segment(self) -> None:
        self.write(
            ev.SegmentOpened(
                at=self.now,
                segment=len(self.state.segments),
                name="Optimize",
                metric=self.metric,
                command="true",
                timeout_s=1,
                checks_timeout_s=1,
                editable=("train.py",),
                pinned={},
                commit=self.head,
                seed=7,
            )
        )

    def _edit(self, effect: EditSetting) -> None:
        asked = self.state.commands[effect.command]
        if asked.args["key"] == "metric.unit":
            self.metric = Metric(unit=asked.args["value"])
        self.write(
            ev.SettingEdited(at=self.now, key=asked.args["key"], value=asked.args["value"], by=asked.by),
            ev.CommandDone(at=self.now, id=effect.command),
        )

    def _job(self, effect: RunJob) -> None:
        asked = self.state.commands[effect.command]
        try:
            run = jobs.KINDS[asked.kind].check(self.state, asked.args).run
        except jobs.Refused as error:
            self.write(ev.CommandRefused(at=self.now, id=effect.command, reason=str(error)))
            return
        self.write(ev.JobBegan(at=self.now, command=effect.command, kind=asked.kind, run=run))
        self.listen()
        self._maybe_crash()
        assert self.state.job is not None
        done = Done("aborted" if self.state.job.abort else ("ok", "ok", "crash")[self.choices.of(3)], answer="seen")
        self.write(*jobs.ended(self.state, done))

    def _propose(self, run: int) -> None:
        messages = [command.id for command in self.state.undelivered()]
        self.listen()
        if self.state.experiments[run - 1].abort:
            return
        answers: list[ev.AnyEvent] = []
        for id in messages:
            answers += [ev.CommandDelivered(at=self.now, id=id, run=run), ev.CommandDone(at=self.now, id=id)]
        kind = self.choices.of(8)
        outcome: list[ev.AnyEvent]
        if kind == 7:
            outcome = [ev.ProposalFailed(at=self.now, run=run, reason="the researcher failed")]
        elif kind == 6:
            outcome = [ev.PauseSet(at=self.now, paused=True, by="engine", reason="nothing left to try")]
        else:
            text = f"{self.state.experiments[run - 1].champion}:{run}.{len(self.commits)}"
            self.stored[run] = text
            lines = (0, 1, -1, 30, -30)[self.choices.of(5)]
            accepted = ev.ChangeAccepted(at=self.now, run=run, description=text, asi={}, net_lines=lines)
            outcome = [ev.ProposalRefused(at=self.now, run=run, attempt=1, reason="no")] if kind == 5 else []
            outcome.append(accepted)
        self.write(*not_taken_back(self.state, [*answers, *outcome]))

    def _trial(self, effect: RunTrial) -> None:
        run, experiment = effect.run, self.state.experiments[effect.run - 1]
        assert self.tree == self.commits[experiment.commit], "a trial starts on another text than the experiment's"
        self.write(
            ev.TrialBegan(
                at=self.now, run=run, trial=effect.trial, commit=effect.commit, seed=effect.seed, of=effect.of
            )
        )
        self.tree = self.commits[effect.commit]
        self.listen()
        self._maybe_crash()
        outcome = ("ok", "ok", "ok", "ok", "ok", "crash", "timeout", "no_metric")[self.choices.of(8)]
        if experiment.abort:
            outcome = "aborted"
        self.tree = self.commits[experiment.commit]
        metric = METRICS[self.choices.of(len(METRICS))] if outcome == "ok" else None
        flags = ("log_disagrees",) if outcome == "ok" and self.choices.of(12) == 11 else ()
        self.write(
            ev.TrialEnded(
                at=self.now,
                run=run,
                trial=effect.trial,
                outcome=outcome,
                metric=metric,
                metrics={} if metric is None else {"val_bpb": metric, "peak_vram_mb": 100.0},
                duration_s=0.1,
                flags=flags,
            )
        )

    # the operator

    def send(self, kind: str, seen: Seen | None = None, **args: str) -> Request:
        self.serial += 1
        request = Request(f"{self.serial:05d}", kind, args, "someone", self.now, seen or Seen())
        self.sent.append(request)
        return request

    def listen(self) -> None:
        """What comes by itself, then the shell's _listen: claim, react, forget; a crash may come between any two."""
        if self.choices.of(5) == 4:
            self._random_command()
        while self.sent:
            request = self.sent.pop(0)
            self.claimed.append(request)
            self.write(*react(self.state, request, self.now))
            self._maybe_crash()
            self.claimed.remove(request)

    def _random_command(self) -> None:
        kind = (*OFTEN, *OFTEN, *SELDOM)[self.choices.of(2 * len(OFTEN) + len(SELDOM))]
        last = len(self.state.experiments)
        run = str(last - self.choices.of(6))
        champion, engine = self.state.champion, self.state.engine
        seen = Seen()
        if self.choices.of(3) == 2:  # what a careful console sends; half of the time what it saw is old
            old = self.choices.of(2)
            seen = Seen(
                run=max(last - old, 0),
                start_id=f"start {self.starts - old}" if engine else "",
                champion=(champion.run if champion else 0) + old,
            )
        texts = {
            "say": {"text": "hello"},
            "note": {"text": "well"},
            "unsay": {"id": next(reversed(self.state.messages), "")},
        }
        key = ("gate.jump", "metric.unit")[self.choices.of(2)] if kind == "edit" else ""
        args = {"run": run} if kind in ("revert", "keep", "rerun") else texts.get(kind, {})
        self.send(kind, seen, **(args | ({"key": key, "value": f"u{self.serial}"} if key else {})))


def copied(state: State) -> State:
    """A state of its own with the same content."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State)
