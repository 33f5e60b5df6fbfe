"""What a decided experiment teaches: its result in words, and the step that follows from all data of its constants."""

from itertools import pairwise

from engine.researchers.search.history import Evidence, History, Point, changes_of, interrupted
from engine.researchers.search.sides import Sides, best_between, other_side, sides
from engine.researchers.search.space import Constant, Space
from engine.researchers.search.steps import between, further
from engine.researchers.search.values import Value, is_number
from engine.session import flags
from engine.session.settings import Metric
from engine.session.state import Experiment, gain


def result_text(experiment: Experiment, champion: Experiment | None, metric: Metric) -> str:
    """The result against the champion it stood against, with the figures."""
    if flags.MACHINE & set(experiment.flags):
        return f"crash: {experiment.reason}; it says nothing about the change"
    if interrupted(experiment):
        return "interrupted before it had a result; it says nothing about the change"
    if experiment.metric is None or not experiment.valid:
        last = experiment.trials[-1] if experiment.trials else None
        cause = (last.cause or last.outcome) if last is not None and last.outcome != "ok" else ""
        why = experiment.reason or cause or "no result"
        return f"{experiment.status or 'failed'}: {why}" + (f" ({cause})" if cause and cause not in why else "")
    text = f"{metric.name} {experiment.metric:.6f}"
    if champion is not None and champion.metric is not None:
        won = gain(experiment.metric, champion.metric, metric.direction)
        word = "better" if won > 0 else "worse"
        against = f"run {champion.run}'s {champion.metric:.6f}"
        text += f", the same as {against}" if won == 0 else f", {abs(won):.6f} {word} than {against}"
        if won > 0 and experiment.status != "keep":
            return f"{text}; {experiment.status} all the same: {experiment.reason}"
    return f"{text}; {experiment.status}"


def hint_text(experiment: Experiment, history: History, space: Space) -> str:
    """What to do next about the constants it changed; `history` includes it.

    "" where it changed no constants or says nothing about them.
    """
    changes = changes_of(experiment)
    if not changes or interrupted(experiment):
        return ""
    evidence = next((item for item in reversed(history.evidence) if item.run == experiment.run), None)
    if evidence is None:
        return ""
    if not evidence.only:
        return _together(evidence, history)
    name = evidence.only
    old, new = changes[name]
    constant = space.constants.get(name)
    if evidence.kept:
        return _onward(name, old, new, evidence, history, constant)
    if evidence.gain == 0:
        return f"{name} makes no difference between {old} and {new}: change something else"
    if evidence.gain is None and not evidence.failed:
        return f"{name} = {new} has no result that can be believed: run it again before building on it"
    points = _latest(history.around(name, old))
    if constant is not None and (known := sides(constant, old, points)) is not None:
        return _order(name, old, known, constant)
    return _choices(name, old, points, constant)


def _latest(points: list[Point]) -> list[Point]:
    """One point for each value, the last."""
    return list({point.value: point for point in points}.values())


def _together(evidence: Evidence, history: History) -> str:
    names = " and ".join(evidence.changes)
    if evidence.kept:
        return f"{names} gained together ({evidence.gain or 0.0:.4g}); take each back alone to see which of them did it"
    alone = []
    for name, (old, new) in evidence.changes.items():
        known = [point for point in history.around(name, old) if point.value == new]
        if not known:
            alone.append(f"{name} = {new} alone is untried")
        else:
            point = known[-1]
            verdict = "could not run" if point.gain is None else "was worse" if point.worse else "was no worse"
            alone.append(f"{name} = {new} alone {verdict} in run {point.run}")
    brought = "could not run" if evidence.failed else "have no result"
    if evidence.gain is not None:
        brought = (
            f"cost {-evidence.gain:.4g}" if evidence.gain < 0 else f"gained {evidence.gain:.4g}, which was not kept"
        )
    return f"{names} together {brought}; {', '.join(alone)}"


def _onward(name: str, old: Value, new: Value, evidence: Evidence, history: History, constant: Constant | None) -> str:
    won = f"{evidence.gain:.4g}" if evidence.gain is not None else "nothing measured"
    if not (is_number(old) and is_number(new)):
        return f"{name} = {new} gained {won} over {old}: build on it, and try its other values again later"
    rising = _number(new) > _number(old)
    steps, start = 0, old
    for item in reversed(history.of(name)):
        if not item.kept or item.only != name:
            continue
        before, after = item.changes[name]
        if not (is_number(before) and is_number(after)) or (_number(after) > _number(before)) != rising:
            break
        steps, start = steps + 1, before
    path = f"{'raising' if rising else 'lowering'} {name} {start}→{new} has helped"
    path += f" {steps} times in a row" if steps > 1 else ""
    text = f"{path} (last gain {won})"
    if constant is None:
        return f"{text}: go on in this direction"
    ahead = further(constant, old, new)
    if ahead == new:
        return f"{text}; the end of its range ({constant.range_text()}) is reached: turn to another constant"
    known = {point.value: point for point in history.around(name, new)}.get(ahead)
    if known is not None and known.worse:
        middle = between(constant, new, ahead)
        return f"{text}, but {ahead} was worse in run {known.run}" + (f": try {middle}" if middle is not None else "")
    return f"{text}: go on to {ahead}"


def _order(name: str, value: Value, known: Sides, constant: Constant) -> str:
    if known.below and known.above:
        low, high = known.below[0], known.above[0]
        text = f"both {low.value} and {high.value} are worse than {value}: the best {name} lies between them"
        best = best_between(constant, value, low, high)
        return f"{text}, and {value} is about it: leave it" if best is None else f"{text}; if anything, try {best}"
    worse = known.below or known.above
    if not worse:
        return f"{name} is not worse anywhere yet: vary it further"
    values = " and ".join(str(point.value) for point in reversed(worse))
    failed = " (could not run)" if worse[0].gain is None else ""
    text = f"{values} {'are' if len(worse) > 1 else 'is'} worse than {value}{failed} for {name}"
    if len(worse) > 1 and _worsening(worse):
        text += ", the more so the further"
    mirrored = other_side(constant, value, known)
    if mirrored is None:
        return f"{text}, and {value} is the end of its range: leave it"
    return f"{text}; {'above' if known.below else 'below'} {value} nothing worse is known: try {mirrored}"


def _worsening(worse: tuple[Point, ...]) -> bool:
    """Whether each value further off (the first is the nearest) lost at least as much."""
    losses = [float("inf") if point.gain is None else -point.gain for point in worse]
    return all(near <= far for near, far in pairwise(losses))


def _choices(name: str, value: Value, points: list[Point], constant: Constant | None) -> str:
    worse = [str(point.value) for point in points if point.worse]
    text = f"{' and '.join(worse)} {'are' if len(worse) > 1 else 'is'} worse than {value} for {name}"
    if constant is None:
        return f"{text}: leave it"
    tried = {point.value for point in points} | {value}
    left = [str(other) for other in constant.values if other not in tried]
    return f"{text}; untried: {', '.join(left)}" if left else f"{text}, and every value is tried: leave it at {value}"


def _number(value: Value) -> float:
    assert isinstance(value, int | float)
    return float(value)
