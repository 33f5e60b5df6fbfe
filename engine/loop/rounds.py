"""The growth search's rounds: what is tried next, and which candidate a round takes. Pure."""

import math

import msgspec

from engine.loop.effects import GrowthOver, PlanRound
from engine.loop.gates import NextTrial, blame, failure
from engine.loop.judgement import Result, Verdict, impossible
from engine.session import events as ev
from engine.session import growing, lineage
from engine.session.events import Planned
from engine.session.flags import explain
from engine.session.settings import Grow
from engine.session.state import Experiment, GrowthRound, State, Trial

BY = "round"
"""Who made a round's decision, in the log of decisions."""
BASELINE = "baseline"
"""The group of a baseline's experiment."""
NOTHING = "no_positive_efficiency"
INTERRUPTED = 5
"""A trial that was interrupted so often is given up."""
NEEDS = {"params": "num_params_M", "vram": "peak_vram_mb, or the engine's peak_rss_mb", "iter": "step_ms"}


def mark(grow: Grow) -> str:
    """The settings as a text: a search that ended goes on when they have changed."""
    return msgspec.json.encode(grow).decode()


def group(number: int) -> str:
    """How the experiments of a round are called."""
    return f"round {number}"


def next_in_round(state: State, grow: Grow, now: float) -> PlanRound | GrowthOver | Planned | list[ev.AnyEvent]:
    """What the search does between two experiments; the segment's baseline is measured.

    A candidate to try, a round to plan, the end of the search, or the events of a round's decision.
    """
    champion = state.champion
    assert champion is not None
    wrong = _unmeasurable(champion, grow)
    if wrong:
        return GrowthOver(wrong)
    last = state.rounds[-1] if state.rounds else None
    number = _number(state, last)
    if last is not None and last.chosen is not None and growing.stands(state, last):
        return [_taken(state, last.chosen, last.number, last.reason, now)]  # a kill came between the two events
    if last is None or not growing.stands(state, last) or last.decided_at:
        ended = last is not None and growing.stands(state, last) and bool(last.stop) and last.mark == mark(grow)
        if last is not None and ended:
            return GrowthOver(f"{last.stop}: {last.reason}")
        if grow.rounds and number > grow.rounds:
            return GrowthOver(f"all {grow.rounds} rounds are done")
        return PlanRound(number)
    return growing.untried(state, last) or _decide(state, last, grow, now)


def _number(state: State, last: GrowthRound | None) -> int:
    if last is None:
        return state.earlier_rounds + 1
    return last.number + 1 if last.decided_at else last.number


def _unmeasurable(champion: Experiment, grow: Grow) -> str:
    found = growing.measured(champion)
    if found is None:
        return f"the benchmark prints no METRIC {growing.LOSS}, of which the growth search makes its score"
    if math.isnan(found.cost(grow.cost)):
        return f"the benchmark prints no METRIC {NEEDS[grow.cost]}, which grow.cost = {grow.cost!r} needs"
    return ""


def _decide(state: State, last: GrowthRound, grow: Grow, now: float) -> list[ev.AnyEvent]:
    those = growing.candidates(state, last)
    best = next(iter(growing.ranked(those)), None)
    told = _left_out(those)
    if best is not None and best.run is not None:
        reason = f"round {last.number}: {best.key}, {_worth(best)}{told}"
        return [
            ev.RoundDecided(at=now, round=last.number, chosen=best.run, reason=reason),
            _taken(state, best.run, last.number, reason, now),
        ]
    few = "the one candidate did not raise" if len(those) == 1 else f"none of {len(those)} candidates raised"
    nothing = f"{few} the score{told}" if those else "there is nothing to raise"
    more = not grow.rounds or last.number < grow.rounds
    if grow.max_iters_increase and those and last.budget and more:
        length = f"{float(last.budget) + grow.max_iters_increase:g}"
        reason = f"round {last.number}: {nothing}; the training length goes up from {last.budget} to {length}"
        return [ev.RoundDecided(at=now, round=last.number, chosen=None, reason=reason, budget=length)]
    return [ev.RoundDecided(at=now, round=last.number, chosen=None, reason=nothing, stop=NOTHING)]


