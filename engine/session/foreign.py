"""One line of a JSON log, ours or another writer's, as a record; generous, but it never makes anything a keep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from engine.session.loosely import as_moment, as_number, as_text
from engine.session.publicrecords import CRASH, ConfigLine, OverrideLine, ResultLine, Unreadable

_RESULT_TYPES = ("", "result", "run", "experiment")
_OURS = frozenset(ResultLine.__struct_fields__) - {"extra"} | {"type"}


class Other(msgspec.Struct, frozen=True):
    """A line of a type that is not ours, such as `hook`."""

    type: str


def read_line(line: bytes, number: int, segment: int) -> ResultLine | ConfigLine | OverrideLine | Other:
    """The record in `line`. `number` is the run a result gets that has none, `segment` the segment so far.

    A result that claims a later segment than `segment` is believed. Errors: Unreadable.
    """
    found = _object(line)
    kind = as_text(found.get("type"))
    if kind == "config":
        return _config(found)
    if kind == "override":
        return _override(found)
    if kind not in _RESULT_TYPES:
        return Other(kind)
    if not kind and not found.keys() & {"metric", "status", "run"}:
        raise Unreadable("neither a result nor a config line: it has no metric, status, run or type")
    return _result(found, number, segment)


def _object(line: bytes) -> dict[str, Any]:
    found: Any
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Slower and laxer: NaN, bytes that are no UTF-8, numbers too big.
        try:
            found = json.loads(line.decode("utf-8", "replace").strip("\ufeff\0 "))
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"not JSON: {error}") from None
    except RecursionError:
        raise Unreadable("not JSON that can be read: nested too deeply") from None
    if not isinstance(found, dict):
        raise Unreadable(f"a JSON object was expected, not {type(found).__name__}")
    return found


def _first(found: Mapping[str, Any], *names: str) -> Any:
    return next((found[name] for name in names if found.get(name) is not None), None)


def _config(found: Mapping[str, Any]) -> ConfigLine:
    return ConfigLine(
        name=as_text(found.get("name")),
        metric_name=as_text(_first(found, "metricName", "metric_name", "metric")),
        metric_unit=as_text(_first(found, "metricUnit", "metric_unit", "unit")),
        best_direction=as_text(_first(found, "bestDirection", "best_direction", "direction")) or "lower",
    )


def _override(found: Mapping[str, Any]) -> OverrideLine:
    run = as_number(found.get("run"))
    if run is None:
        raise Unreadable("an override without a run number")
    words = {name: as_text(found.get(name)) for name in ("status", "by", "reason", "commit")}
    return OverrideLine(run=int(run), **words)


def _result(found: Mapping[str, Any], number: int, segment: int) -> ResultLine:
    run, claimed = as_number(found.get("run")), as_number(found.get("segment"))
    status = as_text(found.get("status"))
    extra = {name: value for name, value in found.items() if name not in _OURS}
    metrics: dict[str, float] = {}
    given = found.get("metrics")
    for name, value in given.items() if isinstance(given, dict) else ():
        figure = as_number(value)
        if figure is None:
            extra[f"metrics.{name}"] = value
        else:
            metrics[name] = figure
    asi, trials, flags, usage = (found.get(name) for name in ("asi", "trials", "flags", "usage"))
    return ResultLine(
        run=number if run is None else int(run),
        commit=as_text(found.get("commit")),
        metric=metric_of(found.get("metric"), status),
        metrics=metrics,
        status=status,
        description=as_text(found.get("description")),
        timestamp=as_moment(found.get("timestamp")),
        segment=segment if claimed is None else max(segment, int(claimed)),
        confidence=as_number(found.get("confidence")),
        asi=_asi(asi),
        duration_s=as_number(found.get("duration_s")),
        trials=tuple(trial for trial in trials if isinstance(trial, dict)) if isinstance(trials, list) else (),
        flags=tuple(map(as_text, flags)) if isinstance(flags, list) else (),
        group=as_text(found.get("group")),
        usage={k: v for k, v in ((k, as_number(v)) for k, v in usage.items()) if v is not None}
        if isinstance(usage, dict)
        else {},
        extra=extra,
    )


def metric_of(value: Any, status: str) -> float:
    """The primary metric of a result; 0 for a crash whatever stands there. Errors: Unreadable, for no finite number."""
    if status == CRASH:
        return 0.0
    figure = as_number(value)
    if figure is None:
        raise Unreadable(f"the metric of a {status or 'result'} must be a finite number, not {value!r}")
    return figure


def _asi(found: Any) -> dict[str, str]:
    if isinstance(found, dict):
        return {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in found.items()
            if value is not None
        }
    return {"note": as_text(found)} if found else {}
