"""What a run leaves besides its metric: final weights, kept for the last champions only, and samples of its text.

None of it decides anything, and a disk that fails costs it, never the run.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from pathlib import Path

import msgspec

from engine.loop.effects import RunTrial
from engine.session import samples
from engine.session.paths import SessionPaths
from engine.session.settings import Settings
from engine.session.state import State

WEIGHTS = "weights.pt"
FINAL = "final"
"""A trial's own writable folder, in its run's."""
ROOM_BYTES = 512 << 20
"""Weights are only asked for while so much of the disk is free, or twice what the last ones took."""

_NAME = re.compile(r"(\d{4,})\.(pt|new)")


def ask(environment: dict[str, str], final: Path, paths: SessionPaths, effect: RunTrial, settings: Settings) -> None:
    """Tell a trial where to leave what in `final`, its own writable folder."""
    if effect.of == "candidate":
        environment["OVERNIGHT_SAMPLES"] = str(final / samples.FILE)
    kept = effect.of == "candidate" and settings.keep.checkpoints > 0 and _room(paths)
    if settings.guard.verify or kept:
        environment["OVERNIGHT_WEIGHTS"] = str(final / WEIGHTS)


def _room(paths: SessionPaths) -> bool:
    try:
        last = max((path.stat().st_size for path in paths.weights.glob("*.pt")), default=0)
        return shutil.disk_usage(paths.private).free > max(ROOM_BYTES, 2 * last)
    except OSError:
        return False


def take(paths: SessionPaths, effect: RunTrial, outcome: str, final: Path, settings: Settings) -> None:
    """Move what a trial left to where it stays: the weights until the verdict, the samples with the run."""
    if outcome != "ok" or effect.of != "candidate":
        return
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        written = final / samples.FILE
        kept = paths.run(effect.run) / samples.FILE
        if written.is_file() and not written.is_symlink() and written.stat().st_size <= samples.LARGEST:
            found = samples.decode(written.read_bytes())
            if found and not kept.exists():
                _write(kept, msgspec.json.encode(found))
    with contextlib.suppress(OSError):
        weights = final / WEIGHTS
        staged = paths.weights / f"{effect.run:04d}.new"
        if settings.keep.checkpoints > 0 and weights.is_file() and not weights.is_symlink() and not staged.exists():
            paths.weights.mkdir(exist_ok=True)
            weights.replace(staged)


def clear(paths: SessionPaths, state: State) -> None:
    """Remove what the trial that a killed engine left had written: nobody takes it any more."""
    if state.experiments:
        run = paths.run(state.experiments[-1].run)
        for folder in (run, *run.glob("trial-*")):
            shutil.rmtree(folder / FINAL, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def digest(paths: SessionPaths, run: int) -> str:
    """The sha256 of a run's weights where they are kept, "" where they are not."""
    try:
        with (paths.weights / f"{run:04d}.pt").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def settle(paths: SessionPaths, state: State, checkpoints: int) -> None:
    """Keep the weights of the last `checkpoints` champions that have any; remove all others but the current run's."""
    try:
        there = {path: match for path in paths.weights.iterdir() if (match := _NAME.fullmatch(path.name))}
    except OSError:
        return
    line = state.segments[-1].line if state.segments else []
    current = state.current.run if state.current else None
    kept: dict[int, Path] = {}
    with contextlib.suppress(OSError):
        for path, match in there.items():
            run = int(match[1])
            if run in line and match[2] == "new":
                path = path.replace(path.with_suffix(".pt"))
            if run in line:
                kept[run] = path
            elif run != current:
                path.unlink()
        for run in sorted(kept, key=line.index)[: max(0, len(kept) - checkpoints)]:
            kept[run].unlink()
