"""Tiers of machines: tiers.toml read, and the row that fits."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from engine.gpu.locks import visible
from engine.gpu.nvml import Nvml
from engine.session.assets import assets_dir

SHORT_OF_NOMINAL = 0.93
"""A card sold as 24 GB shows as little as 22.5 GiB: error correction and the driver take their part."""


class TierError(Exception):
    """No such tier, or tiers.toml is not as it should be; the message is for the operator."""


class Tier(msgspec.Struct, frozen=True):
    """One row. `train` and `prepare`: constants and their values; `params_M`: millions of parameters in all."""

    id: str
    name: str
    vram_gb: float
    timeout_s: float
    jump: float
    train: dict[str, Any]
    prepare: dict[str, Any]
    params_M: float | None = None
    matrix_params_M: float | None = None


def read(path: Path | None = None) -> list[Tier]:
    """The rows, the least memory first; of the template's own table without `path`. Errors: TierError."""
    path = path or assets_dir() / "tiers.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        rows = [msgspec.convert({"id": name, **row}, Tier) for name, row in tables.items()]
    except (OSError, ValueError, TypeError, msgspec.ValidationError) as error:
        raise TierError(f"{path}: {error}") from error
    if not any(row.vram_gb == 0 for row in rows):
        raise TierError(f"{path}: has no row with vram_gb = 0, for machines without a GPU")
    return sorted(rows, key=lambda row: row.vram_gb)


def pick(vram_gb: float | None, rows: Sequence[Tier]) -> Tier:
    """The row for a GPU of that much memory (GiB): between two the lower; the CPU's without one or for less."""
    fitting = [row for row in rows if row.vram_gb * SHORT_OF_NOMINAL <= (vram_gb or 0)]
    return max(fitting, key=lambda row: row.vram_gb)


def choose(asked: str, rows: Sequence[Tier]) -> Tier:
    """The row that an operator named: its id, its name, its memory (`24`, `24GB`), or `auto`. Errors: TierError."""
    if asked == "auto":
        return pick(largest_gpu_gb(), rows)
    word = _plain(asked)
    for row in rows:
        if word in (_plain(row.id), _plain(row.name)) or (row.vram_gb and word == f"{row.vram_gb:g}"):
            return row
    raise TierError(f"there is no tier {asked!r}; there are: auto, {', '.join(row.id for row in rows)}")


def _plain(word: str) -> str:
    return word.lower().replace(" ", "").replace("-", "").replace("_", "")


def largest_gpu_gb() -> float | None:
    """Memory of the largest GPU in GiB, of those that CUDA_VISIBLE_DEVICES leaves; None without one."""
    nvml = Nvml()
    try:
        seen = visible(nvml.sample(), os.environ.get("CUDA_VISIBLE_DEVICES"))
        sizes = [gpu.total_mb for gpu in seen if gpu.total_mb]
    finally:
        nvml.close()
    return max(sizes) / 1024 if sizes else None


def constants(values: Mapping[str, Any]) -> dict[str, str]:
    """A row's values as source text."""
    return {name: repr(tuple(value) if isinstance(value, list) else value) for name, value in values.items()}
