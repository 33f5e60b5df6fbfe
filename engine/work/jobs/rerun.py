"""`rerun RUN`: the run's commit, seed and budget once more, and how far the metric is from what it was."""

from __future__ import annotations

from collections.abc import Mapping

from engine.gpu.telemetry import Telemetry
from engine.session import growing
from engine.session.state import Experiment, Segment, State
from engine.work import benchmark
from engine.work.jobs.job import Done, Kind, Order, Place, first_trial_seed, run_of, whole

MOST_SEED = 2**32 - 1


def check(state: State, args: Mapping[str, str]) -> Experiment:
    """Errors: Refused."""
    experiment = run_of(state, args)
    whole(args, "seed", 0, MOST_SEED, 0)
    return experiment


def seed_of(experiment: Experiment, segment: Segment, args: Mapping[str, str]) -> int:
    """The one that was asked for, else the run's own."""
    return whole(args, "seed", 0, MOST_SEED, first_trial_seed(experiment, segment))


def run(order: Order, place: Place) -> Done:
    """Errors: LeashError, OSError."""
    experiment, segment = order.experiment, order.segment
    seed = seed_of(experiment, segment, order.args)
    trial = benchmark.start_trial(
        place.tree,
        place.folder,
        segment.run.command,
        environment=place.environment(seed, segment.budget),
        limit_s=segment.run.timeout_s,
        confine=place.confine((), ()),
    )
    place.hold(trial.leashed)
    try:
        with Telemetry(place.folder / "telemetry.jsonl"):
            measured = trial.finish(segment.metric.name)
    finally:
        place.hold(None)
    kept = ("run.log", "benchmark.out")
    return Done(
        outcome=measured.outcome,
        answer=told(order, seed, measured),
        detail=measured.detail,
        metric=measured.metric,
        metrics=measured.metrics,
        files=tuple(name for name in kept if (place.folder / name).exists()),
        duration_s=measured.duration_s,
    )


def told(order: Order, seed: int, measured: benchmark.Measured) -> str:
    """The comparison in a sentence; "" where the work was cut short, which compares nothing."""
    if measured.outcome in ("aborted", "interrupted"):
        return ""
    experiment, name = order.experiment, order.segment.metric.name
    own = first_trial_seed(experiment, order.segment)
    head = f"run {experiment.run} again, seed {seed}"
    if order.args.get("dirty"):
        head += ", with the uncommitted edits"
    if measured.metric is None:
        was = f"it was {name} {experiment.metric:.6f}" if experiment.metric is not None else experiment.status
        return f"{head}: {measured.outcome} ({measured.detail}); before: {was or 'nothing yet'}"
    now = f"{head}: {name} {measured.metric:.6f}"
    if experiment.metric is None:
        return f"{now}; before: {experiment.status or 'nothing yet'}"
    trials = {trial.seed: trial.metric for trial in growing.trials_of(experiment) if trial.metric is not None}
    # With several seeds the run's metric is their mean: a trial is compared with the one of its own seed.
    own_metric = trials.get(seed, experiment.metric)
    if seed in trials or seed == own:
        with_seed = ""
    elif len(trials) > 1:
        with_seed = f", the mean of {len(trials)} seeds"
    else:
        with_seed = f" with seed {own}"
    difference = measured.metric - own_metric
    if difference == 0 and not with_seed:
        return f"{now}, before {own_metric:.6f}: the same to the last digit"
    return f"{now}, before {own_metric:.6f}{with_seed}: {difference:+.6f}"


KIND = Kind(check, run, clean=True, seed=seed_of)
