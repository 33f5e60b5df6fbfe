"""Briefs made by hand, as the engine makes them from a session."""

from pathlib import Path
from typing import Any

from engine.researchers.base import Brief
from engine.session import settings as s
from engine.session.state import Experiment, Trial

CODE = "LR = 0.1  # rate\nDEPTH = 4\n\n\ndef train():\n    return LR * DEPTH\n"


def result(
    run: int, description: str = "", status: str = "discard", metric: float | None = 1.0, **more: Any
) -> Experiment:
    """One ended experiment, tried on run 1."""
    made = Experiment(run, 0, None if run == 1 else 1, 0.0, s.Gate(), phase="ended", commit=f"c{run}", status=status)
    made.description, made.metric = description or f"change number {run}", metric
    for name, value in more.items():
        setattr(made, name, value)
    return made


def trial(commit: str, seed: int, metric: float) -> Trial:
    """One that ended well."""
    return Trial(1, commit, seed, "candidate", "", 0.0, outcome="ok", metric=metric)


def brief(root: Path, *results: Experiment, researcher: s.Researcher | None = None, **more: Any) -> Brief:
    """The brief of the next run of a session at `root`; its program.md is written where it is missing."""
    root.mkdir(parents=True, exist_ok=True)
    if not (root / "program.md").exists():
        (root / "program.md").write_text("# The program\n\nMake it better.\n")
    results = results or (result(1, "the baseline", "keep"),)
    settings = s.Settings(researcher=researcher or s.Researcher(kind="llm", model="openai:toy"))
    given: dict[str, Any] = {"files": {"train.py": CODE}, "failures_in_row": 0, "folder": root / "run"}
    return Brief(
        run=len(results) + 1,
        session=root,
        settings=settings,
        metric=s.Metric(),
        champion=results[0],
        results=tuple(results),
        **{**given, **more},
    )
