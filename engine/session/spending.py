"""What the researchers' thinking used and cost, and where the time went. Pure."""

from collections.abc import Iterable, Mapping
from itertools import pairwise

import msgspec

from engine.session.state import Experiment, State

COST, INPUT, OUTPUT = "cost_usd", "input_tokens", "output_tokens"


class Spending(msgspec.Struct, frozen=True):
    """Over `experiments` ended experiments (baselines left out) with `keeps` keeps that stand, and the one under way.

    `cost_usd` is None where no price was told at all; `unpriced` counts experiments that used tokens at an unknown
    price. `per_experiment` and `per_keep` are in US dollars, the `tokens_…` in tokens; None where nothing divides.
    """

    experiments: int
    keeps: int
    cost_usd: float | None
    input_tokens: float
    output_tokens: float
    unpriced: int = 0

    @property
    def used(self) -> bool:
        """Whether anything was used: the offline search costs nothing."""
        return self.cost_usd is not None or self.tokens > 0

    @property
    def tokens(self) -> float:
        """Both kinds together."""
        return self.input_tokens + self.output_tokens

    @property
    def per_experiment(self) -> float | None:
        """US dollars for an experiment."""
        return _share(self.cost_usd, self.experiments)

    @property
    def per_keep(self) -> float | None:
        """US dollars for a kept improvement."""
        return _share(self.cost_usd, self.keeps)

    @property
    def tokens_per_experiment(self) -> float | None:
        """Tokens for an experiment."""
        return _share(self.tokens, self.experiments)

    @property
    def tokens_per_keep(self) -> float | None:
        """Tokens for a kept improvement."""
        return _share(self.tokens, self.keeps)


def _share(total: float | None, among: int) -> float | None:
    return total / among if total is not None and among else None


def spending(experiments: Iterable[Experiment]) -> Spending:
    """What these used, refused proposals, failed attempts and mends included."""
    ended = keeps = unpriced = 0
    cost: float | None = None
    tokens = {INPUT: 0.0, OUTPUT: 0.0}
    for experiment in experiments:
        if experiment.phase == "ended" and not experiment.is_baseline:
            ended += 1
            keeps += experiment.status == "keep"
        for name in tokens:
            tokens[name] += experiment.usage.get(name, 0.0)
        if COST in experiment.usage:
            cost = (cost or 0.0) + experiment.usage[COST]
        elif any(experiment.usage.values()):
            unpriced += 1
    return Spending(ended, keeps, cost, tokens[INPUT], tokens[OUTPUT], unpriced)


def dollars(amount: float | None) -> str:
    """An amount in words: cents from a dollar's tenth on, finer below; "" where there is none."""
    if amount is None:
        return ""
    return f"${amount:,.2f}" if amount >= 0.1 or amount == 0 else f"${amount:.2g}" if amount >= 1e-4 else "<$0.0001"


def usage_text(usage: Mapping[str, float]) -> str:
    """One experiment's usage in words, "" where it used nothing."""
    parts = [dollars(usage.get(COST))] if COST in usage else []
    if INPUT in usage or OUTPUT in usage:
        parts.append(f"{usage.get(INPUT, 0):,.0f} tokens in, {usage.get(OUTPUT, 0):,.0f} out")
    parts += [f"{name} {value:g}" for name, value in usage.items() if name not in (COST, INPUT, OUTPUT)]
    return ", ".join(parts)


class Times(msgspec.Struct, frozen=True):
    """Seconds: `proposing` (asking, waiting to ask again, mending), `training` (trials), `other` within experiments
    (checks, git, deciding), `between` them (pauses included), `away` without an engine."""

    proposing: float
    training: float
    other: float
    between: float
    away: float

    @property
    def total(self) -> float:
        """All together: from the first engine's start to the last event of an engine's."""
        return self.proposing + self.training + self.other + self.between + self.away


def times(state: State) -> Times:
    """Where the session's time went. An experiment under way counts up to the engine's last sign of life."""
    if not state.segments:
        return Times(0.0, 0.0, 0.0, 0.0, 0.0)
    began = state.segments[0].opened_at
    gone = [(max(start, began), end) for start, end in state.away if end > began]
    rests = [*gone, *((pause.at, pause.until or state.engine_at) for pause in state.pauses)]
    proposing = training = other = 0.0
    for experiment in state.experiments:
        end = experiment.ended_at or state.engine_at
        asked = _thinking(experiment, end)
        thought = sum(_without(start, until, rests) for start, until in asked)
        trained = experiment.duration_s
        whole = _without(experiment.began_at, end, gone)
        paused = sum(_without(start, until, gone) - _without(start, until, rests) for start, until in asked)
        proposing, training = proposing + thought, training + trained
        other += max(0.0, whole - thought - trained - paused)
    away = sum(end - start for start, end in gone)
    between = max(0.0, state.engine_at - began - away - proposing - training - other)
    return Times(proposing, training, other, between, away)


def _thinking(experiment: Experiment, end: float) -> list[tuple[float, float]]:
    """From when to when its researcher was asked: until the first trial, and between trials where it was mended."""
    if experiment.is_baseline:
        return []
    trials = experiment.trials
    asked = [(experiment.began_at, trials[0].began_at if trials else experiment.decided_at or end)]
    for before, after in pairwise(trials):
        if before.outcome == "crash" and after.commit != before.commit and after.of == before.of:
            asked.append((before.began_at + before.duration_s, after.began_at))
    return asked


def _without(start: float, end: float, rests: Iterable[tuple[float, float]]) -> float:
    """Seconds from `start` to `end` that lie in none of `rests`."""
    left, at = 0.0, start
    for begins, ends in sorted(rests):
        if ends <= at or begins >= end:
            continue
        left += max(0.0, begins - at)
        at = max(at, ends)
    return left + max(0.0, end - at)


def plain(spent: Spending) -> dict[str, float | None]:
    """All figures by name."""
    return {
        **msgspec.structs.asdict(spent),
        "per_experiment_usd": spent.per_experiment,
        "per_keep_usd": spent.per_keep,
        "tokens_per_experiment": spent.tokens_per_experiment,
        "tokens_per_keep": spent.tokens_per_keep,
    }
