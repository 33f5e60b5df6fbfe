"""The coarser view of classes: GPUs by their memory."""

TIERS: tuple[tuple[str, float], ...] = (("<=16", 16.0), ("<=24", 24.0), ("<=48", 48.0), (">48", float("inf")))
SLACK_GB = 1.0
"""A card sold as 16 GB may report a little more or less."""


def tier_of(vram_gb: float) -> str:
    """The tier's name: <=16, <=24, <=48 or >48 (GB)."""
    return next(name for name, most in TIERS if vram_gb <= most + SLACK_GB)
