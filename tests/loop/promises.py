"""What holds after every event of a session, worked out here once more by other means than the core's."""

import math
from statistics import fmean, median

from engine.session import events as ev
from engine.session.standing import session_confidence
from engine.session.state import Experiment
from tests.loop.world import World

CANNOT_BE = {"jump", "not_positive", "not_finite", "log_disagrees", "clock_disagrees"}


class Promises:
    """Called after each event; raises AssertionError with the promise that is broken."""

    def __init__(self) -> None:
        self.seeds: dict[int, tuple[int, int]] = {}
        self.ended: list[int] = []
        self.baselines = 0
        self.ended_at_start = 0
        self.queued: set[str] = set()
        self.jobs: set[str] = set()
        self.answered: set[str] = set()

    def __call__(self, world: World, event: ev.AnyEvent) -> None:
        self.lines_hold(world)
        if isinstance(event, ev.EngineStarted):
            self.ended_at_start = len(self.ended) - self.baselines
        elif isinstance(event, ev.ExperimentBegan):
            self.began(world, event)
        elif isinstance(event, ev.TrialBegan):
            self.trial(world, event)
        elif isinstance(event, ev.Decided):
            self.decided(world, event)
        elif isinstance(event, ev.ExperimentEnded):
            self.over(world, event)
        elif isinstance(event, ev.JobBegan):
            self.job(world, event)
        elif isinstance(event, ev.CommandQueued):
            assert event.id not in self.queued, "a command is taken in once"
            self.queued.add(event.id)
        elif isinstance(event, ev.CommandDone | ev.CommandRefused):
            assert event.id not in self.answered, "a command is answered once"
            self.answered.add(event.id)

    def lines_hold(self, world: World) -> None:
        state = world.state
        segment = state.segment
        if segment is None:
            return
        line = [state.experiments[run - 1] for run in segment.line]
        assert [e.run for e in state.experiments] == list(range(1, len(state.experiments) + 1))
        assert len(set(segment.line)) == len(segment.line)
        assert not line or line[0].is_baseline, "a segment's line starts with its baseline"
        for champion in line:
            assert champion.metric is not None and champion.status == "keep" and champion.segment == segment.number
        kept = {e.run for e in state.of_segment() if e.status == "keep"}
        assert kept == set(segment.line), "kept is who is in the line, and nobody else"
        for experiment in state.experiments:
            assert experiment.status != "crash" or experiment.metric is None

    def began(self, world: World, event: ev.ExperimentBegan) -> None:
        state = world.state
        champion = state.champion
        assert not state.paused, "nothing begins while paused"
        assert not state.stop, "nothing begins after a stop"
        assert event.run == len(self.ended) + 1, "an experiment begins when the one before it is over"
        if champion is not None:
            assert world.tree == world.commits[world.head] == world.commits[champion.commit]
        assert event.champion == (champion.run if champion else None)
        done = len(self.ended) - self.baselines - self.ended_at_start
        assert not world.limit or done < world.limit, "the limit counts experiments after the baseline"

    def job(self, world: World, event: ev.JobBegan) -> None:
        state = world.state
        current = state.current
        assert event.command not in self.jobs, "queued work is begun once, whatever became of its engine"
        self.jobs.add(event.command)
        assert current is None or current.phase == "proposing", "queued work is done between experiments"
        assert not state.stop, "nothing begins after a stop"

    def trial(self, world: World, event: ev.TrialBegan) -> None:
        experiment = world.state.experiments[event.run - 1]
        own = world.state.segments[-1].run.seed
        if event.trial == 1:
            assert event.seed == own and event.of == "candidate"
            return
        if experiment.trials[0].outcome != "ok":  # is it the change, or the machine? the champion shows
            assert (event.trial, event.of, event.seed) == (2, "champion", own)
            crashes = [e.status for e in world.state.of_segment() if e.status and "no_change" not in e.flags]
            assert crashes[-4:] == ["crash"] * 4
            return
        assert experiment.gate.kind == "confirm" and experiment.trials[0].metric is not None
        assert event.seed != own, "a confirming pair never sees the seed of the result that it doubts"
        pair = (event.run, (event.trial - 2) // 2)
        assert self.seeds.setdefault(event.seed, pair) == pair, "a pair's seed is used by that pair alone"

    def decided(self, world: World, event: ev.Decided) -> None:
        state, experiment = world.state, world.state.experiments[event.run - 1]
        assert event.status in ("keep", "discard", "crash", "checks_failed")
        if event.status == "crash":
            assert event.metric is None
        if event.status != "keep":
            return
        assert event.metric is not None and event.metric == experiment.trials[0].metric
        assert not event.flags and not any(trial.flags for trial in experiment.trials), "no keep of a flagged claim"
        assert experiment.checks != "failed" and not experiment.abort
        if experiment.is_baseline:
            return
        line = state.segments[-1].line
        assert line[-2:] == [experiment.champion, event.run], "a keep stands on the champion that it was tried on"
        champion = state.experiments[line[-2] - 1]
        assert champion.metric is not None
        gained, gate = champion.metric - event.metric, experiment.gate
        assert gained <= gate.jump
        assert gained > 0 or (abs(gained) <= gate.equal_within and experiment.net_lines < 0)
        assert gained >= gate.gain_per_line * experiment.net_lines or gained <= gate.equal_within
        if gate.kind == "confirm":
            self.confirmed(experiment)

    def confirmed(self, experiment: Experiment) -> None:
        gate, pairs = experiment.gate, experiment.trials[1:]
        assert len(pairs) == 2 * gate.pairs
        gains = []
        for before, after in zip(pairs[::2], pairs[1::2], strict=True):
            assert (before.of, after.of) == ("champion", "candidate") and before.seed == after.seed
            assert before.metric is not None and after.metric is not None
            gains.append(before.metric - after.metric)
        assert fmean(gains) > 0 or experiment.net_lines < 0, "pairs that lose confirm nothing"

    def over(self, world: World, event: ev.ExperimentEnded) -> None:
        state = world.state
        self.ended.append(event.run)
        ended, engine = world.state.experiments[event.run - 1], world.state.engine
        if "interrupted" in ended.flags and engine is not None and ended.began_at < engine.started_at:
            self.ended_at_start += not ended.is_baseline  # what another engine began costs this one nothing
        assert self.ended == list(range(1, event.run + 1)), "each experiment ends once, in order"
        experiment = state.experiments[-1]
        self.baselines += experiment.is_baseline
        results = [index for kind, index in state.public if kind == "result"]
        assert results == self.ended, "each experiment is logged once, when it ends"
        assert experiment.logged == experiment.status
        believed = [
            e.metric
            for e in state.of_segment()
            if e.metric is not None
            and (e.status == "keep" or (e.status == "discard" and not CANNOT_BE.intersection(e.flags)))
        ]
        kept = [e.metric for e in state.of_segment() if e.status == "keep"]  # an operator may keep what cannot be
        assert all(math.isfinite(metric) and (metric > 0 or metric in kept) for metric in believed)
        standing = [state.experiments[run - 1].metric for run in state.segments[-1].line]
        best = min((metric for metric in standing if metric is not None), default=0.0)
        self.confidence_is(believed, state.baseline, best, session_confidence(state))

    @staticmethod
    def confidence_is(believed: list[float], baseline: Experiment | None, best: float, told: float | None) -> None:
        if baseline is None or baseline.metric is None or len(believed) < 3:
            assert told is None
            return
        scatter = median(abs(metric - median(believed)) for metric in believed)
        expected = abs(best - baseline.metric) / scatter if scatter else None
        assert told == expected
