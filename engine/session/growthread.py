"""A growth log's YAML, ours or the public hyperparam_search.py's, as the records that the console shows."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.session.growing import Candidate, Growth, Measured, Round, Seed, score_of
from engine.session.growthlog import AGAIN, COSTS, METRICS
from engine.session.loosely import as_number

LARGEST = 256 << 20
"""Bytes of a log that is read."""
OTHERS = {
    "peak_gpu_mb": ("peak_torch_allocated_mb",),
    "delta_vram": ("delta_torch_allocated_mb",),
    "avg_loss": ("best_val_loss",),
    "loss": ("best_val_loss",),
}
"""A figure's key → what other versions of the public tool write in its place."""


class GrowthLogError(Exception):
    """The file is no growth log; the message names the file, the place and what was expected."""


def load(path: Path) -> dict[str, Any]:
    """The log as plain data, its `iterations` a list of mappings. Errors: GrowthLogError."""
    import yaml

    try:
        if path.stat().st_size > LARGEST:
            raise GrowthLogError(f"{path} has more than {LARGEST >> 20} MB; that is no growth log")
        text = path.read_text(encoding="utf-8")
        found = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError) as error:
        raise GrowthLogError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        said = getattr(error, "problem", None) or type(error).__name__
        raise GrowthLogError(f"{path}{line}: not YAML: {said}") from error
    if not isinstance(found, dict) or not isinstance(found.get("iterations"), list):
        raise GrowthLogError(f"{path}: no growth log: expected baseline_config, and iterations as a list")
    for number, entry in enumerate(found["iterations"], 1):
        if not isinstance(entry, dict) or not isinstance(entry.get("iter"), int):
            raise GrowthLogError(
                f"{path}: entry {number} of iterations has no iter; expected a whole number from -1 on"
            )
    return found


def read(path: Path) -> Growth:
    """The search in the file `path`. Errors: GrowthLogError."""
    return growth_of(load(path))


