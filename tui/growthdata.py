"""What the growth screen says and draws: the search's progress, a round, a candidate, the path taken. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.session.growing import Candidate, Growth, Measured, Round
from engine.session.inert import inert
from tui.braille import bar, path_plot
from tui.growthrows import COSTS, LONGER, Tried, cost_text, glyph, score_text, status_text, style
from tui.runs import Line
from tui.series import Point

_BAR = 8
_MOST = 1e30  # a file may hold any figure; the room around a greater one could not be reckoned with
_UNITS = {"vram": (1.0, "peak MB"), "iter": (1.0, "ms a step")}


def standing(growth: Growth, doing: Line) -> Line:
    """How the search stands: the round under way with its share, or why it is over. `doing`: what is done just now."""
    last = growth.rounds[-1] if growth.rounds else None
    if last is not None and last.open:
        count = len(last.candidates)
        share = last.tried / count if count else 0.0
        line: Line = [("▶ ", "running"), (f"round {last.number}  ", "strong"), (bar(share, _BAR), "running")]
        line.append((f"  {last.tried} of {count}", ""))
        running = next((one for one in last.candidates if one.status == "running"), None)
        line += [(f" · {inert(running.key)}", "strong")] if running else []
        return [*line, *_after(doing)]
    if growth.stop:
        return [("■ ", "dim"), ("the search is over: ", ""), (inert(growth.stop), "strong"), *_after(doing)]
    if last is None:
        return [("○ ", "dim"), ("no round yet", "dim"), *_after(doing)]
    return [("○ ", "dim"), (f"round {last.number} is over", ""), *_after(doing)]


def _after(doing: Line) -> Line:
    return [(" · ", "dim"), *doing] if doing else []


def gained(growth: Growth) -> Line:
    """From the first baseline to the last one: score, and cost."""
    path = [point for point in growth.path() if all(map(math.isfinite, point))]
    if not path:
        return []
    (paid, began), (costs, scores) = path[0], path[-1]
    first, last = cost_text(growth.cost, paid), cost_text(growth.cost, costs)
    unit = COSTS.get(growth.cost, "")
    if len(path) == 1:
        return [(f"score {score_text(scores)} at {last} {unit}", "strong")]
    return [(f"score {score_text(began)}→{score_text(scores)} at {first}→{last} {unit}", "strong")]


def about_round(found: Round | None) -> Line:
    """One line about a round."""
    if found is None:
        return [("no round is selected", "dim")]
    line: Line = [(f"round {found.number}", "title"), (f" by {found.cost}", "dim")]
    base = found.baseline
    if base is not None:
        paid = cost_text(found.cost, base.cost(found.cost))
        line.append((f" · baseline score {score_text(base.score) or '–'} at {paid or '–'}", ""))
    if found.action.startswith(LONGER):
        line.append((f" · nothing helped: from now on {inert(found.action.removeprefix(LONGER))} of training", "warn"))
    elif found.action:
        line.append((f" · {inert(found.action)}", "warn"))
    reason = found.reason.removeprefix(f"round {found.number}: ")
    if reason or found.chosen:
        line.append((f" · {inert(reason or found.chosen)}", "keep" if found.chosen else ""))
    return line


def about_candidate(one: Tried | None) -> Line:
    """One line about a candidate: its whole key, what became of it, its seeds' scores and its sizes."""
    if one is None:
        return []
    found, measured = one.candidate, one.candidate.measured
    line: Line = [(f"{glyph(one)} {inert(found.key)}", style(one) or "strong"), (f" {status_text(one)}", "dim")]
    if measured is None:
        return line
    if len(measured.seeds) > 1:
        line.append((" · seeds " + " ".join(f"{seed.seed}:{score_text(seed.score)}" for seed in measured.seeds), ""))
    return [*line, (" · " + ", ".join(_sizes(measured)), "")]


def _sizes(measured: Measured) -> list[str]:
    sizes = [f"{text} {unit}" for cost, unit in COSTS.items() if (text := cost_text(cost, measured.cost(cost)))]
    return [*sizes, f"{measured.steps:.0f} steps"] if measured.steps > 0 else sizes


def chart(growth: Growth, shown: Round | None, here: Candidate | None, width: int, height: int) -> list[Line]:
    """Score against cost: the path taken, the candidates of the round shown, and the one under the cursor."""
    path = [Point(cost, score) for cost, score in growth.path()]
    beside = [one.measured for one in shown.candidates if one.status == "done"] if shown else []
    others = [Point(one.cost(growth.cost), one.score) for one in beside if one is not None]
    measured = here.measured if here else None
    place = Point(measured.cost(growth.cost), measured.score) if measured else None
    costs = [point.x for point in (*path, *others) if abs(point.x) < _MOST]
    if not costs:
        return [[("nothing is measured yet", "dim")]]
    size, title = _UNITS.get(growth.cost) or ((1e6, "M params") if max(costs) >= 1e6 else (1e3, "k params"))
    return path_plot(
        _scaled(path, size),
        _scaled(others, size),
        width,
        height,
        here=next(iter(_scaled([place], size)), None) if place else None,
        x_title=title,
        y_title="score",
    )


def _scaled(points: Sequence[Point], size: float) -> list[Point]:
    return [Point(x / size, y) for x, y in points if abs(x) < _MOST and abs(y) < _MOST]


LEGEND: Line = [("━● taken", "best"), ("  + this round's", ""), ("  ◆ the row's", "running")]
