"""What the results amount to: the champion, how much the metric scatters, and what leads nowhere."""

import math
from collections.abc import Sequence

from engine.researchers.base import Brief
from engine.researchers.prompt.lines import change_of, figure
from engine.researchers.prompt.quoting import one_line
from engine.session.settings import Metric
from engine.session.state import Experiment, gain
from engine.session.stats import mad

_ENOUGH = 3  # tries of a constant without a keep that make a dead end of it
_NEWEST = 30  # failed changes told of
_FAILED = ("crash", "checks_failed")


def champion(brief: Brief) -> str:
    """The champion and the goal, in figures."""
    metric, best, settings = brief.metric, brief.champion, brief.settings
    way = "lower" if metric.direction == "lower" else "higher"
    lines = [
        f"This is experiment {brief.run}. Metric: {metric.name} ({metric.unit or 'no unit'}), {way} is better.",
        f"The champion is run {best.run}: {metric.name} {figure(best)}. Your change is made to it, measured once under"
        f" the fixed budget, and kept if it is better (gate: {settings.gate.kind}).",
    ]
    baseline = next((e for e in brief.results if e.is_baseline), None)
    if baseline is not None and baseline.run != best.run and None not in (baseline.metric, best.metric):
        assert baseline.metric is not None and best.metric is not None
        won = gain(best.metric, baseline.metric, metric.direction)
        lines.append(f"The baseline, run {baseline.run}, had {figure(baseline)}: {won:+.6g} gained since.")
    others = ", ".join(f"{one_line(name)} {value!r}" for name, value in best.metrics.items() if name != metric.name)
    if others:
        lines.append(f"Also measured of the champion: {others}.")
    lines.append(f"May be changed: {', '.join(settings.scope.editable)}. Fixed: {', '.join(settings.scope.pinned)}.")
    return "\n".join(lines)


def noise(results: Sequence[Experiment], metric: Metric) -> str:
    """How much of a difference is chance, as far as is known."""
    values = [e.metric for e in results if e.valid and e.metric is not None]
    lines = []
    spread, count = _repeats(results)
    if count:
        lines.append(
            f"The same code under other seeds differs by a standard deviation of {spread:.6g} {metric.unit}"
            f" ({count} repeated measurements): a smaller difference is no evidence."
        )
    if len(values) >= _ENOUGH:
        lines.append(f"The median absolute deviation of all {len(values)} valid results is {mad(values):.6g}.")
    return "\n".join(lines) or "Not known yet: nothing was measured more than once."


def _repeats(results: Sequence[Experiment]) -> tuple[float, int]:
    """The pooled standard deviation over the seeds of the same commit, and how many measurements beyond the first."""
    seeds: dict[tuple[str, str], dict[int, float]] = {}
    for trial in (trial for experiment in results for trial in experiment.trials):
        if trial.outcome == "ok" and trial.metric is not None and not trial.flags and trial.commit:
            seeds.setdefault((trial.commit, trial.budget), {})[trial.seed] = trial.metric
    squares, free = 0.0, 0
    for measured in seeds.values():
        if len(measured) > 1:
            mean = sum(measured.values()) / len(measured)
            squares += sum((value - mean) ** 2 for value in measured.values())
            free += len(measured) - 1
    return (math.sqrt(squares / free), free) if free else (0.0, 0)


def dead_ends(results: Sequence[Experiment]) -> str:
    """Constants whose every change of late was in vain, and changes that did not run; the newest first."""
    tried: dict[str, list[Experiment]] = {}
    for experiment in results:
        for name in experiment.params:
            tried.setdefault(name, []).append(experiment)
    lines = []
    for name, changes in tried.items():
        since = _since_keep(changes)
        if len(since) >= _ENOUGH:
            values = ", ".join(dict.fromkeys(one_line(e.params[name][1]) for e in reversed(since)))
            lines.append(f"- {name}: {len(since)} changes in a row brought nothing: {values}")
    failed = [experiment for experiment in results if experiment.status in _FAILED]
    for experiment in failed[: -_NEWEST - 1 : -1]:
        lines.append(f"- run {experiment.run}, {change_of(experiment)}: {one_line(experiment.reason)}")
    if len(failed) > _NEWEST:
        lines.append(f"- {len(failed) - _NEWEST} older ones that did not run are among the results")
    return "\n".join(lines)


def _since_keep(changes: list[Experiment]) -> list[Experiment]:
    for index in range(len(changes) - 1, -1, -1):
        if changes[index].status == "keep":
            return changes[index + 1 :]
    return changes
