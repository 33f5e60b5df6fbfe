"""The records of the public log, and what reading one brings."""

from __future__ import annotations

from typing import Any

import msgspec

KEEP, DISCARD, CRASH, CHECKS_FAILED = STATUSES = ("keep", "discard", "crash", "checks_failed")
DIRECTIONS = ("lower", "higher")


class ConfigLine(msgspec.Struct, frozen=True):
    """Opens a segment: what is measured, in which unit, and which way is better ("lower", "higher"; "" in a table)."""

    name: str
    metric_name: str
    metric_unit: str = ""
    best_direction: str = "lower"


class ResultLine(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment. `metric` is 0 for a crash; `timestamp` whole unix seconds, 0 when the log has none.

    Read from other writers' logs, `status` may be any word ("" for none), `commit` empty or a word, and `extra` holds
    what fits nowhere else; `extra` is never written.
    """

    run: int
    commit: str
    metric: float
    metrics: dict[str, float] = {}
    status: str
    description: str
    timestamp: int = 0
    segment: int = 0
    confidence: float | None = None
    asi: dict[str, str] = {}
    duration_s: float | None = None
    trials: tuple[dict[str, Any], ...] = ()
    flags: tuple[str, ...] = ()
    group: str = ""
    usage: dict[str, float] = {}
    extra: dict[str, Any] = {}


class OverrideLine(msgspec.Struct, frozen=True):
    """A later decision about `run`: its status from here on."""

    run: int
    status: str
    by: str
    reason: str = ""
    commit: str = ""


class Problem(msgspec.Struct, frozen=True):
    """A line that could not be read: its number (from 1), how it begins (raw text), and why."""

    line_number: int
    excerpt: str
    why: str


class LogReading(msgspec.Struct):
    """All that a log holds, in the file's order. Segments are counted by its config lines.

    `configs` maps a segment to its last config line. `unknown` counts lines of types that are not ours (`hook`).
    `torn` is the number of a last line that a crash left unfinished; it is no problem.
    """

    results: list[ResultLine] = []
    configs: dict[int, ConfigLine] = {}
    overrides: list[OverrideLine] = []
    problems: list[Problem] = []
    unknown: dict[str, int] = {}
    torn: int | None = None

    @property
    def segment(self) -> int:
        """The last segment."""
        return max([0, *self.configs, *(result.segment for result in self.results[-1:])])


class Unreadable(ValueError):
    """A line is no record; the message says why. Never leaves the readers."""


def excerpt(line: str) -> str:
    """How a line begins, for a Problem."""
    return line if len(line) <= 80 else line[:79] + "…"
