"""The growth search's rounds and candidates as rows of tables: cells, sort values, what a filter looks in. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from engine.session.growing import Candidate, Round
from engine.session.inert import inert
from tui.fitting import signed
from tui.runs import Run
from tui.table.source import Column

WIDE, MIDDLE = 120, 96
"""Columns of a screen from which on the rounds tell more than what was taken, and names have more room."""
COSTS = {"params": "params", "vram": "MB", "iter": "ms"}
"""A cost's heading, and its unit in a sentence."""
SORTS = ("", "efficiency", "delta", "score", "cost", "spread", "param")
"""What sorting goes through; "" is the order in which the candidates are tried."""
LONGER = "max_iters_increased_to_"
"""What a round's action begins with where the training became longer."""

_GLYPHS = {"waiting": "○", "running": "▶", "done": "·", "crash": "×", "left_out": "!"}
_STYLES = {"waiting": "dim", "running": "running", "crash": "crash", "left_out": "warn"}
_WORDS = {"left_out": "left out", "done": "measured"}


class Numbered(NamedTuple):
    """A round and its place among the search's; a log may have two of one number."""

    place: int
    round: Round


class Tried(NamedTuple):
    """A candidate, its place in the round, and whether it was taken."""

    place: int
    candidate: Candidate
    taken: bool


def numbered(rounds: tuple[Round, ...]) -> list[Numbered]:
    """The rounds as records of a table."""
    return [Numbered(place, found) for place, found in enumerate(rounds)]


def tried(found: Round) -> list[Tried]:
    """A round's candidates as records of a table; of two with the chosen key the first was taken."""
    picked = found.picked
    return [Tried(place, one, one is picked) for place, one in enumerate(found.candidates)]


def round_columns(wide: bool) -> tuple[Column, ...]:
    """The rounds' columns."""
    short = (Column("round", "#", least=3), Column("taken", "taken", least=6, stretch=True))
    figures = (Column("tried", "tried", least=5, right=True), Column("gain", "Δ score", least=8, right=True))
    return (*short, *figures) if wide else short


def round_cells(one: Numbered, wide: bool) -> tuple[Run, ...]:
    """A round's row."""
    glyph, words, names = _came_to(one.round)
    short = ((f"{glyph} {one.round.number}", names), (words, names))
    if not wide:
        return short
    picked, count = one.round.picked, len(one.round.candidates)
    return (*short, (f"{one.round.tried}/{count}" if count else "", ""), (delta_text(picked), "good" if picked else ""))


def _came_to(found: Round) -> tuple[str, str, str]:
    """A round's glyph, what came of it in few words, and a style's name."""
    if found.open:
        return "▶", f"{found.tried} of {len(found.candidates)}", "running"
    if found.chosen:
        return "●", inert(found.chosen), "keep"
    if found.action.startswith(LONGER):
        return "↑", f"longer: {inert(found.action.removeprefix(LONGER))}", ""
    if not found.candidates:
        return "○", inert(found.action) or "baseline", "dim"
    return "■", "none helped", "warn"


def columns(cost: str, width: int) -> tuple[Column, ...]:
    """The candidates' columns for a search that counts `cost`, on a screen of this width."""
    paid, wide = COSTS.get(cost, "params"), width >= WIDE
    return (
        Column("param", "param", least=9, most=30 if wide else 14 if width >= MIDDLE else 9),
        Column("value", "value", least=5, right=True, most=20 if wide else 9),
        Column("score", "score", least=7, right=True),
        Column("delta", "Δ score", least=8, right=True),
        Column("cost", paid, least=7, right=True),
        Column("efficiency", "efficiency" if wide else "effic.", least=11 if wide else 8, right=True),
        Column("spread", "spread", least=7, right=True),
        Column("more", f"Δ {paid}", least=7, right=True),
        Column("loss", "loss", least=6, right=True),
        Column("run", "run", least=4, right=True),
        Column("status", "status", least=8, stretch=True),
    )


