"""`results.tsv`: a header, then one experiment a line between tabs; any columns; a commit may be empty or a word."""

from __future__ import annotations

import re

from engine.session.foreign import metric_of
from engine.session.loosely import as_moment, as_number
from engine.session.publicrecords import ConfigLine, LogReading, Problem, ResultLine, Unreadable, excerpt

STANDARD = ("commit", "val_bpb", "memory_gb", "status", "description")

# What a column is, by the names seen in the wild; the first that is there counts.
_NAMES = {
    "run": ("run", "#", "exp", "experiment", "iter", "iteration", "id"),
    "commit": ("commit", "hash", "sha", "commit_hash"),
    "status": ("status", "decision", "verdict", "outcome", "result"),
    "description": ("description", "desc", "change", "idea", "hypothesis", "notes", "note"),
    "timestamp": ("timestamp", "time", "date", "datetime"),
}
_METRICS = ("val_bpb", "metric", "score", "val_loss")


def read_tsv(text: str, metric: str = "") -> LogReading:
    """All rows of `text`; never raises. Fewer fields than columns, or no number for a metric but in a crash: a Problem.

    `metric` names the primary column; else it is `val_bpb`, `metric`, `score`, a `val_…` column, or the first after the
    commit. Runs are numbered by row where no column does. Which way is better is "" unless the metric's name tells.
    """
    reading = LogReading()
    columns: list[str] = []
    roles: dict[str, int] = {}
    lines = text.removeprefix("\ufeff").split("\n")
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\r")
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("\t")]
        if not columns:
            header = not any(as_number(field) is not None for field in fields)
            columns = fields if header else list(STANDARD[: len(fields)])
            roles = _roles(columns, metric)
            reading.configs[0] = _config(columns[roles["metric"]] if "metric" in roles else "")
            if header:
                continue
        try:
            reading.results.append(_row(fields, columns, roles, len(reading.results) + 1))
        except Unreadable as error:
            if number == len(lines) and len(fields) < len(columns):  # no newline behind it
                reading.torn = number
            else:
                reading.problems.append(Problem(number, excerpt(line), str(error)))
    return reading


def _roles(columns: list[str], metric: str) -> dict[str, int]:
    folded = [column.lower() for column in columns]
    roles = {
        role: folded.index(name)
        for role, names in _NAMES.items()
        for name in [next((n for n in names if n in folded), None)]
        if name is not None
    }
    candidates = [metric.lower(), *_METRICS, *(c for c in folded if re.match(r"val_|.*_bpb$", c))]
    taken = set(roles.values())
    after = roles.get("commit", -1) + 1
    free = [i for i in range(after, len(columns)) if i not in taken]
    found = next((folded.index(c) for c in candidates if c in folded), free[0] if free else None)
    if found is not None:
        roles["metric"] = found
    return roles


def _config(metric: str) -> ConfigLine:
    falls = re.search(r"bpb|loss|rmse|mae|mse|perplexity|ppl", metric.lower())
    return ConfigLine(name="", metric_name=metric, best_direction="lower" if falls else "")


def _row(fields: list[str], columns: list[str], roles: dict[str, int], number: int) -> ResultLine:
    if len(fields) < len(columns):
        needed = max((roles[role] for role in ("metric", "status") if role in roles), default=0)
        if len(fields) <= needed:
            raise Unreadable(f"{len(fields)} fields between tabs, {len(columns)} columns in the header")
    if len(fields) > len(columns):  # tabs in the last column, which is prose
        fields = [*fields[: len(columns) - 1], " ".join(fields[len(columns) - 1 :])]

    def cell(role: str) -> str:
        index = roles.get(role)
        return fields[index] if index is not None and index < len(fields) else ""

    metrics: dict[str, float] = {}
    extra: dict[str, str] = {}
    for index, (column, field) in enumerate(zip(columns, fields, strict=False)):
        if index in roles.values() or not field:
            continue
        figure = as_number(field)
        if figure is None:
            extra[column] = field
        else:
            metrics[column] = figure
    run = as_number(cell("run"))
    return ResultLine(
        run=number if run is None else int(run),
        commit=cell("commit"),
        metric=metric_of(cell("metric"), cell("status")),
        metrics=metrics,
        status=cell("status"),
        description=cell("description"),
        timestamp=as_moment(cell("timestamp")),
        extra=extra,
    )
