"""`profile [RUN]`: some steps of a run's train.py under torch's profiler; a table of where a step's time goes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from engine.session.profiles import FILE, Profile, load
from engine.session.state import Experiment, State
from engine.work.jobs.job import Done, Kind, Order, Place, first_trial_seed, leashed, run_of, whole
from engine.work.logtrouble import last_lines

PROGRAM = Path(__file__).with_name("profile_driver.py")
STEPS, MOST_STEPS = 30, 1000
TRACE = "trace.json.gz"
ENDLESS = "1000000000"
"""A budget that the recorded steps never reach: the driver ends the run."""


def check(state: State, args: Mapping[str, str]) -> Experiment:
    """Errors: Refused."""
    whole(args, "steps", 1, MOST_STEPS, STEPS)
    return run_of(state, args)


def run(order: Order, place: Place) -> Done:
    """Errors: LeashError, OSError."""
    experiment, segment = order.experiment, order.segment
    made = place.folder / "made"
    made.mkdir(exist_ok=True)
    environment = place.environment(first_trial_seed(experiment, segment), ENDLESS)
    steps = whole(order.args, "steps", 1, MOST_STEPS, STEPS)
    argv = [environment["OVERNIGHT_PYTHON"], "-P", str(PROGRAM), str(place.tree / "train.py"), str(steps), str(made)]
    ending, said = leashed(argv, place, environment, segment.run.timeout_s, place.confine([made], [PROGRAM.parent]))
    files = []
    for name in (TRACE, FILE):
        if (made / name).is_file() and not (made / name).is_symlink():
            (made / name).replace(place.folder / name)
            files.append(name)
    shutil.rmtree(made, ignore_errors=True)
    if ending.cause != "exited":
        outcome = {"timeout": "timeout", "terminated": "aborted"}.get(ending.cause, "interrupted")
        return Done(outcome, detail=ending.why or outcome, files=tuple(files))
    found = load(place.folder / FILE)
    if not ending.clean or found is None:
        why = " | ".join(last_lines(said)) or ending.why or f"exit code {ending.exit_code}"
        return Done("crash", detail=f"run {experiment.run} could not be profiled: {why}", files=tuple(files))
    about = msgspec.structs.replace(found, run=experiment.run, commit=experiment.commit)
    (place.folder / FILE).write_bytes(msgspec.json.encode(about))
    return Done(answer=told(about), metrics=measured(about), files=(*files, "run.log"))


def measured(profile: Profile) -> dict[str, float]:
    """Its figures by name, in milliseconds a step."""
    return {"step_ms": profile.step_ms, **{f"{phase}_ms": time for phase, time in profile.phases.items()}}


def told(profile: Profile) -> str:
    """The split in a sentence."""
    parts = ", ".join(f"{name} {share:.0%}" for name, _, share in profile.rows())
    return f"run {profile.run}, {profile.step_ms:.1f} ms a step over {profile.steps} steps: {parts}"


KIND = Kind(check, run)
