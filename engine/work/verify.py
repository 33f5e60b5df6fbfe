"""The independent measure of a trial: its final weights evaluated once more, by processes that the run cannot reach."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import msgspec

from engine.work import leash
from engine.work.benchmark import Confine
from engine.work.logtrouble import last_lines

PROGRAM, MODEL = (Path(__file__).with_name(name) for name in ("verifier.py", "verifier_model.py"))
NAME = "val_bpb"
"""The metric that prepare.py's evaluate_bpb gives; no other can be verified."""
WITHIN = 2e-5
"""How far the two may differ on the CPU, relative: it sums in a fixed order, and six decimals are printed."""
WITHIN_ON_GPU = 1e-3
"""On a GPU kernels, and with them the order of sums, may differ from one process to the next."""
MOST_MASS = 1.02
"""All probabilities sum to 1; numbers of 8 bits of mantissa may make a little more of it."""
MOST_AHEAD = 0.05
"""Nats by which text to come may change a prediction: rounding only."""


class Found(msgspec.Struct):
    """What verifier.py prints."""

    error: str = ""
    val_bpb: float | None = None
    mass: float = 0.0
    ahead: float = 0.0
    on_gpu: bool = False


class Verified(msgspec.Struct, frozen=True):
    """`why` the printed number is not believed, "" when it is; `aborted`: the operator or the engine ended the look."""

    why: str = ""
    aborted: bool = False


def start(
    session: Path,
    folder: Path,
    weights: Path,
    *,
    environment: Mapping[str, str],
    limit_s: float,
    confine: Confine,
) -> leash.Leashed:
    """Start the look at `weights`; what is said lies in `folder`. `confine`: the model's sandbox. Raises LeashError."""
    python = environment.get("OVERNIGHT_PYTHON", "python3")
    model = confine([python, "-P", str(MODEL), str(session / "train.py"), str(weights)])
    return leash.start(
        [python, "-P", str(PROGRAM), str(session), "--", *model],
        cwd=session,
        env=environment,
        limit_s=limit_s,
        stdout=folder / "verify.out",
        stderr=folder / "verify.log",
        cookie=environment.get("OVERNIGHT_COOKIE", ""),
    )


def finish(running: leash.Leashed, folder: Path, printed: float) -> Verified:
    """Wait for its end and hold it against what the run printed."""
    ending = running.ended()
    if ending.cause in ("terminated", "engine_gone", "leash_lost"):
        return Verified(ending.why, aborted=True)
    try:
        found = msgspec.json.decode((folder / "verify.out").read_bytes(), type=Found)
        said = last_lines((folder / "verify.log").read_text(errors="replace")[-65536:])
    except (OSError, msgspec.DecodeError):
        found, said = Found("the independent measure gave no answer"), [ending.why]
    if found.error or found.val_bpb is None:
        return Verified(": ".join(part for part in (found.error, " | ".join(said)) if part))
    return Verified(judge(found, printed))


def judge(found: Found, printed: float) -> str:
    """Why the number is not believed, or ""."""
    value = found.val_bpb if found.val_bpb is not None else math.nan
    within = (WITHIN_ON_GPU if found.on_gpu else WITHIN) * max(1.0, abs(printed))
    if not abs(value - printed) <= within:
        return f"the final weights give {NAME} {value:.6f}, and {printed:.6f} was printed"
    if not found.mass <= MOST_MASS:
        return f"the model's probabilities of all tokens sum to {found.mass:.4g}, not to 1: its loss is no loss"
    if not found.ahead <= MOST_AHEAD:
        return f"a prediction changes by {found.ahead:.4g} nats with the text that follows it: the model looks ahead"
    return ""
