"""The experiments as rows of a table: cells, what they are sorted by, and what a filter looks in. Pure."""

from __future__ import annotations

from engine.session.inert import inert
from engine.session.state import Experiment, State
from tui import model
from tui.fitting import signed
from tui.runs import Run
from tui.table.source import Column

COLUMNS = (
    Column("run", "run", least=5, right=True),
    Column("commit", "commit", least=7),
    Column("metric", "result", least=8, right=True),
    Column("change", "change", least=9, right=True),
    Column("vram", "VRAM", least=5, right=True),
    Column("mfu", "MFU", least=5, right=True),
    Column("status", "status", least=11, most=22),
    Column("description", "description", least=16, stretch=True),
)
SORTS = ("", "metric", "change", "vram", "mfu", "status")
"""What `look.sort` goes through; "" is the order of the runs."""

_GLYPHS = {"keep": "●", "discard": "·", "crash": "×", "checks_failed": "!"}


_ROOM_FOR = {"commit": 92, "mfu": 84, "vram": 74}  # widths from which they stand in their place


def columns(metric_name: str, width: int) -> tuple[Column, ...]:
    """The columns for a table of this width, the result's named after the metric.

    Where there is little room some go behind the description, to be scrolled to.
    """
    named = [column._replace(title=metric_name[:12]) if column.id == "metric" else column for column in COLUMNS]
    behind = [column._replace(behind=True) for column in named if width < _ROOM_FOR.get(column.id, 0)]
    return (*(column for column in named if width >= _ROOM_FOR.get(column.id, 0)), *behind)


def glyph(state: State, experiment: Experiment, *, engine: bool = True) -> str:
    """★ the champion, ● kept, · discarded, × crashed, ! checks failed, ▶ under way, ? anything else.

    `engine`: whether there is one; without it nothing is under way.
    """
    champion = state.champion
    if champion is not None and champion.run == experiment.run:
        return "★"
    if not experiment.status:
        return "▶" if engine else "?"
    return _GLYPHS.get(experiment.status, "?")


def style(state: State, experiment: Experiment, *, engine: bool = True) -> str:
    """The named style of the row's state."""
    mark = glyph(state, experiment, engine=engine)
    if mark in "★▶":
        return "champion" if mark == "★" else "running"
    return experiment.status if experiment.status in _GLYPHS else "warn"


def status_cell(experiment: Experiment, *, engine: bool = True) -> str:
    """The status in words, with whose decision it is and whether its claim was doubted."""
    if not experiment.status:
        under_way = "running" if engine else "engine gone"
        return under_way if experiment.phase != "ended" else "–"
    words = model.status_words(experiment)
    if experiment.overridden_by:
        words += f" (by {experiment.overridden_by})"
    return words + (" ⚑" if experiment.flags else "")


def cells(state: State, experiment: Experiment, *, engine: bool = True) -> dict[str, Run]:
    """One row, by the columns' ids."""
    names = style(state, experiment, engine=engine)
    faint = "dim" if experiment.status in ("discard", "crash", "checks_failed") else ""
    change = model.step_gain(state, experiment)
    vram, mfu = model.vram_mb(experiment.metrics), model.mfu(experiment.metrics)
    lower = model.direction_of(state, experiment) == "lower"
    return {
        "run": (f"{glyph(state, experiment, engine=engine)}{experiment.run:>4}", names),
        "commit": (experiment.commit[:7] or "–", "dim"),
        "metric": (f"{experiment.metric:.6f}" if experiment.metric is not None else "–", faint or names),
        "change": _change(change, lower, faint),
        "vram": (f"{vram / 1000:.1f}G" if vram else "–", "dim"),
        "mfu": (f"{mfu:.1f}%" if mfu else "–", "dim"),
        "status": (inert(status_cell(experiment, engine=engine)), names),
        "description": (inert(experiment.description or experiment.failed or "…"), faint),
    }


def _change(change: float | None, lower: bool, faint: str) -> Run:
    if change is None:
        return ("–", "dim")
    raw = -change if lower else change
    return (signed(raw), faint or ("good" if change > 0 else "bad" if change < 0 else ""))


def sort_value(state: State, experiment: Experiment, column: str) -> object:
    """What a column is ordered by: better results first when ascending."""
    if column == "run":
        return experiment.run
    if column == "metric":
        if experiment.metric is None:
            return None
        return experiment.metric if model.direction_of(state, experiment) == "lower" else -experiment.metric
    if column == "change":
        change = model.step_gain(state, experiment)
        return None if change is None else -change
    if column == "vram":
        return model.vram_mb(experiment.metrics)
    if column == "mfu":
        mfu = model.mfu(experiment.metrics)
        return None if mfu is None else -mfu
    return experiment.status or None


def text(experiment: Experiment, *, engine: bool = True) -> str:
    """What `/` looks in: number, commit, status, description, parameters, flags, group."""
    params = " ".join(experiment.params)
    return " ".join(
        (
            str(experiment.run), experiment.commit[:12], status_cell(experiment, engine=engine), experiment.description,
            params, " ".join(experiment.flags), experiment.group,
        )
    )  # fmt: skip
