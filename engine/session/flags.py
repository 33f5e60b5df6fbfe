"""What a flag on an experiment means, in words: for verdicts, the console and reports."""

from collections.abc import Iterable

WORDS = {
    "not_finite": "the metric is not a finite number",
    "not_positive": "the metric is not above zero, which cannot be",
    "jump": "the gain is larger than gate.jump in one step",
    "log_disagrees": "the METRIC line and run.log disagree",
    "clock_disagrees": "it claims more training seconds than the wall clock saw",
    "base_withdrawn": "a person changed what it was tried on while it ran",
    "pinned_changed": "it changed a pinned file while it ran",
    "editable_changed": "it changed its own source while it ran",
    "checks_changed": "it changed its own checks while it ran",
    "verify_disagrees": "the independent measure of its final weights disagrees",
    "budget_exceeded": "it trained for longer than the budget",
    "vram_disagrees": "the peak VRAM that it printed is not what the driver saw (the metric counts all the same)",
    "gpu_unused": "it did not train on the GPU that it was given",
    "gpu_trouble": "the GPU failed, or was not free: it is not the change, which may be tried again",
    "no_change": "no change came of it: nothing was run",
    "champion_failed": "the champion itself fails now: it is not the change, which may be tried again",
    "aborted": "a person ended it",
    "interrupted": "the engine was ended or went away while it ran",
}

GPU_TROUBLE = "gpu_trouble"
"""Flag of a crash that says nothing about the change."""
CHAMPION_FAILED = "champion_failed"
"""Flag of a crash after which the champion crashed too: the machine, the data or the benchmark is what broke."""
MACHINE = frozenset({GPU_TROUBLE, CHAMPION_FAILED})
"""Flags of a crash that is the machine's, and says nothing about the change: that may be tried again."""
CUT_SHORT = MACHINE | {"interrupted"}
"""The same, and what the engine's end cut short."""


def words(flag: str) -> str:
    """The flag in words; an unknown one as it is."""
    return WORDS.get(flag, flag)


def explain(flags: Iterable[str]) -> str:
    """Several of them, one after the other."""
    return "; ".join(words(flag) for flag in flags)
