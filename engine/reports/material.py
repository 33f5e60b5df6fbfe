"""What the journal tells of one version, read from git and the run's folder; what is gone is left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine.session import samples
from engine.session.losscurve import LossCurve
from engine.session.paths import SessionPaths
from engine.session.profiles import Profile
from engine.session.samples import Sample
from engine.session.state import Experiment, Segment, State
from engine.work.constants import read_constants
from engine.work.repo import GitTrouble, Repo

SAMPLES = 3
_PIECE = 1 << 20
_MOST = 256 << 20
"""Bytes of a run's log that its curve is made of."""

Points = list[tuple[int, float]]


class Material(msgspec.Struct, frozen=True):
    """`constants` are all of the editable files as source texts; `changed` those that differ from the run it was tried
    on, as (old, new). `curve` and `base_curve` are (step, loss)."""

    constants: dict[str, str] = {}
    changed: dict[str, tuple[str, str]] = {}
    diff: str = ""
    curve: Points = []
    base_curve: Points = []
    samples: list[Sample] = []
    profile: Profile | None = None


def gather(
    paths: SessionPaths, repo: Repo, state: State, experiment: Experiment, profile: Profile | None = None
) -> Material:
    """All of it, `profile` as it is given. Errors: none; what git or the disk no longer has is empty."""
    segment = state.segments[experiment.segment]
    base = state.experiment(experiment.champion) if experiment.champion is not None else None
    constants = constants_at(repo, experiment, segment)
    changed, diff = dict(experiment.params), ""
    if base is not None:
        before = constants_at(repo, base, segment)
        changed |= {n: (before[n], new) for n, new in constants.items() if before.get(n, new) != new}
        diff = _diff(repo, base.commit, experiment.commit, segment.editable)
    return Material(
        constants=constants,
        changed=changed,
        diff=diff,
        curve=curve(paths.run(experiment.run) / "run.log"),
        base_curve=curve(paths.run(base.run) / "run.log") if base is not None else [],
        samples=samples.load(paths.run(experiment.run))[:SAMPLES],
        profile=profile,
    )


def constants_at(repo: Repo, experiment: Experiment, segment: Segment) -> dict[str, str]:
    """The constants of the editable Python files in its commit; {} where they cannot be read."""
    found: dict[str, str] = {}
    try:
        texts = repo.files_at(experiment.commit, segment.editable) if experiment.commit else {}
    except GitTrouble:
        return {}
    for name, text in texts.items():
        if name.endswith(".py"):
            try:
                found |= read_constants(text)
            except (SyntaxError, ValueError):
                continue
    return found


def curve(log: Path) -> Points:
    """The loss over the steps of a run's log; [] where there is none."""
    found = LossCurve()
    try:
        with log.open("rb") as file:
            while (piece := file.read(_PIECE)) and file.tell() <= _MOST:
                found.feed(piece)
    except OSError:
        return []
    return found.points()


def _diff(repo: Repo, old: str, new: str, names: Sequence[str]) -> str:
    try:
        return repo.diff(old, new, names) if old and new else ""
    except GitTrouble:
        return ""


_WEB = re.compile(r"(?:https?://(?:[^@/]*@)?|ssh://git@|git@)([\w.-]+)[:/]([\w./-]+?)(?:\.git)?/?")


def commit_pages(remote: str) -> str:
    """Where a forge shows commits, as a prefix of their addresses, from a remote's address; "" for a local one."""
    found = _WEB.fullmatch(remote.strip())
    if not found or "." not in found[1]:
        return ""
    between = "/-/commit/" if "gitlab" in found[1] else "/commit/"
    return f"https://{found[1]}/{found[2]}{between}"