def cells(one: Tried, cost: str) -> tuple[Run, ...]:
    """A candidate's row."""
    found = one.candidate
    names = style(one)
    faint = "" if one.taken or found.helps else "dim"
    tone = "good" if found.delta_score > 0 else faint
    measured = found.measured
    return (
        (f"{glyph(one)} {inert(found.param)}", names),
        (value_text(found), faint),
        (score_text(measured.score if measured else math.nan), faint),
        (delta_text(found), tone),
        (cost_text(cost, measured.cost(cost) if measured else math.nan), faint),
        (efficiency_text(found.efficiency), tone),
        (score_text(measured.spread) if measured and len(measured.seeds) > 1 else "", faint),
        (cost_text(cost, found.delta_cost, sign=True), faint),
        (f"{measured.loss:.4f}" if measured and math.isfinite(measured.loss) else "", faint),
        (str(found.run) if found.run is not None else "", faint),
        (status_text(one), names or faint),
    )


def glyph(one: Tried) -> str:
    """● taken, ▶ under way, ○ still to come, · measured, × crashed, ! measured and left out."""
    return "●" if one.taken else _GLYPHS.get(one.candidate.status, "?")


def style(one: Tried) -> str:
    """The named style of what became of it."""
    found = one.candidate
    return "keep" if one.taken else _STYLES.get(found.status, "" if found.helps else "dim")


def status_text(one: Tried) -> str:
    """What became of it, and why it was left out."""
    found = one.candidate
    words = "taken" if one.taken else _WORDS.get(found.status, found.status)
    return inert(f"{words}: {found.note}" if found.note else words)


def value_text(found: Candidate) -> str:
    """The value; of a layer's copy how many layers there are then, and of which one: `3 ←1`."""
    if isinstance(found.value, dict):
        layers, copied = found.value.get("new_layers"), found.value.get("dup")
        if layers is not None and copied is not None:
            return f"{layers} ←{copied}"
        return inert(" ".join(f"{name}={value}" for name, value in found.value.items()))
    return f"{found.value:.6g}" if isinstance(found.value, float) else inert(str(found.value))


def score_text(score: float) -> str:
    """A score, or a difference of two without its sign; "" for none."""
    return f"{score:.5f}" if math.isfinite(score) else ""


def delta_text(found: Candidate | None) -> str:
    """Its Δscore with the sign; "" where there is none."""
    return signed(found.delta_score, 5) if found is not None and math.isfinite(found.delta_score) else ""


def cost_text(cost: str, value: float, *, sign: bool = False) -> str:
    """A cost in its column's unit: parameters as 1.049M, MB and ms as they are; "" for none."""
    if not math.isfinite(value):
        return ""
    plus = "+" if sign and value >= 0 else ""
    if cost != "params":
        return f"{plus}{value:.1f}" if cost == "vram" else f"{plus}{value:.2f}"
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{plus}{value / size:.4g}{unit}"
    return f"{plus}{value:.0f}"


def efficiency_text(efficiency: float) -> str:
    """Δscore per unit of cost; ∞ where the cost did not rise, "" where there is none."""
    if math.isnan(efficiency):
        return ""
    return "∞" if efficiency == math.inf else f"{efficiency:.3g}"


def sort_value(one: Tried, column: str, cost: str) -> object:
    """What a column sorts by; None where there is nothing. Equally efficient ones by Δscore, as the search ranks."""
    found, measured = one.candidate, one.candidate.measured
    if column == "param":
        return found.param.casefold()
    if column == "efficiency":
        return None if math.isnan(found.efficiency) else (found.efficiency, found.delta_score)
    if column == "delta":
        return None if math.isnan(found.delta_score) else found.delta_score
    if measured is None:
        return None
    value = {"score": measured.score, "spread": measured.spread, "cost": measured.cost(cost)}.get(column, math.nan)
    return None if math.isnan(value) else value


def text(one: Tried) -> str:
    """What a filter looks in."""
    return f"{one.candidate.key} {one.candidate.param} {status_text(one)}"