def config_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a search would go on from: those after the last iteration, without private keys."""
    after = [entry.get("baseline_config_after") for entry in found["iterations"]]
    config = next((one for one in reversed(after) if isinstance(one, dict)), found.get("baseline_config"))
    return {str(name): value for name, value in (config or {}).items() if not str(name).startswith("_")}


def growth_of(found: Mapping[str, Any]) -> Growth:
    """The records of a loaded log. What an entry does not tell is NaN; a bad entry counts as not told."""
    target = str(found.get("efficiency_target") or _target(found["iterations"]))
    target = target if target in COSTS else "params"
    rounds: list[Round] = []
    base: Measured | None = None
    for entry in found["iterations"]:
        after = _measured(entry.get("baseline_metrics"))
        if "candidates" not in entry:
            base = after
            if entry.get("action") != AGAIN:
                rounds.append(Round(entry["iter"] + 1, target, after, config=_config(entry)))
            continue
        rounds.append(_round(entry, target, base))
        base = after
    current = found.get("in_progress")
    if isinstance(current, dict) and isinstance(current.get("iter"), int):
        rounds.append(_round({**current, "chosen": None}, target, base, on=True))
    return Growth(tuple(rounds), target, str(found.get("stop_reason") or ""))


def _round(entry: Mapping[str, Any], target: str, base: Measured | None, on: bool = False) -> Round:
    those = [_candidate(_renamed(one), target) for one in _dicts(entry.get("candidates"))]
    out = _dicts(entry.get("left_out"))
    those += [_unmeasured(one, "left_out" if one.get("status") == "left_out" else "crash") for one in out]
    those += [_unmeasured(one, "waiting") for one in _dicts(entry.get("waiting"))]
    chosen = entry.get("chosen")
    key = _key(chosen) if isinstance(chosen, dict) else ""
    return Round(
        number=entry["iter"] + 1,
        cost=target,
        baseline=base,
        candidates=tuple(those),
        chosen=key,
        action=str(entry.get("action") or ""),
        reason=str(entry.get("reason") or ""),
        open=on,
        config=_config(entry),
    )


def _target(iterations: list[Any]) -> str:
    """What a log was made for, which the public tool does not write: the difference that explains the efficiencies."""
    off = dict.fromkeys(COSTS, 0)
    for entry in iterations:
        for one in map(_renamed, _dicts(entry.get("candidates"))):
            worth = _float(one.get("efficiency"))
            for target, name in COSTS.items():
                paid, gained = _float(one.get(name)), _float(one.get("delta_score"))
                fits = paid != 0 and math.isclose(worth, gained / paid, rel_tol=1e-6) if math.isfinite(worth) else True
                off[target] += not fits
    return min(off, key=lambda target: off[target])


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _renamed(one: Mapping[str, Any]) -> dict[str, Any]:
    """With what other versions of the public tool call a figure: the newest splits memory, the first has one loss."""
    found = dict(one)
    for name, others in OTHERS.items():
        if name not in found and (other := next((key for key in others if key in found), "")):
            found[name] = found[other]
    if "avg_score" not in found and "avg_loss" in found:
        found["avg_score"] = score_of(_float(found["avg_loss"]))
    return found


def _config(entry: Mapping[str, Any]) -> dict[str, object]:
    config = entry.get("baseline_config_after")
    return {str(name): value for name, value in config.items()} if isinstance(config, dict) else {}


def _float(value: Any) -> float:
    if isinstance(value, float) and not isinstance(value, bool):
        return value
    found = as_number(value)
    return math.nan if found is None else found


def _measured(value: Any, seeds: tuple[Seed, ...] = ()) -> Measured | None:
    if not isinstance(value, dict):
        return None
    value = _renamed(value)
    told = {field: _float(value.get(key)) for key, field in METRICS.items()}
    return Measured(**told, steps=_float(value.get("best_iter")), seeds=seeds)


def _key(one: Mapping[str, Any]) -> str:
    value = one.get("value")
    if isinstance(value, dict) and {"dup", "new_layers"} <= set(value):
        return f"{one.get('param')}={value['new_layers']}, layer {value['dup']} copied"
    return f"{one.get('param')}={value}"


def _value(one: Mapping[str, Any]) -> Any:
    value = one.get("value")
    if isinstance(value, dict):
        return {str(name): int(item) for name, item in value.items() if isinstance(item, int)}
    return value if isinstance(value, int | float | str) else str(value)


def _unmeasured(one: Mapping[str, Any], status: str) -> Candidate:
    run = one.get("run")
    kept = run if isinstance(run, int) else None
    return Candidate(_key(one), str(one.get("param")), _value(one), status, kept, note=str(one.get("reason") or ""))


def _candidate(one: Mapping[str, Any], target: str) -> Candidate:
    seeds = tuple(
        Seed(
            seed=int(_float(each.get("seed")) if each.get("seed") is not None else 0),
            loss=_float(each.get("loss")),
            score=_float(each["score"]) if "score" in each else score_of(_float(each.get("loss"))),
            params=_float(one.get("num_params")),
            peak_mb=_float(each.get("peak_gpu_mb")),
            step_ms=_float(each.get("iter_latency_ms")),
            steps=_float(each.get("best_iter")),
        )
        for each in _dicts(one.get("seeds"))
    )
    named = {"avg_loss": "loss", "avg_score": "score", "num_params": "params"}
    told = {**one, **{ours: one.get(theirs) for theirs, ours in named.items()}}
    run = one.get("run")
    return Candidate(
        key=_key(one),
        param=str(one.get("param")),
        value=_value(one),
        status="done",
        run=run if isinstance(run, int) else None,
        measured=_measured(told, seeds),
        delta_score=_float(one.get("delta_score")),
        delta_cost=_float(one.get(COSTS[target])),
        efficiency=_float(one.get("efficiency")),
    )
