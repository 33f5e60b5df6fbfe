"""What a run says of itself, held against what was seen from outside. Pure."""

from collections.abc import Mapping

TOLERANCE = 2e-6
"""Summaries print six decimals; METRIC lines may print more."""
SLACK_S = 2.0
"""Clocks of the run and of the leash may differ by start-up and rounding."""
CONTEXT_MB = 600
"""What CUDA's context, its libraries and compiled kernels hold beside what PyTorch allocates."""
FROM_MB = 2048
"""Below this the context and the allocator's rounding are most of what the driver sees: nothing is judged."""
BESIDE_MB = 3072
"""So much beside what was in use at once is no contradiction: on an H100 it was 790 to 2,360 MiB, most of it the
context, compiled kernels and cached blocks, and more than the peak itself in a small model."""


def vram(printed_mb: float | None, seen_mb: float | None) -> tuple[str, ...]:
    """`vram_disagrees` where the peak that a run printed cannot be the one that the driver saw (both MiB).

    PyTorch's allocator keeps more than was ever in use at once, so the driver may see up to twice as much, and a few
    GiB in any case; it never sees less than what was in use, but for a peak between two samples.
    """
    if printed_mb is None or seen_mb is None or max(printed_mb, seen_mb) < FROM_MB:
        return ()
    less = seen_mb - printed_mb > BESIDE_MB and printed_mb < (seen_mb - CONTEXT_MB) / 2
    return ("vram_disagrees",) if printed_mb > 1.1 * seen_mb or less else ()


def unused(printed_mb: float | None, seen_mb: float | None) -> tuple[str, ...]:
    """`gpu_unused` where a run that was given a GPU says of itself that it took no memory there, and none was seen."""
    return ("gpu_unused",) if printed_mb == 0 and (seen_mb or 0) < CONTEXT_MB / 4 else ()


def over_budget(metrics: Mapping[str, float], budget: str, unit: str) -> tuple[str, ...]:
    """`budget_exceeded` where the run tells of more steps, or of clearly more training seconds, than it was given.

    A budget of seconds ends with the step that passes it, so one step and a tenth more are let pass.
    """
    try:
        given = float(budget)
    except ValueError:
        return ()
    if unit == "steps":
        return ("budget_exceeded",) if metrics.get("num_steps", 0.0) > given else ()
    if unit != "seconds":
        return ()
    allowed = given * 1.1 + metrics.get("step_ms", 0.0) / 1000 + SLACK_S
    return ("budget_exceeded",) if metrics.get("training_seconds", 0.0) > allowed else ()


def flags(name: str, metrics: Mapping[str, float], summary: Mapping[str, float], wall_s: float) -> tuple[str, ...]:
    """Claims that cannot be: `log_disagrees` (METRIC against run.log's summary), `clock_disagrees` (seconds).

    `summary` is run.log's summary block, empty when the benchmark writes none; `wall_s` the leash's seconds.
    """
    found = []
    said, logged = metrics.get(name), summary.get(name)
    if said is not None and logged is not None and abs(said - logged) > TOLERANCE * max(1.0, abs(logged)):
        found.append("log_disagrees")
    claimed = max(metrics.get("training_seconds", 0.0), summary.get("training_seconds", 0.0))
    if claimed > wall_s + SLACK_S:
        found.append("clock_disagrees")
    return tuple(found)
