"""The loop's side of a swarm: what is claimed, told, re-run and adopted, from the journal's point of view.

Everything that is told is told of the journal, so that what could not be written down is made again at the next start.
Without a swarm every method does nothing.
"""

import contextlib
import time
from collections.abc import Callable
from statistics import stdev

import msgspec

from engine.loop import leavings
from engine.loop.ground import klass_of
from engine.loop.proposing import Claimer
from engine.loop.tree import Tree
from engine.researchers.base import Brief, Proposal
from engine.session import events as ev
from engine.session import flags, inbox
from engine.session.fingerprint import fingerprint
from engine.session.settings import Settings
from engine.session.state import Experiment, Job, State
from engine.swarm.collective import ALONE, WHO, Account, Answer, Collective, Foreign, Intent, Standing, words
from engine.work.jobs.verification import unsafe
from engine.work.provenance import FILE, Provenance

FLOOR = 0.0005
"""What a mere change of seed costs on a quiet machine, in the metric's unit, where the session has not measured it."""

LATELY = 5
"""Experiments whose topics are those of the session."""

LEAVE_S, LEAVE_HURRY_S = 10.0, 1.0
"""How long an engine's end may wait for the last deliveries."""


class Swarming:
    """Used on the engine's own thread, but for what `claimer` and `fetch` give, which workers call."""

    def __init__(self, tree: Tree, collective: Collective | None) -> None:
        self._tree, self._swarm = tree, collective
        self._stood: tuple[object, ...] = ()
        self._short = False
        self._begun = False

    @property
    def joined(self) -> bool:
        """Whether the session is in a swarm."""
        return self._swarm is not None

    # before an experiment

    def brief(self, given: Brief) -> Brief:
        """What the researcher gets to know, with what the swarm knows."""
        if self._swarm is None:
            return given
        hints = self._swarm.hints()
        return msgspec.structs.replace(given, done=hints.done, collective=hints.sections)

    def claimer(self, state: State, run: int) -> Claimer | None:
        """What claims a proposal of `run`'s, or the mend of one; None without a swarm."""
        if self._swarm is None:
            return None
        before = state.experiments[run - 1]
        instead = ("", 0) if before.claim in ("", ALONE) else (before.claim, before.token)
        swarm, klass = self._swarm, klass_of(state, state.segments[-1], self._tree.paths.root)

        def claim(given: Brief, proposal: Proposal, new: dict[str, str]) -> Answer:
            return swarm.claim(
                Intent(
                    run=run,
                    klass=klass,
                    fingerprint=fingerprint(new),
                    base=fingerprint(given.files),
                    params=proposal.params,
                    description=proposal.description,
                    instead=instead,
                )
            )

        return claim

    def fetch(self, settings: Settings) -> Callable[[str], Foreign] | str:
        """What brings another's result, in a worker's thread; or why nothing is adopted here."""
        if self._swarm is None:
            return "the session is in no swarm; join one: overnight swarm join"
        return unsafe(settings.guard.sandbox) or self._swarm.fetch

    # along with the journal

    def written(self, state: State, events: list[ev.AnyEvent]) -> list[ev.AnyEvent]:
        """Take in what was written down; returns what is to be written of it."""
        if self._swarm is None:
            return []
        found: list[ev.AnyEvent] = []
        for event in events:
            if isinstance(event, ev.ChangeAccepted):
                if event.claim in ("", ALONE):
                    self._swarm.let_go(event.run, False)
                else:
                    self._swarm.hold(event.run, event.claim, event.token)
                self._mark(event, "claimed", event.at)
            elif isinstance(event, ev.ExperimentEnded):
                ended = state.experiments[event.run - 1]
                self._swarm.let_go(event.run, _tellable(ended) and ended.claim not in ("", ALONE))
                if not _tellable(ended):
                    self._mark(ended, "open", event.at)
                found += self._complete(state)
            elif isinstance(event, ev.JobEnded) and event.kind == "verify":
                found += self._complete(state)
            if isinstance(event, ev.CommandDone | ev.CommandRefused) and state.commands[event.id].kind == "verify":
                self._swarm.let_go(state.commands[event.id].args.get("result", ""), False)
        return found

    def news(self, state: State, settings: Settings) -> list[ev.AnyEvent]:
        """What the swarm asks for or tells now; cheap, and asked for often."""
        if self._swarm is None:
            return []
        found: list[ev.AnyEvent] = []
        if not self._begun:
            self._begun = True
            found += self._begin(state)
        self._stand(state, settings)
        for wish in self._swarm.wishes(state):
            now = time.time()
            if wish.kind == "trouble":
                found.append(ev.Trouble(at=now, text=wish.args["text"]))
            elif not state.paused and not state.stop and (wish.kind != "verify" or self._may_verify(state, settings)):
                id = inbox.request(wish.kind, wish.args, WHO).id
                found.append(ev.CommandQueued(at=now, id=id, kind=wish.kind, args=wish.args, by=WHO, sent=now))
            else:
                self._swarm.let_go(wish.args["result"], False)
        return found

    def close(self, hurry: bool) -> None:
        """Deliver what goes in a moment, and let go."""
        if self._swarm is not None:
            self._swarm.close(LEAVE_HURRY_S if hurry else LEAVE_S)

    def _mark(self, of: ev.ChangeAccepted | Experiment, state: str, at: float) -> None:
        """Hypotheses that an experiment names are shown as being tried; a full disk costs the mark."""
        assert self._swarm is not None
        with contextlib.suppress(OSError):
            self._swarm.mark(of.run, (of.description, *of.asi.values()), of.params, state, at)

    def _begin(self, state: State) -> list[ev.AnyEvent]:
        assert self._swarm is not None
        current = state.current
        if current is not None and current.claim not in ("", ALONE):
            self._swarm.hold(current.run, current.claim, current.token)
        return self._complete(state)

    # what is told

    def _complete(self, state: State) -> list[ev.AnyEvent]:
        """Put into the outbox what is not there yet. A full disk is told once and costs nothing else."""
        assert self._swarm is not None
        known = self._swarm.known()
        try:
            for experiment in state.experiments[self._swarm.since() :]:
                if _tellable(experiment) and self._swarm.id("result", experiment.run) not in known:
                    self._swarm.tell(self._account(state, experiment))
            for job in state.jobs:
                if job.kind == "verify" and job.outcome == "ok" and self._swarm.id("verdict", job.command) not in known:
                    self._judge(state, job)
        except OSError as error:
            if self._short:
                return []
            self._short = True
            text = f"{self._tree.paths.outbox}: {error.strerror or error}; what the swarm is to hear is written there"
            return [ev.Trouble(at=time.time(), text=f"{text} from the journal as soon as there is room")]
        self._short = False
        return []

    def _account(self, state: State, experiment: Experiment) -> Account:
        segment, repo = state.segments[experiment.segment], self._tree.repo
        names = list(segment.editable)
        files = repo.files_at(experiment.commit, names)
        champion = state.experiment(experiment.champion) if experiment.champion else None
        base = repo.files_at(champion.commit, names) if champion else files
        noted = self._noted(experiment.run)
        earlier = state.of_segment(segment)
        earlier = earlier[: next(at for at, e in enumerate(earlier) if e.run == experiment.run)]
        bests = [e.metric for e in earlier if e.valid and e.metric is not None]
        lower = segment.metric.direction == "lower"
        memory = noted.machine.gpu.total_mb / 1024 if noted and noted.machine.gpu else 0.0
        return Account(
            experiment=experiment,
            segment=segment,
            klass=klass_of(state, segment, self._tree.paths.root, memory),
            files=files,
            fingerprint=fingerprint(files),
            base=fingerprint(base),
            settings={
                "gate": experiment.gate.kind,
                "researcher": experiment.researcher,
                "budget": segment.budget or "prepare.py's own",
                **({} if noted is None else {"model": noted.settings.researcher.model}),
            },
            versions={} if noted is None else {"python": noted.python, **noted.versions},
            weights=leavings.digest(self._tree.paths, experiment.run),
            best_before=(min if lower else max)(bests) if bests else None,
            hints_before=frozenset(
                hint for e in state.experiments[: experiment.run - 1] if (hint := e.asi.get("next_action_hint"))
            ),
        )

    def _noted(self, run: int) -> Provenance | None:
        try:
            return msgspec.json.decode((self._tree.paths.run(run) / FILE).read_bytes(), type=Provenance)
        except (OSError, msgspec.DecodeError):
            return None

    def _judge(self, state: State, job: Job) -> None:
        assert self._swarm is not None
        segment = state.segments[state.experiments[job.run - 1].segment]
        klass = klass_of(state, segment, self._tree.paths.root)
        self._swarm.judge(job.command, state.commands[job.command].args, klass, job.metrics, job.ended_at)

    # what is taken

    def _stand(self, state: State, settings: Settings) -> None:
        """Tell the swarm where the session stands, when that has changed."""
        champion = state.champion
        mark = (champion and champion.run, state.ended, len(state.jobs), len(state.commands), settings, state.paused)
        if self._swarm is None or champion is None or mark == self._stood:
            return
        self._stood = mark
        segment = state.segments[-1]
        safe = not state.paused and not unsafe(settings.guard.sandbox)
        asked = {
            kind: frozenset(c.args.get("result", "") for c in state.commands.values() if c.kind == kind)
            for kind in ("adopt", "verify")
        }
        self._swarm.stand(
            Standing(
                klass=klass_of(state, segment, self._tree.paths.root),
                metric=champion.metric,
                margin=max(settings.gate.equal_within, _noise(state)),
                tried=frozenset(e.fingerprint for e in state.of_segment() if e.fingerprint),
                adopted=asked["adopt"],
                rerun=asked["verify"],
                adopt=safe and settings.swarm.auto_adopt == "verified",
                verify=safe and self._may_verify(state, settings),
                topics=topics(state.of_segment()),
            )
        )

    def _may_verify(self, state: State, settings: Settings) -> bool:
        """Whether one more re-run stays within its share of the experiments, the baselines not counted."""
        done = sum(command.kind == "verify" for command in state.commands.values())
        own = sum(not e.is_baseline for e in state.experiments if e.phase == "ended")
        return done + 1 <= settings.swarm.verify_share * own


def _tellable(experiment: Experiment) -> bool:
    """Whether it was run to an end of its own: what was aborted or never put together says nothing of the change."""
    if experiment.phase != "ended" or not experiment.commit or not experiment.trials:
        return False
    return not {"aborted", "base_withdrawn", *flags.CUT_SHORT} & set(experiment.flags)


def topics(experiments: list[Experiment]) -> frozenset[str]:
    """What was tried lately, in words: the constants that were changed, else the description, as insights have it."""
    told = [" ".join(e.params) or e.description for e in experiments[-LATELY:] if not e.is_baseline]
    return words(" ".join(told))


def _noise(state: State) -> float:
    """The spread of the same code under other seeds, where the session has measured any."""
    spreads = []
    for experiment in state.of_segment():
        seen: dict[str, list[float]] = {}
        for trial in experiment.trials:
            if trial.outcome == "ok" and trial.metric is not None:
                seen.setdefault(trial.commit, []).append(trial.metric)
        spreads += [stdev(values) for values in seen.values() if len(values) > 1]
    return max(FLOOR, *spreads) if spreads else FLOOR
