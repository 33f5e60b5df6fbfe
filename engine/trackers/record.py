"""One experiment as a tracker gets it: settings, the loss over its steps, and what came of it."""

from __future__ import annotations

import hashlib
from contextlib import closing

import msgspec

from engine.reports.material import constants_at, curve
from engine.session.inert import inert
from engine.session.paths import SessionPaths
from engine.session.state import Experiment, State
from engine.work.repo import GitTrouble, Repo

POINTS = 500
"""Points of a loss curve that are sent."""
LOSS = "train/loss"


class Record(msgspec.Struct, frozen=True):
    """`id` is the same whenever and wherever it is made, so that sending it twice leaves one.

    `history` is (step, loss) by rising step; `config` what was set, `summary` what came of it (numbers and texts).
    """

    id: str
    name: str
    group: str
    config: dict[str, str | int | float]
    history: list[tuple[int, float]]
    summary: dict[str, str | int | float]


def identity(paths: SessionPaths) -> str:
    """The session's own name: what its journal begins with, hashed. A renamed or moved session keeps it. Errors:
    OSError."""
    with paths.journal.open("rb") as file:
        return hashlib.sha256(file.readline()).hexdigest()[:12]


def record(paths: SessionPaths, state: State, experiment: Experiment, session: str) -> Record:
    """The record of an ended experiment; `session` is the session's identity. What is gone from git or disk is left
    out."""
    segment = state.segments[experiment.segment]
    config: dict[str, str | int | float] = {
        "session": paths.name,
        "run": experiment.run,
        "segment": experiment.segment,
        "tried_on": experiment.champion or 0,
        "commit": experiment.commit,
        "researcher": experiment.researcher,
        "description": inert(experiment.description),
        "seed": next((trial.seed for trial in experiment.trials), segment.run.seed),
    }
    try:
        with closing(Repo(paths.root, paths.name)) as repo:
            config |= constants_at(repo, experiment, segment)
    except GitTrouble:
        pass
    summary: dict[str, str | int | float] = dict(experiment.metrics)
    if experiment.metric is not None:
        summary[segment.metric.name] = experiment.metric
    summary |= {
        "status": experiment.status,
        "kept": int(experiment.status == "keep"),
        "reason": inert(experiment.reason),
        "flags": ", ".join(experiment.flags),
        "duration_s": round(experiment.duration_s, 3),
        "hypothesis": inert(experiment.asi.get("hypothesis", "")),
        "result": inert(experiment.asi.get("result", "")),
    }
    points = curve(paths.run(experiment.run) / "run.log")
    return Record(
        id=f"{session}-{experiment.run:04d}",
        name=f"{paths.name}-{experiment.run:04d}",
        group=paths.name,
        config=config,
        history=points[:: -(-len(points) // POINTS) or 1],
        summary={name: value for name, value in summary.items() if value != ""},
    )
