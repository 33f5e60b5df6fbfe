"""The growth search as it stands: rounds, their candidates and what each is worth, from a session's state. Pure.

A score is 1/exp(val_loss), the probability of the right next token; a candidate's is the mean of its seeds' scores, as
the public hyperparam_search.py takes it, and its loss the one that belongs to that mean. Its efficiency is Δscore/Δcost
against the round's baseline. engine.session.growthlog writes the same records
as YAML, and engine.session.growthread reads them.
"""

import math
from collections.abc import Mapping
from statistics import fmean

import msgspec

from engine.session.events import Planned
from engine.session.flags import CUT_SHORT
from engine.session.state import Experiment, GrowthRound, State, Trial

LOSS = "val_loss"
SOURCES = {"params": ("num_params_M",), "vram": ("peak_vram_mb", "peak_rss_mb"), "iter": ("step_ms",)}
"""Metrics that a cost is read from, the first that is there and above 0; the resident memory counts on the CPU."""
AGAIN = CUT_SHORT | {"base_withdrawn"}
"""Flags of a result that says nothing about the change: the candidate is tried again."""
TRIES = 3
"""A candidate that was ended so often from outside is left out."""

Value = int | float | str | dict[str, int]


class Seed(msgspec.Struct, frozen=True):
    """One trial: val_loss in nats, parameters, peak memory in MB, a step's median time in ms; NaN = not told."""

    seed: int
    loss: float
    score: float
    params: float = math.nan
    peak_mb: float = math.nan
    step_ms: float = math.nan
    steps: float = math.nan


class Measured(msgspec.Struct, frozen=True):
    """The mean over the seeds, of a candidate or a baseline; the loss is -log of the mean score."""

    loss: float
    score: float
    params: float
    peak_mb: float
    step_ms: float
    steps: float = math.nan
    seeds: tuple[Seed, ...] = ()

    @property
    def spread(self) -> float:
        """Largest minus smallest score of the seeds."""
        scores = [seed.score for seed in self.seeds]
        return max(scores) - min(scores) if scores else 0.0

    def cost(self, target: str) -> float:
        """What `target` (params, vram or iter) counts."""
        return {"params": self.params, "vram": self.peak_mb, "iter": self.step_ms}[target]


class Candidate(msgspec.Struct, frozen=True):
    """One candidate of a round. `status`: waiting, running, done, crash, left_out (measured, and not believed).

    Deltas are against the round's baseline, NaN until measured. `efficiency` is infinite where the score rises and the
    cost does not. `note` says why it was left out.
    """

    key: str
    param: str
    value: Value
    status: str = "waiting"
    run: int | None = None
    measured: Measured | None = None
    delta_score: float = math.nan
    delta_cost: float = math.nan
    efficiency: float = math.nan
    note: str = ""

    @property
    def helps(self) -> bool:
        """Whether it may be chosen: only a score that rose counts."""
        return self.status == "done" and self.delta_score > 0 and not math.isnan(self.efficiency)


class Round(msgspec.Struct, frozen=True):
    """One round. `chosen` is the key of the candidate taken, "" = none (yet); `action` what happened instead.

    `config` are the settings after the round, as source texts; `open` while candidates are still measured. Round 0 of
    a log read from a file is the first measurement of the baseline.
    """

    number: int
    cost: str
    baseline: Measured | None
    candidates: tuple[Candidate, ...] = ()
    chosen: str = ""
    action: str = ""
    reason: str = ""
    open: bool = False
    config: Mapping[str, object] = {}
    before: Mapping[str, object] = {}
    """The settings that the round began with, where they are known."""
    budget: str = ""

    @property
    def picked(self) -> Candidate | None:
        """The candidate that was taken."""
        return next((found for found in self.candidates if self.chosen and found.key == self.chosen), None)

    @property
    def tried(self) -> int:
        """How many of its candidates are over."""
        return sum(found.status not in ("waiting", "running") for found in self.candidates)


