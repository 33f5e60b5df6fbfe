"""The policy of one result against the champion: keep or discard, and why. Pure."""

import math

import msgspec

from engine.session.flags import explain
from engine.session.settings import Gate, Metric
from engine.session.state import SHOWN, gain

VRAM = "peak_vram_mb"


class Verdict(msgspec.Struct, frozen=True):
    """What is decided, in a sentence for the operator, with flags for claims that are not believed."""

    status: str
    reason: str
    flags: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True):
    """What is judged: a metric with the run's other metrics, flags raised while measuring, and net added code lines."""

    metric: float
    metrics: dict[str, float] = {}
    flags: tuple[str, ...] = ()
    net_lines: int = 0


def impossible(result: Result, metric: Metric, champion: float | None, jump: float) -> tuple[str, ...]:
    """Flags of what cannot be: those of the measuring, a metric ≤ 0 (where lower is better) or not finite, a jump."""
    flags = [flag for flag in result.flags if flag not in SHOWN]
    if not math.isfinite(result.metric):
        flags.append("not_finite")
    elif metric.direction == "lower" and result.metric <= 0:
        flags.append("not_positive")
    elif champion is not None and jump > 0 and gain(result.metric, champion, metric.direction) > jump:
        flags.append("jump")
    return tuple(dict.fromkeys(flags))


def judge(result: Result, champion: Result, metric: Metric, gate: Gate, best: float | None = None) -> Verdict:
    """The greedy policy of design section 4.6 for one believed pair of numbers, in the order that is told.

    `best` is the best metric among the segment's champions: what counts as equal is measured against it too, so that
    a row of simplifications, each a little worse than the one before, cannot drift away from it.
    """
    flags = impossible(result, metric, champion.metric, gate.jump)
    if flags:
        return Verdict("discard", f"not believed: {explain(flags)}; keep it by hand if it is true", flags)
    won = gain(result.metric, champion.metric, metric.direction)
    if abs(won) <= gate.equal_within or won == 0:
        behind = -gain(result.metric, best, metric.direction) if best is not None else 0.0
        if result.net_lines < 0 and behind > gate.equal_within and won <= 0:
            return Verdict("discard", f"equal ({won:+.6f}), but {behind:.6f} behind the best there was")
        if result.net_lines < 0:
            return Verdict("keep", f"equal ({won:+.6f}) with {-result.net_lines} fewer lines")
        return Verdict("discard", f"equal ({won:+.6f}), and not simpler")
    if won < 0:
        return Verdict("discard", f"worse by {-won:.6f}")
    if result.net_lines > 0 and won < gate.gain_per_line * result.net_lines:
        least = gate.gain_per_line * result.net_lines
        return Verdict("discard", f"a gain of {won:.6f} is not worth {result.net_lines} lines (at least {least:.6f})")
    before, now = champion.metrics.get(VRAM, 0.0), result.metrics.get(VRAM, 0.0)
    if before > 0 and now > before * gate.vram_ratio and won <= gate.vram_gain:
        return Verdict("discard", f"a gain of {won:.6f} is not worth {now / before:.1f}× the VRAM")
    return Verdict("keep", f"better by {won:.6f}")
