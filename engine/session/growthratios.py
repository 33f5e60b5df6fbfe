"""How a grown model's sizes went with its width: a power law through the path taken, with its error. Pure."""

import math
from collections.abc import Iterable, Mapping
from statistics import fmean

import msgspec

from engine.session.growing import Growth
from engine.session.growthlog import plain

WIDTHS = ("N_EMBD", "n_embd", "WIDTH", "width", "D_MODEL", "d_model")
"""What a width may be called; the first that is there."""
SIZES = ("MLP_WIDTH", "mlp_size", "N_HEAD", "n_head", "N_KV_HEAD", "n_kv_group", "DEPTH", "n_layer")
LEAST = 3
"""Points that a fit needs: with two there is no error."""


class Fit(msgspec.Struct, frozen=True):
    """`size` = c · `width`^`exponent` ± `error` (one standard error), through `points` baselines of the path.

    `first` and `last` are size/width at both ends. Least squares of log size on log width; the error is the slope's,
    s/√Sxx with s² the residuals' variance on points - 2 degrees of freedom.
    """

    size: str
    width: str
    exponent: float
    error: float
    points: int
    first: float
    last: float


def baselines(growth: Growth) -> list[Mapping[str, object]]:
    """The settings of each baseline in turn: where the search began and after each choice."""
    found: list[Mapping[str, object]] = []
    for one in growth.rounds:
        for config in (one.before, one.config if one.chosen or not found else {}):
            if config and (not found or dict(found[-1]) != dict(config)):
                found.append(config)
    return found


def fits(growth: Growth) -> list[Fit]:
    """A fit for each size that can be told: it and the width are above 0 on the whole path, and the width grew."""
    path = baselines(growth)
    width = next((name for name in WIDTHS if path and all(_number(one, name) for one in path)), "")
    found = []
    for size in SIZES if width else ():
        pairs = [(_number(one, width), _number(one, size)) for one in path]
        told = [(x, y) for x, y in pairs if x and y]
        if len(told) == len(path) >= LEAST and len({x for x, _ in told}) > 1:
            exponent, error = slope([(math.log(x), math.log(y)) for x, y in told])
            first, last = told[0][1] / told[0][0], told[-1][1] / told[-1][0]
            found.append(Fit(size, width, exponent, error, len(told), first, last))
    return found


def slope(points: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Slope of the least squares line through at least three (x, y), and its standard error."""
    those = list(points)
    mx, my = fmean(x for x, _ in those), fmean(y for _, y in those)
    sxx = math.fsum((x - mx) ** 2 for x, _ in those)
    found = math.fsum((x - mx) * (y - my) for x, y in those) / sxx
    residuals = math.fsum((y - my - found * (x - mx)) ** 2 for x, y in those)
    return found, math.sqrt(residuals / (len(those) - 2) / sxx)


def lines(growth: Growth) -> list[str]:
    """The fits in words, one a line, for a journal; what cannot be told yet is said."""
    found = fits(growth)
    if not found:
        return [f"Ratios: not told; a fit needs {LEAST} baselines between which the width grew."]
    return [
        f"{fit.size} ∝ {fit.width}^{fit.exponent:.2f} ± {fit.error:.2f} over {fit.points} baselines;"
        f" {fit.size}/{fit.width} went from {fit.first:.3g} to {fit.last:.3g}"
        for fit in found
    ]


def _number(config: Mapping[str, object], name: str) -> float:
    value = plain(config.get(name))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0.0
