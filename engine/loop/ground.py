"""The class that a segment's results belong to: its contract, and the GPU model that they were measured on."""

from pathlib import Path

from engine.session.settings import Metric
from engine.session.state import Segment, State
from engine.swarm.canonical import digest
from engine.swarm.records import Contract, Klass
from engine.work.provenance import data_of

CPU = "cpu"
NOT_MEASURED_BY = ("pyproject.toml",)
"""Pinned files that say nothing of what is measured, and that differ between sessions."""


def contract_of(segment: Segment, root: Path) -> Contract:
    """What a result must share to be compared: the pinned files, data, tokenizer, budget, command, metric."""
    fixed = data_of(root / "prepare.py")
    pinned = {name: hash for name, hash in sorted(segment.pinned.items()) if name not in NOT_MEASURED_BY}
    parts = {
        "prepare": digest([pinned, segment.run.command]),
        "data": fixed.get("DATA_HASH") or fixed.get("DATA", ""),
        "tokenizer": " ".join(filter(None, (fixed.get("TOKENIZER"), fixed.get("VOCAB_SIZE")))),
        "budget": f"{segment.budget or fixed.get('BUDGET', '')} {fixed.get('BUDGET_UNIT', '')}".strip(),
    }
    metric: Metric = segment.metric
    whole = digest({**parts, "metric": metric.name, "direction": metric.direction})
    return Contract(hash=whole, metric=metric.name, direction=metric.direction, **parts)


def klass_of(state: State, segment: Segment, root: Path, vram_gb: float = 0.0) -> Klass:
    """The segment's class on the device of the session's engine. `vram_gb`: what its GPU has, 0 = not known."""
    engine = state.engine
    gpu = (engine.device_name or engine.device) if engine else ""
    return Klass(
        contract=contract_of(segment, root).hash,
        gpu=(gpu or CPU)[:100],
        vram_gb=vram_gb if gpu else 0.0,
        metric=segment.metric.name,
        direction=segment.metric.direction,
    )
