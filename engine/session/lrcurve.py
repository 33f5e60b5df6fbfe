"""A learning-rate range test (Smith 2017): what the curve of loss against an exponentially rising rate says. Pure.

Only the standard library: the process that trains loads this file by its path, to know when to stop.
"""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

SETTLE = 5
"""Points before divergence is looked for: the mean of the first ones is where the loss starts."""
FEWEST = 12
"""Points below which nothing is suggested."""
FADE = 0.8
"""Of the running mean by which divergence is seen."""
CLEAR = 4.0
"""Standard errors that the fall and the steepest slope must exceed, or the curve is too noisy to tell."""
APART = 5.0
"""Two seeds whose suggestions differ by more than this factor do not agree."""

MEANINGS = {
    "steepest": "where the loss falls fastest; a careful choice",
    "minimum": "a tenth of the rate with the lowest loss, which is itself too near to divergence",
    "valley": "the middle of the longest fall; the least moved by noise",
    "bold": "midway from the steepest fall to the lowest loss; for short trainings from scratch",
}


def ceiling(start: float, best: float) -> float:
    """The loss above which training has diverged: a little above where it began."""
    return best + 1.1 * max(start - best, 0.1 * abs(start), 1e-12)


class Diverging:
    """Told each loss in turn; says when the running mean is above the ceiling."""

    def __init__(self) -> None:
        self._seen = 0
        self._mean = self._start = 0.0
        self._best = math.inf

    def now(self, loss: float) -> bool:
        """Take the next loss in; whether training has diverged."""
        if not math.isfinite(loss):
            return True
        self._seen += 1
        self._mean = FADE * self._mean + (1 - FADE) * loss
        mean = self._mean / (1 - FADE**self._seen)
        if self._seen <= SETTLE:
            self._start += (loss - self._start) / self._seen
            self._best = self._start
            return False
        self._best = min(self._best, mean)
        return mean > ceiling(self._start, self._best)


def rates(low: float, high: float, steps: int) -> list[float]:
    """`steps` rates from `low` to `high`, each by the same factor above the one before."""
    if steps == 1:
        return [low]
    return [low * (high / low) ** (step / (steps - 1)) for step in range(steps)]


@dataclass(frozen=True)
class Sweep:
    """One seed's test: (multiple of the present rates, loss after a step with it). `ended`: range, diverged, stopped"""

    seed: int
    points: tuple[tuple[float, float], ...]
    ended: str = "range"


