"""`sample [RUN] --prompt TEXT`: text written by a run's kept weights."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from engine.session.samples import FILE, LARGEST, Sample
from engine.session.state import Experiment, State
from engine.work.jobs.job import Done, Kind, Order, Place, Refused, leashed, number, run_of, whole
from engine.work.logtrouble import last_lines

PROGRAM = Path(__file__).with_name("sample_driver.py")
LONGEST_PROMPT, TOKENS, MOST_TOKENS, TEMPERATURE, SEED = 4000, 100, 4000, 0.8, 1337

SHOWN = 160
"""Characters of it that the command's answer repeats; the whole is in the job's folder."""


class Request(msgspec.Struct, frozen=True):
    """What is to be written."""

    prompt: str
    tokens: int
    temperature: float
    seed: int


def request_of(args: Mapping[str, str]) -> Request:
    """Errors: Refused."""
    prompt = args.get("prompt", "")
    if not prompt:
        raise Refused("the prompt is empty: the text to go on from is needed")
    if len(prompt) > LONGEST_PROMPT:
        raise Refused(f"the prompt has {len(prompt)} characters; at most {LONGEST_PROMPT} are taken")
    return Request(
        prompt,
        whole(args, "tokens", 1, MOST_TOKENS, TOKENS),
        number(args, "temperature", 0, 10, TEMPERATURE),
        whole(args, "seed", 0, 2**32 - 1, SEED),
    )


def check(state: State, args: Mapping[str, str]) -> Experiment:
    """Errors: Refused."""
    request_of(args)
    return run_of(state, args)


def ready(order: Order, place: Place) -> None:
    """Errors: Refused, where the weights are not kept."""
    if not place.weights.is_file():
        there = sorted(int(path.stem) for path in place.weights.parent.glob("[0-9]*.pt"))
        kept = f"kept are those of run {', '.join(map(str, there))}" if there else "none are kept yet"
        raise Refused(
            f"run {order.experiment.run}'s weights are not on the disk; {kept}. keep.checkpoints"
            f" (now {order.settings.keep.checkpoints}) says of how many champions they stay"
        )


def run(order: Order, place: Place) -> Done:
    """Errors: LeashError, OSError."""
    request, experiment = request_of(order.args), order.experiment
    made = place.folder / "made"
    made.mkdir(exist_ok=True)
    environment = place.environment(request.seed, "")
    asked = msgspec.json.encode(request).decode()
    argv = [environment["OVERNIGHT_PYTHON"], "-P", str(PROGRAM), str(place.tree / "train.py"), str(place.weights)]
    ending, said = leashed(
        [*argv, asked, str(made / FILE)],
        place,
        environment,
        order.segment.run.timeout_s,
        place.confine([made], [PROGRAM.parent, place.weights.parent]),
    )
    written, path = None, made / FILE
    if ending.clean and path.is_file() and path.stat().st_size <= LARGEST:
        written = msgspec.json.decode(path.read_bytes(), type=Sample)
        (place.folder / FILE).write_bytes(msgspec.json.encode([written]))
    shutil.rmtree(made, ignore_errors=True)
    if ending.cause != "exited":
        outcome = {"timeout": "timeout", "terminated": "aborted"}.get(ending.cause, "interrupted")
        return Done(outcome, detail=ending.why or outcome)
    if written is None:
        why = " | ".join(last_lines(said)) or ending.why or f"exit code {ending.exit_code}"
        return Done("crash", detail=f"run {experiment.run} wrote nothing: {why}")
    begin = " ".join(written.written().split())
    shown = begin if len(begin) <= SHOWN else f"{begin[:SHOWN]}…"
    return Done(answer=f"run {experiment.run} wrote: {shown}", files=(FILE, "run.log"))


KIND = Kind(check, run, ready=ready)
