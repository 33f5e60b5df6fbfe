"""A profile as it is kept: jobs/ID/profile.json, read by whoever shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

FILE = "profile.json"
LARGEST = 1 << 20
"""Bytes that are read of a file which a training process wrote."""
NEWEST = 200
"""Jobs that are looked at for a run's newest profile."""


class Costly(msgspec.Struct, frozen=True):
    """An operation (on a GPU: a kernel): its own milliseconds and its calls, a step."""

    name: str
    ms: float
    count: float


class Profile(msgspec.Struct, frozen=True):
    """`phases` maps data, forward, backward, optimizer, rest and gaps to milliseconds a step; they sum to `step_ms`.

    On a GPU these are the GPU's own times and `gaps` its idle ones; `data_wait_ms` is the host's wait for its data.
    """

    device: str
    on_gpu: bool
    steps: int
    step_ms: float
    phases: dict[str, float]
    data_wait_ms: float = 0.0
    top: list[Costly] = []
    run: int = 0
    commit: str = ""

    def rows(self) -> list[tuple[str, float, float]]:
        """Name, milliseconds and share of the step of each phase that took any time."""
        whole = self.step_ms or 1.0
        return [(name, time, time / whole) for name, time in self.phases.items() if time > 0]


def load(path: Path) -> Profile | None:
    """The profile in `path`; None where there is none that can be read."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        return msgspec.json.decode(path.read_bytes(), type=Profile)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def newest(jobs: Path, run: int) -> Profile | None:
    """The newest profile of `run` in a session's jobs folder."""
    return next((profile for profile in _all(jobs) if profile.run == run), None)


def by_run(jobs: Path) -> dict[int, Profile]:
    """The newest profile of each run that has one."""
    found: dict[int, Profile] = {}
    for profile in _all(jobs):
        found.setdefault(profile.run, profile)
    return found


def _all(jobs: Path) -> Iterator[Profile]:
    """The newest first (ids sort by time)."""
    try:
        folders = sorted((path for path in jobs.iterdir() if path.is_dir()), reverse=True)[:NEWEST]
    except OSError:
        return
    for folder in folders:
        if (profile := load(folder / FILE)) is not None:
            yield profile


def table(profile: Profile) -> str:
    """Its split as lines of text, for a terminal or a prompt."""
    kind = "gaps are the GPU's idle time" if profile.on_gpu else "gaps are in none of the others"
    lines = [f"{profile.steps} steps on {profile.device}, {profile.step_ms:.2f} ms each ({kind})"]
    lines += [f"  {name:<10} {time:9.2f} ms  {share:6.1%}" for name, time, share in profile.rows()]
    if profile.on_gpu:
        lines.append(f"  the host waited {profile.data_wait_ms:.2f} ms a step for its data")
    if profile.top:
        lines.append("costliest " + ("kernels" if profile.on_gpu else "operations") + ", their own time a step:")
        lines += [f"  {one.ms:9.2f} ms  {one.count:7.1f} ×  {one.name}" for one in profile.top]
    return "\n".join(lines)
