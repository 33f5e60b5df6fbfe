"""Experiments as a table of text, as wide as the terminal."""

import shutil
import sys
from collections.abc import Sequence

import msgspec

from engine.cli import figures
from engine.cli.output import coloured, paint, safe
from engine.session.spending import COST, INPUT, OUTPUT, dollars


class Row(msgspec.Struct, frozen=True):
    """One experiment; `change` is against the champion it was tried on, None when that means nothing."""

    run: int
    commit: str
    metric: float | None
    change: float | None
    metrics: dict[str, float]
    status: str
    description: str
    champion: bool
    segment: int
    usage: dict[str, float] = {}


def draw(rows: Sequence[Row], metric: str) -> str:
    """The table. Descriptions are cut at the terminal's width; into a file or a pipe they are whole."""
    terminal = sys.stdout.isatty()
    colours = coloured(sys.stdout)
    width = shutil.get_terminal_size((100, 24)).columns if terminal else 0
    head = ("run", "commit", metric, "change", "VRAM MB", "MFU %", "used", "status", "description")
    cells = [_cells(row) for row in rows]
    columns = list(zip(head, *cells, strict=True))
    wide = [max(len(cell) for cell in column) for column in columns[:-1]]
    shown = [any(cell for cell in column[1:]) or at in (0, 2, 7) for at, column in enumerate(columns[:-1])]
    lines = [paint(_line(head, wide, shown, width), "bold", colours)]
    segment = rows[0].segment if rows else 0
    for row, texts in zip(rows, cells, strict=True):
        if row.segment != segment:
            segment = row.segment
            lines.append(paint(f"— segment {segment} —", "dim", colours))
        name = "champion" if row.champion else row.status
        lines.append(paint(_line(texts, wide, shown, width), name, colours))
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    vram, mfu = figures.vram(row.metrics), figures.mfu(row.metrics)
    return (
        f"{row.run}{'*' if row.champion else ''}",
        safe(row.commit)[:7],
        figures.metric(row.metric),
        "" if row.change is None else f"{row.change:+.6f}",
        "" if not vram else f"{vram:,.0f}",
        "" if not mfu else f"{mfu:.1f}",
        _used(row.usage),
        safe(row.status),
        safe(row.description).replace("\n", " "),
    )


def _used(usage: dict[str, float]) -> str:
    """What thinking cost, or without a price how many tokens."""
    if COST in usage:
        return dollars(usage[COST])
    tokens = usage.get(INPUT, 0.0) + usage.get(OUTPUT, 0.0)
    return f"{tokens:,.0f} tokens" if tokens else ""


def _line(cells: Sequence[str], wide: Sequence[int], shown: Sequence[bool], width: int) -> str:
    left = (1, 7)
    parts = [
        f"{cell:<{wide[at]}}" if at in left else f"{cell:>{wide[at]}}"
        for at, cell in enumerate(cells[:-1])
        if shown[at]
    ]
    line = "  ".join([*parts, cells[-1]]).rstrip()
    return line if not width or len(line) <= width else line[: width - 1] + "…"