class Growth(msgspec.Struct, frozen=True):
    """A whole search; `stop` is why it ended, "" while it goes on. `earlier` rounds are a log's of elsewhere."""

    rounds: tuple[Round, ...] = ()
    cost: str = "params"
    stop: str = ""
    earlier: int = 0

    def path(self) -> list[tuple[float, float]]:
        """(cost, score) of each baseline in the order that they were taken, the last choice included."""
        points: list[tuple[float, float]] = []
        for found in self.rounds:
            picked = found.picked
            for measured in (found.baseline, picked.measured if picked else None):
                if measured is not None and (not points or points[-1] != (measured.cost(self.cost), measured.score)):
                    points.append((measured.cost(self.cost), measured.score))
        return points


def score_of(loss: float) -> float:
    """The probability of the right next token at a mean loss in nats."""
    return math.exp(-loss)


def mean_of(seeds: tuple[Seed, ...]) -> Measured:
    """The mean over the seeds."""
    score = fmean(seed.score for seed in seeds)
    return Measured(
        loss=-math.log(score) if score > 0 else math.inf,
        score=score,
        params=fmean(seed.params for seed in seeds),
        peak_mb=fmean(seed.peak_mb for seed in seeds),
        step_ms=fmean(seed.step_ms for seed in seeds),
        steps=max(seed.steps for seed in seeds),
        seeds=seeds,
    )


def efficiency(delta_score: float, delta_cost: float) -> float:
    """Δscore/Δcost; infinite where the score rises and the cost does not, and never above 0 where it does not rise."""
    if delta_score > 0:
        return delta_score / delta_cost if delta_cost > 0 else math.inf if delta_cost <= 0 else math.nan
    return delta_score / abs(delta_cost) if delta_cost else 0.0


def ranked(candidates: tuple[Candidate, ...]) -> list[Candidate]:
    """Those that help, the most efficient first; ties by Δscore, then in the order tried."""
    return sorted((c for c in candidates if c.helps), key=lambda c: (c.delta_cost > 0, -c.efficiency, -c.delta_score))


def trials_of(experiment: Experiment) -> list[Trial]:
    """The trials that count of its change, one a seed: of what it was mended to, and not interrupted."""
    found: dict[int, Trial] = {}
    for trial in experiment.trials:
        if trial.of == "candidate" and trial.commit == experiment.commit and trial.outcome not in ("", "interrupted"):
            found[trial.seed] = trial
    return list(found.values())


def measured(experiment: Experiment) -> Measured | None:
    """What an experiment's trials came to; None where one has no val_loss."""
    seeds = []
    for trial in trials_of(experiment):
        loss = trial.metrics.get(LOSS)
        if trial.outcome != "ok" or loss is None:
            return None
        costs = {target: _cost(trial.metrics, target) for target in SOURCES}
        steps = trial.metrics.get("num_steps", math.nan)
        seeds.append(Seed(trial.seed, loss, score_of(loss), costs["params"] * 1e6, costs["vram"], costs["iter"], steps))
    return mean_of(tuple(seeds)) if seeds else None


def _cost(metrics: Mapping[str, float], target: str) -> float:
    return next((metrics[name] for name in SOURCES[target] if metrics.get(name, 0) > 0), math.nan)


Attempts = dict[tuple[int, int | None, str], list[Experiment]]
"""(segment, champion's run, candidate's key) → the experiments about it, in order."""


def attempts(state: State, since: int = 1) -> Attempts:
    """Every experiment of the growth search from run `since` on, in one pass."""
    found: Attempts = {}
    for run in range(since, len(state.experiments) + 1):
        experiment = state.experiments[run - 1]
        if experiment.candidate and experiment.researcher in ("", "grow"):
            found.setdefault((experiment.segment, experiment.champion, experiment.candidate), []).append(experiment)
    return found


def untried(state: State, planned: GrowthRound) -> Planned | None:
    """The round's first candidate that has no result; None when all have."""
    known = attempts(state, planned.base)
    return next((one for one in planned.candidates if _result(known, planned, one) is None), None)


def _result(known: Attempts, planned: GrowthRound, candidate: Planned) -> Experiment | None:
    """The ended experiment that answers for `candidate`; None while it has to be tried (again)."""
    found = known.get((planned.segment, planned.base, candidate.key))
    if not found or found[-1].phase != "ended":
        return None
    last = found[-1]
    return last if len(found) >= TRIES or not AGAIN.intersection(last.flags) else None


def stands(state: State, planned: GrowthRound) -> bool:
    """Whether the round's baseline is still the champion, and measured under the open segment."""
    champion, segment = state.champion, state.segment
    return (
        champion is not None
        and segment is not None
        and planned.segment == segment.number
        and planned.base == champion.run
    )


