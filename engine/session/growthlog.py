"""The growth search written as YAML, in the shape that the public hyperparam_search.py reads and writes.

`baseline_config`: the settings now; `iterations`: of each round `iter` (from 0; -1 = the first measurement),
`baseline_metrics` after it, `candidates` with their `seeds`, `chosen`, `action`, `baseline_config_after`; `stop_reason`
at the end. Others skip the keys that are ours: `efficiency_target`, `run`, `reason`, `left_out`, and `in_progress`, the
round that is on with who is `waiting`. engine.session.growthread reads it.
"""

import ast
from collections.abc import Mapping
from typing import Any

from engine.session.growing import Candidate, Growth, Measured, Round

METRICS = {
    "loss": "loss",
    "score": "score",
    "params": "params",
    "peak_gpu_mb": "peak_mb",
    "iter_latency_avg": "step_ms",
}
"""A key of `baseline_metrics` → Measured's field."""
COSTS = {"params": "delta_params", "vram": "delta_vram", "iter": "delta_iter_latency"}
"""A cost target → the key of a candidate's difference in it."""
AGAIN = "baseline_measured_again"


def render(growth: Growth, earlier: Mapping[str, Any] | None = None) -> str:
    """The log's text. `earlier`: a log of elsewhere that this search goes on from, as it was loaded."""
    import yaml

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            """A chosen candidate is written twice: not every reader follows a reference."""
            return True

    text: str = yaml.dump(document(growth, earlier), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def document(growth: Growth, earlier: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The log as plain data."""
    iterations: list[Any] = list(earlier["iterations"]) if earlier else []
    last: Measured | None = None
    config: dict[str, Any] = dict(earlier.get("baseline_config") or {}) if earlier else {}
    found: dict[str, Any] = {"baseline_config": config, "iterations": iterations}
    found["efficiency_target"] = growth.cost
    for one in growth.rounds:
        before = {name: plain(source) for name, source in (one.before or one.config).items()}
        if one.baseline is not None and one.baseline != last:
            number = iterations[-1]["iter"] if iterations else -1
            again = {"action": AGAIN} if iterations else {}
            measured = {"iter": number, "baseline_metrics": _metrics(one.baseline), **again}
            iterations.append({**measured, "baseline_config_after": before})
            found["baseline_config"] = before
        last = one.baseline
        if one.open:
            found["in_progress"] = {"iter": one.number - 1, **_candidates(one)}
            continue
        entry, last = _iteration(one)
        iterations.append(entry)
        found["baseline_config"] = entry["baseline_config_after"]
    if growth.stop:
        found["stop_reason"] = growth.stop
    return found


def _iteration(one: Round) -> tuple[dict[str, Any], Measured | None]:
    picked = one.picked
    after = picked.measured if picked else one.baseline
    entry = {
        "iter": one.number - 1,
        "baseline_metrics": _metrics(after) if after else {},
        **_candidates(one),
        "chosen": _candidate(picked, one) if picked else None,
        **({"action": one.action} if one.action else {}),
        "reason": one.reason,
        "baseline_config_after": {name: plain(source) for name, source in one.config.items()},
    }
    return entry, after


def _candidates(one: Round) -> dict[str, Any]:
    out = [found for found in one.candidates if found.status in ("crash", "left_out")]
    done = [_candidate(found, one) for found in one.candidates if found.status == "done"]
    told = [{"param": c.param, "value": c.value, "run": c.run, "status": c.status, "reason": c.note} for c in out]
    waiting = [{"param": c.param, "value": c.value} for c in one.candidates if c.status in ("waiting", "running")]
    more = {"left_out": told, "waiting": waiting}
    return {"candidates": done, **{key: those for key, those in more.items() if those}}


def _metrics(measured: Measured) -> dict[str, Any]:
    return {**{key: getattr(measured, name) for key, name in METRICS.items()}, "best_iter": _whole(measured.steps)}


def _candidate(found: Candidate, one: Round) -> dict[str, Any]:
    measured, base = found.measured, one.baseline
    assert measured is not None and base is not None
    return {
        "param": found.param,
        "value": found.value,
        "avg_loss": measured.loss,
        "avg_score": measured.score,
        "best_val_loss": measured.loss,
        "best_iter": _whole(measured.steps),
        "num_params": measured.params,
        "peak_gpu_mb": measured.peak_mb,
        "iter_latency_avg": measured.step_ms,
        "delta_score": found.delta_score,
        **{key: measured.cost(target) - base.cost(target) for target, key in COSTS.items()},
        "efficiency": found.efficiency,
        "seeds": [
            {
                "seed": seed.seed,
                "loss": seed.loss,
                "score": seed.score,
                "best_iter": _whole(seed.steps),
                "peak_gpu_mb": seed.peak_mb,
                "iter_latency_ms": seed.step_ms,
            }
            for seed in measured.seeds
        ],
        "run": found.run,
    }


def _whole(steps: float) -> int:
    return int(steps) if steps == steps else 0


def plain(source: object) -> object:
    """A setting's source text as the value that it is; what is none stays a text."""
    if not isinstance(source, str):
        return source
    try:
        value = ast.literal_eval(source)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return source
    return list(value) if isinstance(value, tuple) else value
