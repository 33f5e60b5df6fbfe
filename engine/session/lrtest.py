"""A learning-rate test as it is kept, jobs/ID/lr.json: what was raised, the losses, and what they are read as."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.session.lrcurve import Reading, Sweep, read

FILE = "lr.json"
LARGEST = 4 << 20
"""Bytes that are read."""


class LrTest(msgspec.Struct, frozen=True):
    """`constants` are the constants of the raised groups with their values ({}: rates are told as multiples only)."""

    run: int
    commit: str
    group: str
    constants: dict[str, float]
    sweeps: tuple[Sweep, ...]

    def reading(self) -> Reading:
        """What the losses say."""
        return read(self.sweeps)

    def unit(self) -> float:
        """By what a multiple is to be multiplied to be told: the constant's value where there is one alone, else 1."""
        return next(iter(self.constants.values())) if len(self.constants) == 1 else 1.0

    def of(self) -> str:
        """What the told numbers are of."""
        if len(self.constants) == 1:
            return next(iter(self.constants))
        return f"times the present rate{'s' if self.group == 'all' else f' of {self.group}'}"

    def values(self, multiple: float) -> dict[str, str]:
        """The constants at `multiple` of their values, as source text of three digits."""
        return {name: rounded(value * multiple) for name, value in self.constants.items()}


def rounded(value: float) -> str:
    """Three digits of it, as a float's source text."""
    return repr(float(f"{value:.3g}"))


def load(path: Path) -> LrTest | None:
    """The test in `path`; None where there is none that can be read."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        return msgspec.json.decode(path.read_bytes(), type=LrTest)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