def _taken(state: State, run: int, number: int, reason: str, now: float) -> ev.Overridden:
    """The chosen run becomes the champion, as by a person's keep."""
    decision = lineage.keep(state, run)
    return ev.Overridden(
        at=now,
        command=f"{BY}-{number}",
        kind="keep",
        run=run,
        line=decision.line,
        statuses=decision.statuses,
        withdrawn=decision.withdrawn,
        by=BY,
        reason=reason,
    )


def _worth(one: growing.Candidate) -> str:
    rose = f"score {one.delta_score:+.6f}"
    if math.isinf(one.efficiency):
        return f"{rose} at a cost that did not rise ({one.delta_cost:+.6g})"
    return f"{rose} for {one.delta_cost:+.6g}, efficiency {one.efficiency:.4g}"


def _left_out(those: tuple[growing.Candidate, ...]) -> str:
    out = [one.key for one in those if one.status != "done"]
    return f"; left out: {', '.join(out)}" if out else ""


def measure(state: State, experiment: Experiment) -> NextTrial | Verdict:
    """The round gate: a trial for each seed, then no verdict before the round ends; a baseline is kept."""
    segment = state.segments[-1]
    done = {trial.seed: trial for trial in growing.trials_of(experiment)}
    flags: tuple[str, ...] = ()
    for seed in range(segment.run.seed, segment.run.seed + experiment.seeds):
        trial = done.get(seed)
        ended = [t for t in experiment.trials if t.seed == seed and t.outcome == "interrupted"]
        if trial is None and len(ended) >= INTERRUPTED:
            return failure(ended[-1]) or Verdict("crash", ended[-1].detail, ("interrupted",))
        if trial is None:
            return NextTrial("candidate", experiment.commit, seed)
        if trial.outcome != "ok" or trial.metric is None:
            failed = failure(trial) or Verdict("crash", f"the trial with seed {seed} gave no result")
            return blame(state, experiment, trial.cause, failed, _would_end(state, experiment))
        flags += impossible(Result(trial.metric, trial.metrics, trial.flags), segment.metric, None, 0)
    flags = tuple(dict.fromkeys(flags))
    if experiment.checks == "failed":
        return Verdict("checks_failed", f"the checks failed: {experiment.checks_detail or 'no output'}", flags)
    if experiment.is_baseline and flags:
        return Verdict("crash", f"the baseline cannot be believed: {explain(flags)}", flags)
    if experiment.is_baseline:
        mean = f", the mean of {experiment.seeds} seeds" if experiment.seeds > 1 else ""
        return Verdict("keep", f"the baseline of this segment{mean}")
    champion = state.champion
    if champion is None or champion.run != experiment.champion:
        return Verdict("discard", "the champion it was tried on was withdrawn while it ran", ("base_withdrawn", *flags))
    if flags:
        return Verdict("discard", f"not believed: {explain(flags)}; left out of the round", flags)
    return Verdict("discard", f"{experiment.group}: no verdict before the round ends")


def _would_end(state: State, experiment: Experiment) -> bool:
    """Whether a crash of this experiment leaves its round without any candidate: that ends the search for good."""
    planned = state.rounds[-1] if state.rounds else None
    if planned is None or planned.base != experiment.champion:
        return False
    return not any(one.status in ("done", "waiting") for one in growing.candidates(state, planned))


def mean_result(experiment: Experiment) -> tuple[float | None, dict[str, float]]:
    """The experiment's metric and metrics: of each the mean over its seeds' trials that succeeded."""
    fine = [trial for trial in growing.trials_of(experiment) if trial.outcome == "ok" and trial.metric is not None]
    if not fine:
        return None, {}
    shared = [name for name in fine[0].metrics if all(name in trial.metrics for trial in fine)]
    return _mean([trial.metric or 0.0 for trial in fine]), {name: _of(fine, name) for name in shared}


def _of(trials: list[Trial], name: str) -> float:
    return _mean([trial.metrics[name] for trial in trials])


def _mean(values: list[float]) -> float:
    return values[0] if len(set(values)) == 1 else math.fsum(values) / len(values)
