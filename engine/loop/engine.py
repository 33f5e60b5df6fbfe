"""The shell: plans with the core, carries out one effect at a time, and listens to the inbox all the while."""

import queue
import threading
import time
from collections.abc import Callable

from engine.loop import leavings
from engine.loop.asking import Make
from engine.loop.commands import react
from engine.loop.consulting import Consulting
from engine.loop.core import plan
from engine.loop.editing import edit_setting
from engine.loop.effects import (
    ApplyChange,
    Context,
    EditSetting,
    Effect,
    Fit,
    GrowthOver,
    Mend,
    OpenSegment,
    PlanRound,
    Propose,
    Reflect,
    RestoreTree,
    RunChecks,
    RunJob,
    RunTrial,
    Stop,
    Wait,
)
from engine.loop.failing import ENGINE
from engine.loop.fitting import Fitting
from engine.loop.growthplan import plan_round
from engine.loop.measuring import Measuring, Work
from engine.loop.projection import Projection
from engine.loop.record import Record
from engine.loop.rereading import Rereading
from engine.loop.swarming import Swarming
from engine.loop.training import Training
from engine.loop.tree import Tree
from engine.loop.vacancy import Vacancy
from engine.session import events as ev
from engine.session import inbox, settings
from engine.session.settings import Settings
from engine.swarm.collective import Collective

TICK_S = 0.2
"""How often the inbox is looked at while something else is awaited."""

ON_DEVICE = (RunTrial, RunChecks, RunJob)
"""What uses the GPU: it starts when the GPU is free."""

SHOWN = (ev.ExperimentEnded, ev.Overridden, ev.RoundPlanned, ev.RoundDecided)
"""What others are told of at once."""


class NoBaseline(Exception):
    """There is no baseline, or nobody who proposes, and nobody stays who could mend it. The message says why."""


