"""Space for sessions and for the data cache."""

import os
import shutil
from pathlib import Path

from engine.cli.checks.finding import Finding, Level, Machine
from engine.work.environment import cache_folder

ENOUGH, LEAST = 5 << 30, 200 << 20
"""Bytes free: what a night is comfortable with (logs, checkpoints, data), and what it needs to begin at all."""


def check(machine: Machine) -> list[Finding]:
    """The two folders, or the one disk they share."""
    cache = cache_folder(machine.environ)
    return [*space("sessions", machine.sessions), *space("data cache", cache), *contents(cache)]


def space(what: str, folder: Path) -> list[Finding]:
    """Room, and the right to write."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return [Finding("failing", f"{what}: {there} cannot be written", f"sudo chown {os.getuid()} {there}")]
    free = shutil.disk_usage(there).free
    level: Level = "ok" if free >= ENOUGH else "warning" if free >= LEAST else "failing"
    text = f"{what}: {free / (1 << 30):.1f} GB free in {there}"
    if level == "ok":
        return [Finding("ok", text)]
    return [Finding(level, f"{text}; a night takes a few", f"du -xhd2 {there} | sort -h | tail")]


def contents(cache: Path) -> list[Finding]:
    """What was prepared already."""
    if not cache.is_dir():
        return [Finding("note", f"no data is prepared yet in {cache}; overnight prepare (or demo) does it")]
    sizes = [file.stat().st_size for file in cache.rglob("*") if file.is_file()]
    if not sizes:
        return [Finding("note", f"{cache} is empty; overnight prepare (or demo) fills it")]
    return [Finding("ok", f"data cache {cache}: {len(sizes)} files, {sum(sizes) / 1e6:,.0f} MB")]
