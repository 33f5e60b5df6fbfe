"""Asking whoever proposes: the brief is made on the engine's thread, the talk is held in the worker's."""

import time
from collections.abc import Callable

import msgspec

from engine.loop import proposing, trying
from engine.loop.asking import Asking, Make
from engine.loop.effects import Mend, Propose, Reflect
from engine.loop.failing import ENGINE, Failing
from engine.loop.measuring import Work
from engine.loop.record import Record
from engine.loop.swarming import Swarming
from engine.loop.training import Training
from engine.loop.tree import Tree
from engine.researchers.base import ResearcherFailed
from engine.session import events as ev
from engine.session.settings import Settings
from engine.session.state import Command


class Consulting:
    """Holds the session's researchers. `write` records events; a call gives None where nobody need be awaited."""

    def __init__(
        self,
        record: Record,
        tree: Tree,
        training: Training,
        swarm: Swarming,
        make: Make,
        stay: bool,
        write: Callable[[list[ev.AnyEvent]], None],
    ) -> None:
        self.record, self.tree, self.training, self.swarm, self._write = record, tree, training, swarm, write
        self._asking, self._failing = Asking(make), Failing(stay)
        self._heard = ""
        self.exhausted = ""
        """Why the researcher has nothing left to try, or ""."""

    def hope(self) -> None:
        """Something changed: whoever had nothing left, or could not work, may be asked again."""
        self.exhausted = ""
        self._failing.forget()

    def close(self) -> None:
        """Let go of the researchers; the next call makes fresh ones."""
        self._asking.close()

    def proposal(self, effect: Propose, settings: Settings) -> Work | None:
        """Ask for this experiment's change, or take what a command names."""
        named = trying.waiting(self.record.state)
        if named is not None:
            return self._named(effect, named, settings)
        asked = self._asking.who(settings, effect.fallback)
        if asked.researcher is None:
            self._write(self._cannot(effect, ResearcherFailed(asked.trouble, "settings", lasting=True), settings))
            return None
        researcher, heard = asked.researcher, self._heard
        given = self.swarm.brief(proposing.brief(self.record.state, effect.run, self.tree, settings))
        editable = self.record.state.segments[-1].editable
        environment, claim = self._environment(effect.run), self.swarm.claimer(self.record.state, effect.run)

        def work() -> Callable[[], None]:
            outcome = proposing.propose(researcher, given, editable, environment, heard, effect.fallback, claim)

            def finish() -> None:
                if outcome.files is not None:
                    self.tree.store(effect.run, outcome.files)
                self.exhausted = outcome.exhausted
                failed = outcome.failed
                events = proposing.not_taken_back(self.record.state, outcome.events)
                if failed is not None:
                    events += self._cannot(effect, failed, settings)
                elif outcome.files is not None:
                    self._failing.forget()
                self._write(events)

            return finish

        return work

    def _named(self, effect: Propose, named: Command, settings: Settings) -> Work | None:
        fetch = self.swarm.fetch(settings) if named.kind == "adopt" else None
        if isinstance(fetch, str):
            self._write([ev.CommandRefused(at=time.time(), id=named.id, reason=fetch)])
            return None
        given = proposing.brief(self.record.state, effect.run, self.tree, settings)
        editable = self.record.state.segments[-1].editable
        return lambda: self._take_in(effect.run, trying.proposed(given, named, fetch, editable))

    def mend(self, effect: Mend, settings: Settings) -> Work | None:
        """Give the crashed change back to its researcher."""
        experiment = self.record.state.experiments[effect.run - 1]
        asked = self._asking.who(settings, False)
        if asked.researcher is None:
            event = ev.MendFailed(at=time.time(), run=effect.run, attempt=effect.attempt, reason=asked.trouble)
            self._write([event])
            return None
        researcher = asked.researcher
        given = proposing.brief(self.record.state, effect.run, self.tree, settings)
        given = proposing.with_mend(given, experiment, effect.attempt, self.tree)
        editable = self.record.state.segments[-1].editable
        claim = self.swarm.claimer(self.record.state, effect.run)
        return lambda: self._take_in(effect.run, proposing.mend(researcher, given, editable, claim))

    def reflection(self, effect: Reflect, settings: Settings) -> Work | None:
        """Tell whoever proposed it what came of it."""
        state = self.record.state
        experiment = state.experiments[effect.run - 1]
        theirs = experiment.researcher in ("", settings.researcher.kind) or state.failing == 0
        asked = self._asking.who(settings, not theirs)
        if state.champion is None or asked.researcher is None:
            self._write([ev.Learnt(at=time.time(), run=effect.run, asi={"result": experiment.reason})])
            return None
        researcher = asked.researcher
        given = proposing.brief(state, effect.run, self.tree, settings)
        decided = msgspec.structs.replace(experiment)
        environment = self._environment(effect.run)

        def work() -> Callable[[], None]:
            events, heard = proposing.learn(researcher, given, decided, environment)

            def finish() -> None:
                self._heard = heard
                self._write(events)

            return finish

        return work

    def pause_exhausted(self) -> None:
        """Nothing is left to try: the experiment ends without a change, and the session rests."""
        reason = f"the researcher has nothing left to try: {self.exhausted}"
        self.exhausted = ""
        current = self.record.state.current
        if current is not None:
            self._write([ev.ProposalFailed(at=time.time(), run=current.run, reason=reason)])
        self._write([ev.PauseSet(at=time.time(), paused=True, by=ENGINE, reason=reason)])

    def _take_in(self, run: int, outcome: proposing.Outcome) -> Callable[[], None]:
        def finish() -> None:
            if outcome.files is not None:
                self.tree.store(run, outcome.files)
            self._write(outcome.events)

        return finish

    def _environment(self, run: int) -> dict[str, str]:
        segment = self.record.state.segments[-1]
        return self.training.environment(run, 0, segment.run.seed, segment.budget)

    def _cannot(self, effect: Propose, error: ResearcherFailed, settings: Settings) -> list[ev.AnyEvent]:
        return self._failing.told(self.record.state, effect.run, settings.researcher, effect.fallback, error)