class Engine:
    """One engine's run. `make` gives a researcher for the present settings."""

    def __init__(
        self,
        record: Record,
        tree: Tree,
        training: Training,
        make: Make,
        current: Settings,
        stay: bool,
        own_limits: settings.Limits | None = None,
        jobs_only: bool = False,
        fit: bool = True,
        collective: Collective | None = None,
    ) -> None:
        self.record, self.tree, self.training, self.settings, self.stay = record, tree, training, current, stay
        self.paths, self.own_limits, self.jobs_only = record.paths, own_limits, jobs_only
        self.projection = Projection(record, tree)
        self.swarm = Swarming(tree, collective)
        self._consulting = Consulting(record, tree, training, self.swarm, make, stay, self._write)
        self._measuring = Measuring(record, tree, training, self._write, lambda: self._signal)
        self.vacancy = Vacancy(record, training.device)
        self._fitting = Fitting(tree, training, fit)
        self._results: queue.Queue[tuple[int, Callable[[], None] | BaseException]] = queue.Queue()
        self._turn = 0
        self._busy: Effect | None = None
        self._rereading = Rereading(record)
        self._signal = ""

    def interrupt(self, name: str) -> None:
        """Ask the engine to end now, from a signal handler: what runs is killed, the tree set right."""
        self._signal = self._signal or name

    def run(self) -> str:
        """Go on until there is a reason to stop; returns it. Errors: NoBaseline, NoRoom, GitTrouble, OSError."""
        try:
            while True:
                self._listen()
                if self._signal:
                    return self._leave()
                if self._busy is not None:
                    self._await()
                    continue
                self.settings = self._rereading.now(self.settings)
                self._hear_swarm()
                planned = plan(self.record.state, self._context())
                if isinstance(planned, list):
                    self._write(planned)
                elif isinstance(planned, Stop):
                    return planned.reason
                elif isinstance(planned, GrowthOver):
                    if not self.stay:
                        return f"the growth search is over: {planned.reason}"
                    why = f"the growth search is over: {planned.reason}"
                    self._write([ev.PauseSet(at=time.time(), paused=True, by=ENGINE, reason=why)])
                elif isinstance(planned, Wait):
                    if not self.stay and self.record.state.pause_by == ENGINE:
                        raise NoBaseline(self.record.state.pause_reason)
                    self._idle()
                elif isinstance(planned, Propose) and self._consulting.exhausted:
                    if not self.stay:
                        return f"the researcher has nothing left to try: {self._consulting.exhausted}"
                    self._consulting.pause_exhausted()
                elif isinstance(planned, ON_DEVICE) and not self.vacancy.free():
                    if self.record.state.stop:  # the next engine goes on with it
                        return self.record.state.stop
                    self._idle()
                elif isinstance(planned, OpenSegment) and self._fitting.due(self.record.state):
                    self._start_fit()
                else:
                    self._carry_out(planned)
        finally:
            self._consulting.close()
            self.swarm.close(bool(self._signal))

    def _hear_swarm(self) -> None:
        if found := self.swarm.news(self.record.state, self.settings):
            if any(isinstance(event, ev.CommandQueued) for event in found):
                self._consulting.exhausted = ""
            self._write(found)

    def _write(self, events: list[ev.AnyEvent]) -> None:
        self.record.write(*events)
        if any(isinstance(event, SHOWN) for event in events):
            self.projection.complete()
            leavings.settle(self.paths, self.record.state, self.settings.keep.checkpoints)
        if told := self.swarm.written(self.record.state, events):
            self.record.write(*told)

    def _context(self) -> Context:
        between = self.record.state.current is None and not self.jobs_only
        reason = self.tree.new_segment(self.settings) if between else ""
        researcher, growing = self.settings.researcher, self.settings.researcher.kind == "grow"
        return Context(
            now=time.time(),
            gate=self.settings.gate,
            researcher=researcher.kind,
            checks=self.paths.checks.is_file(),
            new_segment=reason,
            fallback=researcher.fallback not in ("", researcher.kind) and not growing,
            give_up_after=researcher.give_up_after,
            mends=researcher.mends,
            limits=self.own_limits or self.settings.limits,
            limit_pauses=self.stay and self.own_limits is None,
            jobs_only=self.jobs_only,
            grow=self.settings.grow if growing else None,
        )

    # the inbox

    def _listen(self) -> None:
        for path in inbox.waiting(self.paths.inbox):
            try:
                taken, request = inbox.claim(path)
            except inbox.BadCommand as error:
                self.record.write(ev.Trouble(at=time.time(), text=str(error)))
                continue
            except FileNotFoundError:
                continue
            self._take(request)
            inbox.done(taken)

    def _take(self, request: inbox.Request) -> None:
        self._write(react(self.record.state, request, time.time()))
        if request.kind in ("say", "resume", "revert", "keep", "undo", "edit", "adopt", "try"):
            self._consulting.hope()
        current = self.record.state.current
        if current is not None and current.abort and self._busy is not None:
            self._abort(current.abort)
        if isinstance(self._busy, Fit) and (self.record.state.stop or self.record.state.paused):
            self.training.abort(f"{request.kind} by {request.by}")
        job = self.record.state.job
        if job is not None and job.abort and isinstance(self._busy, RunJob):
            self.training.abort(f"aborted by {job.abort}")

    def _abort(self, by: str) -> None:
        if isinstance(self._busy, (RunTrial, RunChecks)):
            self.training.abort(f"aborted by {by}")
        elif isinstance(self._busy, (Propose, Mend)):
            self._abandon()

    def _abandon(self) -> None:
        """Do not wait for the worker any more: its result is dropped, and the next call gets a fresh researcher."""
        self._turn += 1
        self._busy = None
        self._consulting.close()

    # effects

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, OpenSegment):
            self.tree.open_segment(self.settings, effect.reason)
        elif isinstance(effect, ApplyChange):
            self.tree.apply_change(effect.run)
        elif isinstance(effect, RestoreTree):
            self.tree.restore(effect.champion, effect.of)
        elif isinstance(effect, EditSetting):
            self._write(edit_setting(self.record.state, effect.command, self.tree))
            self.settings = self._rereading.now(self.settings, by_hand=False)
        elif isinstance(effect, PlanRound):
            self._write(plan_round(self.record.state, effect.number, self.tree, self.settings))
        else:
            work = self._work(effect)
            if work is not None:
                self._start(effect, work)

    def _work(self, effect: Effect) -> Work | None:
        """What takes long, to be done in a thread; None where it is done with already."""
        if isinstance(effect, RunJob):
            return self._measuring.job(effect, self.settings)
        if isinstance(effect, RunTrial):
            return self._measuring.trial(effect, self.settings)
        if isinstance(effect, RunChecks):
            return self._measuring.checks(effect, self.settings)
        if isinstance(effect, Propose):
            return self._consulting.proposal(effect, self.settings)
        if isinstance(effect, Mend):
            return self._consulting.mend(effect, self.settings)
        if isinstance(effect, Reflect):
            return self._consulting.reflection(effect, self.settings)
        return None

    def _start(self, effect: Effect, work: Work) -> None:
        """Do `work` in a thread of its own: one that hangs can be left behind without holding the engine."""
        self._busy = effect
        turn = self._turn

        def worker() -> None:
            try:
                self._results.put((turn, work()))
            except BaseException as error:
                self._results.put((turn, error))

        threading.Thread(target=worker, name=type(effect).__name__, daemon=True).start()

    def _await(self) -> None:
        try:
            turn, result = self._results.get(timeout=TICK_S)
        except queue.Empty:
            self._hear_swarm()
            if news := self._fitting.news():
                self._write(news)
            return
        if turn != self._turn:
            return
        self._busy = None
        if isinstance(result, BaseException):
            raise result
        result()

    def _idle(self) -> None:
        self.projection.complete()
        time.sleep(TICK_S)

    def _start_fit(self) -> None:
        if not self.vacancy.free():
            return self._idle()
        self.training.fresh()

        def work() -> Callable[[], None]:
            found = self._fitting.work(self.settings)
            return lambda: self._write([*self._fitting.news(), *found()])

        self._start(Fit(), work)

    # leaving

    def _leave(self) -> str:
        """End at once, in order: kill what runs, decide what can be decided, set the tree right."""
        if isinstance(self._busy, (*ON_DEVICE, Fit)):
            self.training.abort(f"interrupted by {self._signal}")
            while self._busy is not None:
                self._await()
        elif self._busy is not None:
            self._abandon()
        while True:
            current = self.record.state.current
            if current is None or current.phase in ("proposing", "accepted") or self.jobs_only:
                break
            planned = plan(self.record.state, self._context())
            if isinstance(planned, Reflect):
                self._write([ev.Learnt(at=time.time(), run=planned.run, asi={"result": current.reason})])
            elif isinstance(planned, list):
                self._write(planned)
            elif isinstance(planned, RestoreTree):
                self._carry_out(planned)
            else:
                break
        return f"interrupted by {self._signal}"
