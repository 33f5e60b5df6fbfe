"""What runs on the session's GPU: trials, checks, queued work. Begun on the engine's thread, run in the worker's."""

import time
from collections.abc import Callable

import msgspec

from engine.loop import jobs
from engine.loop.effects import RunChecks, RunJob, RunTrial
from engine.loop.record import Record
from engine.loop.training import Training, interrupted
from engine.loop.tree import Tree
from engine.session import events as ev
from engine.session.flags import explain
from engine.session.settings import Settings

Work = Callable[[], Callable[[], None]]
"""Done in the worker's thread; what it returns is called on the engine's own."""


class Measuring:
    """`write` records events; `signal` names the signal that ends the engine, "" while none came."""

    def __init__(
        self,
        record: Record,
        tree: Tree,
        training: Training,
        write: Callable[[list[ev.AnyEvent]], None],
        signal: Callable[[], str],
    ) -> None:
        self.record, self.tree, self.training, self._write, self._signal = record, tree, training, write, signal

    def trial(self, effect: RunTrial, settings: Settings) -> Work:
        """Put the trial's code in place, say that it begins, and what is to be done."""
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
            ended = self.training.trial(effect, segment, settings)

            def finish() -> None:
                flags = tuple(dict.fromkeys((*ended.flags, *guard.broken())))
                if other:
                    self.tree.put(experiment.commit)
                told, signal = msgspec.structs.replace(ended, flags=flags), self._signal()
                self.record.write(interrupted(told, signal, experiment.abort) if signal else told)

            return finish

        return work

    def job(self, effect: RunJob, settings: Settings) -> Work | None:
        """Queued work; None where it was refused, which is recorded."""
        try:
            begun = jobs.begin(self.record.state, effect.command, self.tree, self.training, settings)
        except jobs.Refused as error:
            self._write([ev.CommandRefused(at=time.time(), id=effect.command, reason=str(error))])
            return None
        self._write([begun.event])
        self.training.fresh()

        def work() -> Callable[[], None]:
            done = begun.run()
            return lambda: self._write(jobs.ended(self.record.state, done, self._signal()))

        return work

    def checks(self, effect: RunChecks, settings: Settings) -> Work:
        """Say that the checks begin, and what is to be done."""
        segment = self.record.state.segments[-1]
        self.record.write(ev.ChecksBegan(at=time.time(), run=effect.run))
        self.training.fresh()
        guard = self.tree.guard(self.record.state.experiments[effect.run - 1].commit)

        def work() -> Callable[[], None]:
            ended = self.training.checks(effect.run, segment, settings)

            def finish() -> None:
                flags = guard.broken()
                if self._signal():
                    return  # they are run again by the next engine
                if flags:
                    why = f"not believed: {explain(flags)}"
                    self._write([msgspec.structs.replace(ended, passed=False, detail=why)])
                else:
                    self._write([ended])

            return finish

        return work
