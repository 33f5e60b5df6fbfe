"""What a decided experiment teaches: its result in words, and the step that follows from all data of its constants."""

from itertools import pairwise

from engine.researchers.search.history import Evidence, History, Point, changes_of, interrupted
from engine.researchers.search.space import Constant, Space
from engine.researchers.search.steps import NEAR, apart, between, further, position
from engine.researchers.search.values import Value, is_number
from engine.session.settings import Metric
from engine.session.state import Experiment, gain


def result_text(experiment: Experiment, champion: Experiment | None, metric: Metric) -> str:
    """The result against the champion it stood against, with the figures."""
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
    if constant is not None and position(constant, old) is not None:
        return _sides(name, old, points, constant)
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
    brought = "could not run" if evidence.gain is None else f"cost {-evidence.gain:.4g}"
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


def _sides(name: str, value: Value, points: list[Point], constant: Constant) -> str:
    here = position(constant, value) or 0.0
    placed = [(place - here, point) for point in points if (place := position(constant, point.value)) is not None]
    below = sorted((pair for pair in placed if pair[0] < 0 and pair[1].worse), key=lambda pair: -pair[0])
    above = sorted((pair for pair in placed if pair[0] > 0 and pair[1].worse), key=lambda pair: pair[0])
    if below and above:
        low, high = below[0][1], above[0][1]
        text = f"both {low.value} and {high.value} are worse than {value}: the best {name} lies between them"
        closer = min(low, high, key=lambda point: float("inf") if point.gain is None else -point.gain)
        middle = between(constant, value, closer.value)
        if middle is None or apart(constant, middle, value) < NEAR:
            return f"{text}, and nothing is left to tell apart: leave it at {value}"
        return f"{text}; if anything, try {middle}, on the side that lost less"
    known = below or above
    if not known:
        return f"{name} is not worse anywhere yet: vary it further"
    values = " and ".join(str(point.value) for _, point in reversed(known))
    nearest = known[0][1]
    failed = " (could not run)" if nearest.gain is None else ""
    verb = "are" if len(known) > 1 else "is"
    side = "above" if below else "below"
    text = f"{values} {verb} worse than {value}{failed} for {name}"
    if len(known) > 1 and _worsening(known):
        text += ", the more so the further"
    mirrored = further(constant, nearest.value, value)
    if mirrored == value:
        return f"{text}, and {value} is the end of its range: leave it"
    return f"{text}; {side} {value} nothing worse is known: try {mirrored}"


def _worsening(known: list[tuple[float, Point]]) -> bool:
    """Whether each value further off (the list begins with the nearest) lost at least as much."""
    losses = [float("inf") if point.gain is None else -point.gain for _, point in known]
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
