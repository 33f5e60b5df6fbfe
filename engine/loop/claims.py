"""What a run says of itself, held against what was seen from outside. Pure."""

from collections.abc import Mapping

TOLERANCE = 2e-6
"""Summaries print six decimals; METRIC lines may print more."""
SLACK_S = 2.0
"""Clocks of the run and of the leash may differ by start-up and rounding."""


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
