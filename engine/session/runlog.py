r"""What a run.log of the training template says: progress lines, which end in `\r`, and the summary block at the end.

step 00042 (13.3%) | loss: 5.123456 | lrm: 1.00 | dt: 125ms | tok/sec: 16,384 | mfu: 0.0% | epoch: 1 | remaining: 12s
"""

from __future__ import annotations

import math
import re

import msgspec

from engine.session.loosely import as_number

_STEP = re.compile(r"\s*step\s+([0-9]{1,15})\s*\(\s*([0-9.]{1,15})%\)\s*\|(.*)", re.DOTALL)
_SUMMARY = re.compile(r"([A-Za-z_]\w{0,63}):[ \t]+(\S{1,64})[ \t]*")
_BREAKS = re.compile(r"[\r\n]+")
_LONGEST = 4096


class Progress(msgspec.Struct, frozen=True):
    """One progress line. `percent` 0 to 100; `loss` may be nan; None for what the line does not say (`mfu: N/A`)."""

    step: int
    percent: float
    loss: float
    lrm: float | None = None
    dt_ms: float | None = None
    tok_per_sec: float | None = None
    mfu: float | None = None
    epoch: int | None = None
    remaining_s: float | None = None


def parse_progress(line: str) -> Progress | None:
    """`line` as progress, None when it is something else."""
    if len(line) > _LONGEST or not (match := _STEP.match(line)):
        return None
    step, percent, rest = match.groups()
    said = {name.strip(): value.strip() for name, _, value in (part.partition(":") for part in rest.split("|"))}
    done, loss = as_number(percent), _loss(said.get("loss", ""))
    if done is None or loss is None:
        return None
    epoch = as_number(said.get("epoch"))
    return Progress(
        step=int(step),
        percent=done,
        loss=loss,
        lrm=as_number(said.get("lrm")),
        dt_ms=as_number(said.get("dt", "").removesuffix("ms")),
        tok_per_sec=as_number(said.get("tok/sec")),
        mfu=as_number(said.get("mfu")),
        epoch=None if epoch is None else int(epoch),
        remaining_s=as_number(said.get("remaining", "").removesuffix("s")),
    )


def last_progress(text: str) -> Progress | None:
    """The newest progress line in `text`, the end of a log."""
    for line in reversed(_BREAKS.split(text)):
        if found := parse_progress(line):
            return found
    return None


def parse_summary(text: str | bytes) -> dict[str, float]:
    """The `name: number` lines after the last line of dashes, or in all of `text` without one; finite ones only.

    The last line of a name wins. Give it the end of a log (64 KiB are plenty).
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    summary: dict[str, float] = {}
    for line in _BREAKS.split(text):
        if line.startswith("---") and not line.strip("- \t"):
            summary = {}
        elif match := _SUMMARY.fullmatch(line):
            figure = as_number(match[2])
            if figure is not None:
                summary[match[1]] = figure
    return summary


def _loss(text: str) -> float | None:
    if text.lstrip("+-").lower() in ("nan", "inf", "infinity"):
        return math.nan
    return as_number(text)