def candidates(state: State, planned: GrowthRound, known: Attempts | None = None) -> tuple[Candidate, ...]:
    """The round's candidates as they stand. `known`: the attempts, for who has looked them up already."""
    known = attempts(state, planned.base) if known is None else known
    base_run = state.experiment(planned.base)
    base = measured(base_run) if base_run else None
    return tuple(_candidate(state, planned, base, one, _result(known, planned, one)) for one in planned.candidates)


def _candidate(
    state: State, planned: GrowthRound, base: Measured | None, one: Planned, experiment: Experiment | None
) -> Candidate:
    if experiment is None:
        current = state.current
        on = current is not None and current.candidate == one.key and current.champion == planned.base
        run = current.run if on and current else None
        return Candidate(one.key, one.param, one.value, "running" if on else "waiting", run)
    found = measured(experiment) if experiment.metric is not None else None
    named = Candidate(one.key, one.param, one.value, "crash", experiment.run, found, note=experiment.reason)
    if found is None or base is None or experiment.verdict != "discard":
        return named
    delta_score = found.score - base.score
    delta_cost = found.cost(planned.cost) - base.cost(planned.cost)
    believed = not experiment.disbelieved and experiment.run not in planned.refused
    return msgspec.structs.replace(
        named,
        status="done" if believed else "left_out",
        delta_score=delta_score,
        delta_cost=delta_cost,
        efficiency=efficiency(delta_score, delta_cost),
        note="" if believed else "taken back" if experiment.run in planned.refused else experiment.reason,
    )


def of_state(state: State) -> Growth:
    """The session's growth search; a round that lost its baseline is left out once another took its number."""
    latest = {planned.number: planned for planned in state.rounds}
    known = attempts(state) if latest else {}
    found = tuple(_round(state, planned, known) for planned in latest.values())
    last = state.rounds[-1] if state.rounds else None
    return Growth(found, last.cost if last else "params", last.stop if last else "", state.earlier_rounds)


def _round(state: State, planned: GrowthRound, known: Attempts) -> Round:
    base = state.experiment(planned.base)
    those = candidates(state, planned, known)
    chosen = next((one for one in those if planned.chosen is not None and one.run == planned.chosen), None)
    before = {**planned.config, **({"max_iters": planned.budget} if planned.budget else {})}
    config = {**before, **(change_of(planned, chosen.key) if chosen else {})}
    grown = f"max_iters_increased_to_{planned.length}" if planned.length else ""
    return Round(
        number=planned.number,
        cost=planned.cost,
        baseline=measured(base) if base else None,
        candidates=those,
        chosen=chosen.key if chosen else "",
        action=grown or planned.stop,
        reason=planned.reason,
        open=not planned.decided_at,
        config={**config, **({"max_iters": planned.length} if planned.length else {})},
        before=before,
        budget=planned.budget,
    )


def fate(state: State, experiment: Experiment) -> str:
    """Why a candidate was not taken, told from where its round ended; otherwise the gate's own reason."""
    one = next((r for r in reversed(state.rounds) if _of_round(r, experiment) and r.decided_at), None)
    base = state.experiment(experiment.champion or 0)
    before, found = measured(base) if base else None, measured(experiment)
    if one is None or before is None or found is None or experiment.status != "discard" or experiment.disbelieved:
        return experiment.reason
    if experiment.run in one.refused:
        return f"round {one.number} took it first, and that was taken back"
    if found.score <= before.score:
        return f"round {one.number}: its score did not rise ({found.score - before.score:+.6f})"
    taken = state.experiment(one.chosen) if one.chosen is not None else None
    if taken is None or taken.run == experiment.run:
        return experiment.reason
    return f"round {one.number} took {taken.candidate} (run {taken.run}), which won more score for its {one.cost}"


def _of_round(planned: GrowthRound, experiment: Experiment) -> bool:
    where = (planned.segment, planned.base)
    return bool(experiment.candidate) and where == (experiment.segment, experiment.champion)


def change_of(planned: GrowthRound, key: str) -> dict[str, str]:
    """What the candidate `key` changes."""
    return next((dict(one.change) for one in planned.candidates if one.key == key), {})
