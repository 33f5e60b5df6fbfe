"""The shell: plans with the core, carries out one effect at a time, and listens to the inbox all the while."""

import queue
import threading
import time
from collections.abc import Callable

import msgspec

from engine.loop import proposing
from engine.loop.asking import Asking, Make
from engine.loop.commands import react
from engine.loop.core import backoff_s, plan
from engine.loop.editing import edit_setting
from engine.loop.effects import (
    ApplyChange,
    Context,
    EditSetting,
    Effect,
    Mend,
    OpenSegment,
    Propose,
    Reflect,
    RestoreTree,
    RunChecks,
    RunTrial,
    Stop,
    Wait,
)
from engine.loop.judgement import explain
from engine.loop.projection import Projection
from engine.loop.record import Record
from engine.loop.training import Training
from engine.loop.tree import Tree
from engine.researchers.base import ResearcherFailed
from engine.session import events as ev
from engine.session import inbox, settings
from engine.session.settings import Settings, SettingsError

TICK_S = 0.2
"""How often the inbox is looked at while something else is awaited."""

ENGINE = "engine"
"""Who paused the session, where it was the engine itself."""

Work = Callable[[], Callable[[], None]]
"""Done in the worker's thread; what it returns is called on the engine's own."""


class NoBaseline(Exception):
    """The baseline gave no result, and nobody stays who could mend it. The message says why."""


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
    ) -> None:
        self.record, self.tree, self.training, self.settings, self.stay = record, tree, training, current, stay
        self.paths, self.own_limits = record.paths, own_limits
        self.projection = Projection(record, tree)
        self._asking = Asking(make)
        self._results: queue.Queue[tuple[int, Callable[[], None] | BaseException]] = queue.Queue()
        self._turn = 0
        self._busy: Effect | None = None
        self._settings_stamp = self._stamp()
        self._exhausted = ""
        self._heard = ""
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
                self._read_settings()
                planned = plan(self.record.state, self._context())
                if isinstance(planned, list):
                    self._write(planned)
                elif isinstance(planned, Stop):
                    return planned.reason
                elif isinstance(planned, Wait):
                    if not self.stay and self.record.state.pause_by == ENGINE:
                        raise NoBaseline(self.record.state.pause_reason)
                    self._idle()
                elif isinstance(planned, Propose) and self._exhausted:
                    if not self.stay:
                        return f"the researcher has nothing left to try: {self._exhausted}"
                    self._pause_exhausted()
                else:
                    self._carry_out(planned)
        finally:
            self._asking.close()

    def _write(self, events: list[ev.AnyEvent]) -> None:
        self.record.write(*events)
        if any(isinstance(event, (ev.ExperimentEnded, ev.Overridden)) for event in events):
            self.projection.complete()

    def _context(self) -> Context:
        reason = self.tree.new_segment(self.settings) if self.record.state.current is None else ""
        researcher = self.settings.researcher
        return Context(
            now=time.time(),
            gate=self.settings.gate,
            researcher=researcher.kind,
            checks=self.paths.checks.is_file(),
            new_segment=reason,
            fallback=researcher.fallback not in ("", researcher.kind),
            give_up_after=researcher.give_up_after,
            mends=researcher.mends,
            limits=self.own_limits or self.settings.limits,
            limit_pauses=self.stay and self.own_limits is None,
        )

    def _stamp(self) -> tuple[int, int]:
        try:
            stat = self.paths.settings.stat()
        except OSError:
            return (0, -1)
        return (stat.st_mtime_ns, stat.st_size)

    def _read_settings(self, by_hand: bool = True) -> None:
        """Take in an edit of overnight.toml; a broken one is told once, and the last good settings stay."""
        state, stamp = self.record.state, self._stamp()
        if stamp == self._settings_stamp or (state.current is not None and not state.paused):
            return
        self._settings_stamp = stamp
        try:
            found = settings.load(self.paths.settings)
            changed = settings.differences(self.settings, found)
            if changed and by_hand:  # or by a run: nobody else says so
                text = f"overnight.toml was changed by hand: {', '.join(changed)}"
                self.record.write(ev.Trouble(at=time.time(), text=text))
            self.settings = found
        except SettingsError as error:
            self.record.write(ev.Trouble(at=time.time(), text=f"{error}; the settings before it stay in force"))

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
        if request.kind in ("say", "resume", "revert", "keep", "undo", "edit"):
            self._exhausted = ""
        current = self.record.state.current
        if current is not None and current.abort and self._busy is not None:
            self._abort(current.abort)

    def _abort(self, by: str) -> None:
        if isinstance(self._busy, (RunTrial, RunChecks)):
            self.training.abort(f"aborted by {by}")
        elif isinstance(self._busy, (Propose, Mend)):
            self._abandon()

    def _abandon(self) -> None:
        """Do not wait for the worker any more: its result is dropped, and the next call gets a fresh researcher."""
        self._turn += 1
        self._busy = None
        self._asking.close()

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
            self._read_settings(by_hand=False)
        elif isinstance(effect, RunTrial):
            self._start_trial(effect)
        elif isinstance(effect, RunChecks):
            self._start_checks(effect)
        elif isinstance(effect, Propose):
            self._start_proposal(effect)
        elif isinstance(effect, Mend):
            self._start_mend(effect)
        elif isinstance(effect, Reflect):
            self._start_reflection(effect)

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

    def _start_trial(self, effect: RunTrial) -> None:
        segment = self.record.state.segments[-1]
        experiment = self.record.state.experiments[effect.run - 1]
        other = effect.of == "champion"
        self.tree.repo.set_run_ref(effect.run, experiment.commit)  # a baseline has none yet
        if other:
            self.tree.put(effect.commit)
        elif experiment.trials:
            self.tree.put(experiment.commit)
        self.record.write(
            ev.TrialBegan(
                at=time.time(),
                run=effect.run,
                trial=effect.trial,
                commit=effect.commit,
                seed=effect.seed,
                of=effect.of,
                budget=segment.budget,
            )
        )
        self.training.fresh()
        guard = self.tree.guard(effect.commit)

        def work() -> Callable[[], None]:
            ended = self.training.trial(effect, segment, self.settings)

            def finish() -> None:
                flags = tuple(dict.fromkeys((*ended.flags, *guard.broken())))
                if other:
                    self.tree.put(experiment.commit)
                self.record.write(self._told(msgspec.structs.replace(ended, flags=flags)))

            return finish

        self._start(effect, work)

    def _start_checks(self, effect: RunChecks) -> None:
        segment = self.record.state.segments[-1]
        self.record.write(ev.ChecksBegan(at=time.time(), run=effect.run))
        self.training.fresh()
        guard = self.tree.guard(self.record.state.experiments[effect.run - 1].commit)

        def work() -> Callable[[], None]:
            ended = self.training.checks(effect.run, segment, self.settings)

            def finish() -> None:
                flags = guard.broken()
                if self._signal:
                    return  # they are run again by the next engine
                if flags:
                    why = f"not believed: {explain(flags)}"
                    self._write([msgspec.structs.replace(ended, passed=False, detail=why)])
                else:
                    self._write([ended])

            return finish

        self._start(effect, work)

    def _told(self, ended: ev.TrialEnded) -> ev.TrialEnded:
        """A trial that a signal to the engine ended was interrupted, not aborted by the operator."""
        if not self._signal or ended.outcome != "aborted" or self.record.state.experiments[ended.run - 1].abort:
            return ended
        why = f"interrupted: the engine was ended by {self._signal}"
        return msgspec.structs.replace(ended, outcome="interrupted", cause="interrupted", detail=why)

    def _environment(self, run: int) -> dict[str, str]:
        segment = self.record.state.segments[-1]
        return self.training.environment(run, 0, segment.run.seed, segment.budget)

    def _start_proposal(self, effect: Propose) -> None:
        asked = self._asking.who(self.settings, effect.fallback)
        if asked.researcher is None:
            self._write([self._attempt_failed(effect, "missing", asked.trouble, {})])
            return
        researcher, heard = asked.researcher, self._heard
        given = proposing.brief(self.record.state, effect.run, self.tree, self.settings)
        editable = self.record.state.segments[-1].editable
        environment = self._environment(effect.run)

        def work() -> Callable[[], None]:
            outcome = proposing.propose(researcher, given, editable, environment, heard, effect.fallback)

            def finish() -> None:
                if outcome.files is not None:
                    self.tree.store(effect.run, outcome.files)
                self._exhausted = outcome.exhausted
                failed = outcome.failed
                events = proposing.not_taken_back(self.record.state, outcome.events)
                if failed is not None:
                    events.append(self._attempt_failed(effect, failed.kind, str(failed), failed.usage, failed))
                self._write(events)

            return finish

        self._start(effect, work)

    def _attempt_failed(
        self, effect: Propose, kind: str, reason: str, usage: dict[str, float], error: ResearcherFailed | None = None
    ) -> ev.AnyEvent:
        state, researcher = self.record.state, self.settings.researcher
        tries = 1 if effect.fallback else state.failing + 1
        return ev.AttemptFailed(
            at=time.time(),
            run=effect.run,
            researcher=researcher.fallback if effect.fallback else researcher.kind,
            kind=kind,
            reason=reason,
            wait_s=self._wait_s(tries, effect.fallback, error.retry_after_s if error else 0.0),
            fallback=effect.fallback,
            usage=usage,
        )

    def _wait_s(self, tries: int, fallback: bool, asked_s: float) -> float:
        """No wait where the fallback takes over at once."""
        researcher = self.settings.researcher
        steps_in = not fallback and self._context().fallback and tries >= researcher.give_up_after
        return 0.0 if steps_in else backoff_s(tries, asked_s)

    def _start_mend(self, effect: Mend) -> None:
        experiment = self.record.state.experiments[effect.run - 1]
        asked = self._asking.who(self.settings, False)
        if asked.researcher is None:
            event = ev.MendFailed(at=time.time(), run=effect.run, attempt=effect.attempt, reason=asked.trouble)
            self._write([event])
            return
        researcher = asked.researcher
        given = proposing.brief(self.record.state, effect.run, self.tree, self.settings)
        given = proposing.with_mend(given, experiment, effect.attempt, self.tree)
        editable = self.record.state.segments[-1].editable

        def work() -> Callable[[], None]:
            outcome = proposing.mend(researcher, given, editable)

            def finish() -> None:
                if outcome.files is not None:
                    self.tree.store(effect.run, outcome.files)
                self._write(outcome.events)

            return finish

        self._start(effect, work)

    def _start_reflection(self, effect: Reflect) -> None:
        state = self.record.state
        experiment = state.experiments[effect.run - 1]
        theirs = experiment.researcher in ("", self.settings.researcher.kind) or state.failing == 0
        asked = self._asking.who(self.settings, not theirs)
        if state.champion is None or asked.researcher is None:
            self._write([ev.Learnt(at=time.time(), run=effect.run, asi={"result": experiment.reason})])
            return
        researcher = asked.researcher
        given = proposing.brief(state, effect.run, self.tree, self.settings)
        decided = msgspec.structs.replace(experiment)
        environment = self._environment(effect.run)

        def work() -> Callable[[], None]:
            events, heard = proposing.learn(researcher, given, decided, environment)

            def finish() -> None:
                self._heard = heard
                self._write(events)

            return finish

        self._start(effect, work)

    def _pause_exhausted(self) -> None:
        reason = f"the researcher has nothing left to try: {self._exhausted}"
        self._exhausted = ""
        current = self.record.state.current
        if current is not None:
            self._write([ev.ProposalFailed(at=time.time(), run=current.run, reason=reason)])
        self._write([ev.PauseSet(at=time.time(), paused=True, by=ENGINE, reason=reason)])

    # leaving

    def _leave(self) -> str:
        """End at once, in order: kill what runs, decide what can be decided, set the tree right."""
        if isinstance(self._busy, (RunTrial, RunChecks)):
            self.training.abort(f"interrupted by {self._signal}")
            while self._busy is not None:
                self._await()
        elif self._busy is not None:
            self._abandon()
        while True:
            current = self.record.state.current
            if current is None or current.phase in ("proposing", "accepted"):
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