def against(raised: Sweep, control: Sweep) -> Sweep:
    """`raised` with what the other groups learnt meanwhile taken out.

    Where one group's rate rises and the others train on, most of the fall is theirs. `control` is the same seed with
    that group at its lowest rate; it saw the same batches, so that their noise cancels too. A loss becomes what it is
    less than the control's, counted from the control's last losses.
    """
    pairs = list(zip(raised.points, control.points, strict=False))
    last = [loss for _, (_, loss) in pairs[-max(SETTLE, len(pairs) // 10) :]]
    base = statistics.fmean(last) if last else 0.0
    return Sweep(raised.seed, tuple((x, base + loss - other) for (x, loss), (_, other) in pairs), raised.ended)


@dataclass(frozen=True)
class Suggestion:
    """`at` is a multiple of the present rates; `low` and `high` are what single seeds say (`at` with one seed)."""

    name: str
    at: float
    low: float
    high: float

    @property
    def title(self) -> str:
        """What it is called for people."""
        return "minimum/10" if self.name == "minimum" else self.name

    @property
    def meaning(self) -> str:
        """What it is."""
        return MEANINGS[self.name]


@dataclass(frozen=True)
class Reading:
    """What the test says. `curve` is (multiple, mean of the seeds' losses, smoothed loss); `noise` one loss's sd.

    `clear`: the curve's shape stands out from the noise. `lowest` is the multiple with the lowest smoothed loss,
    `edge` the last one before divergence (None: it was not reached). `warnings` are for the operator.
    """

    curve: tuple[tuple[float, float, float], ...] = ()
    noise: float = 0.0
    suggestions: tuple[Suggestion, ...] = ()
    clear: bool = False
    lowest: float | None = None
    edge: float | None = None
    warnings: tuple[str, ...] = field(default=())

    def suggestion(self, name: str) -> Suggestion | None:
        """The one of that name."""
        return next((one for one in self.suggestions if one.name == name), None)


def read(sweeps: Sequence[Sweep]) -> Reading:
    """Average the seeds over the multiples that all of them reached, smooth, and suggest."""
    points = mean_points(sweeps)
    if len(points) < FEWEST:
        why = f"only {len(points)} points before the end, {FEWEST} are needed: lower --min, or raise --steps"
        return Reading(curve=tuple((x, y, y) for x, y in points), warnings=(why,))
    shape = _shape(points)
    alone = [_shape(part) for sweep in sweeps if len(part := _finite(sweep)) >= FEWEST] or [shape]
    suggestions = tuple(
        Suggestion(name, at, min(each.suggested[name] for each in alone), max(each.suggested[name] for each in alone))
        for name, at in shape.suggested.items()
    )
    diverged = any(sweep.ended == "diverged" for sweep in sweeps)
    warnings = _warnings(shape, suggestions, diverged)
    if any(sweep.ended == "stopped" for sweep in sweeps):
        warnings += (f"train.py ended by itself after {len(points)} rates; the job's run.log says why",)
    curve = tuple((x, y, s) for (x, y), s in zip(points, shape.smooth, strict=True))
    edge = points[-1][0] if diverged else None
    return Reading(curve, shape.noise, suggestions, shape.clear, points[shape.minimum][0], edge, warnings)


def mean_points(sweeps: Sequence[Sweep]) -> list[tuple[float, float]]:
    """(multiple, mean loss of the seeds) as far as every seed came."""
    cut = [_finite(sweep) for sweep in sweeps]
    if not cut:
        return []
    return [(row[0][0], statistics.fmean(loss for _, loss in row)) for row in zip(*cut, strict=False)]


def _finite(sweep: Sweep) -> list[tuple[float, float]]:
    """Its points up to the first that is no number."""
    bad = next((at for at, (_, loss) in enumerate(sweep.points) if not math.isfinite(loss)), len(sweep.points))
    return list(sweep.points[:bad])


@dataclass(frozen=True)
class _Shape:
    smooth: list[float]
    noise: float
    minimum: int
    suggested: dict[str, float]
    clear: bool
    still_falls: bool
    rises_at_once: bool


def _shape(points: Sequence[tuple[float, float]]) -> _Shape:
    xs = [math.log10(x) for x, _ in points]
    ys = [y for _, y in points]
    top = ceiling(statistics.fmean(ys[:SETTLE]), min(ys))
    ys = [min(y, top) for y in ys]  # what comes after divergence would pull the fit up beside it
    width = max(2.0, len(xs) / 25)
    fits = [_fit(xs, ys, at, width) for at in range(len(xs))]
    smooth = [value for value, _, _, _ in fits]
    minimum = min(range(len(smooth)), key=smooth.__getitem__)
    noise = _noise(ys[: max(FEWEST, minimum + 1)])
    fallen = range(minimum + 1)
    steepest = min(fallen, key=lambda at: fits[at][1])
    first, last = longest_fall(smooth)
    fall = max(smooth[: minimum + 1]) - smooth[minimum]
    _, slope, of_value, of_slope = fits[steepest]
    clear = fall > max(CLEAR * of_value, 2.0) * noise and -slope > CLEAR * noise * of_slope and last > first
    suggested = {
        "steepest": points[steepest][0],
        "minimum": points[minimum][0] / 10,
        "valley": 10 ** ((xs[first] + xs[last]) / 2),
        "bold": math.sqrt(points[steepest][0] * points[minimum][0]),
    }
    edges = max(1, len(xs) // 20)
    return _Shape(smooth, noise, minimum, suggested, clear, minimum >= len(xs) - edges, minimum < edges)


def _fit(xs: Sequence[float], ys: Sequence[float], at: int, width: float) -> tuple[float, float, float, float]:
    """A straight line through the neighbours of point `at`, weighted by a Gaussian of `width` points (Cleveland 1979).

    Value and slope there, and by what the noise of one loss is to be multiplied for the standard error of each.
    """
    near = range(max(0, at - int(3 * width)), min(len(xs), at + int(3 * width) + 1))
    weights = {i: math.exp(-0.5 * ((i - at) / width) ** 2) for i in near}
    total = sum(weights.values())
    x_mean = sum(w * xs[i] for i, w in weights.items()) / total
    y_mean = sum(w * ys[i] for i, w in weights.items()) / total
    spread = sum(w * (xs[i] - x_mean) ** 2 for i, w in weights.items())
    slope = sum(w * (xs[i] - x_mean) * (ys[i] - y_mean) for i, w in weights.items()) / spread
    away = xs[at] - x_mean
    of_slope = math.sqrt(sum((w * (xs[i] - x_mean)) ** 2 for i, w in weights.items())) / spread
    of_value = math.sqrt(sum((w / total + away * w * (xs[i] - x_mean) / spread) ** 2 for i, w in weights.items()))
    return y_mean + slope * away, slope, of_value, of_slope


def _noise(ys: Sequence[float]) -> float:
    """The sd of one loss where it is largest, robustly: from how far each lies off the middle of its neighbours
    (Gasser et al. 1986), by the median of every quarter. Beside a control the lowest rates show hardly any.
    """
    off = [abs(b - (a + c) / 2) for a, b, c in zip(ys, ys[1:], ys[2:], strict=False)]
    size = max(5, len(off) // 4)
    parts = [off[at : at + size] for at in range(0, max(1, len(off) - size + 1), max(1, size // 2))]
    return 1.4826 * max(statistics.median(part) for part in parts) * math.sqrt(2 / 3)


def longest_fall(values: Sequence[float]) -> tuple[int, int]:
    """First and last place of a longest subsequence that falls strictly; n log n, by patience sorting."""
    tails: list[float] = []
    at_tail: list[int] = []
    before: list[int] = []
    for at, value in enumerate(values):
        pile = bisect.bisect_left(tails, -value)
        before.append(at_tail[pile - 1] if pile else -1)
        if pile == len(tails):
            tails.append(-value)
            at_tail.append(at)
        else:
            tails[pile], at_tail[pile] = -value, at
    last = first = at_tail[-1]
    while before[first] >= 0:
        first = before[first]
    return first, last


def _warnings(shape: _Shape, suggestions: Sequence[Suggestion], diverged: bool) -> tuple[str, ...]:
    found: list[str] = []
    if not shape.clear:
        found.append("the curve is too noisy to tell: ask again with more --seeds or --steps")
    if shape.rises_at_once:
        found.append("the loss is lowest at the first rates: lower --min")
    elif shape.still_falls and not diverged:
        found.append("the loss still falls at the highest rate, so that its minimum was not seen: raise --max")
    split = [one.name for one in suggestions if one.high > APART * one.low]
    if split:
        found.append(f"the seeds do not agree on {' and '.join(split)}: ask again with more --seeds")
    return tuple(found)
