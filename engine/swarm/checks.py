"""What a record must be before it is stored, and again before it is believed by a reader: sizes, shapes, bounds."""

import re
from typing import Any

import msgspec

from engine.swarm.api import SwarmError
from engine.swarm.canonical import NotCanonical, canonical
from engine.swarm.records import KINDS, Change, Hypothesis, Insight, Klass, Record, Result, Verdict, decoded

MOST_BYTES = 64 << 10
"""A record's canonical JSON, code apart."""
LONGEST = 4000
"""Characters of one text."""
JUMP = 0.1
"""A gain above this over the class's best in one step is not believed but looked at (as `gate.jump`); of a metric above
1 it is this share, so that a short budget's first steps, or a metric in tokens a second, are no marvels."""
LEAST_BPB = 0.5
"""Bits per byte of real text below this are not believed."""

_HEX32, _HEX64 = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")
STATES = ("open", "claimed", "tested", "dropped")


def read(record: Record) -> Any:
    """The record's body as its kind. Errors: SwarmError: "bounds", "size"."""
    if record.kind not in KINDS:
        raise SwarmError(f"an unknown kind of record: {record.kind[:40]!r}; there are {', '.join(KINDS)}", "bounds")
    if not _HEX32.fullmatch(record.id):
        raise SwarmError("a record's id is 32 hexadecimal digits", "bounds")
    try:
        size = len(canonical(record))
    except NotCanonical as error:
        raise SwarmError(f"the record cannot be signed: {error}", "bounds") from error
    if size > MOST_BYTES:
        raise SwarmError(f"the record has {size} bytes; the most is {MOST_BYTES}", "size")
    try:
        body = msgspec.convert(record.body, KINDS[record.kind])
    except msgspec.ValidationError as error:
        raise SwarmError(f"a {record.kind} is not written so: {error}", "bounds") from error
    unknown = set(record.body) - {field.name for field in msgspec.structs.fields(KINDS[record.kind])}
    if unknown:
        raise SwarmError(f"a {record.kind} has no {', '.join(sorted(unknown))[:80]}", "bounds")
    _texts(record.body)
    _check(body)
    return body


def steady(record: Record) -> None:
    """Whether readers will get what was signed. Errors: SwarmError("bounds"), NotCanonical."""
    signed = canonical(record)
    try:
        same = canonical(decoded(signed)) == signed
    except msgspec.DecodeError as error:
        raise SwarmError(f"the record is not written so: {error}", "bounds") from error
    if not same:
        raise SwarmError("the record reads back as another one: `at` is written with a point", "bounds")


def _texts(value: Any) -> None:
    if isinstance(value, str):
        if len(value) > LONGEST:
            raise SwarmError(f"a text has {len(value)} characters; the most is {LONGEST}", "size")
        if "\0" in value:
            raise SwarmError("a text holds a NUL", "bounds")
    elif isinstance(value, dict):
        for key, item in value.items():
            _texts(key)
            _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _texts(item)


def _check(body: Any) -> None:
    if isinstance(body, Result):
        klass(body.klass)
        change(body.change)
        _hash(body.code, "code")
        if body.weights:
            _hash(body.weights, "weights")
        if body.klass.contract != body.change.contract:
            raise SwarmError("a result's class and change are of two contracts", "bounds")
        if body.status not in ("keep", "discard", "crash", "checks_failed"):
            raise SwarmError(f"a result's status is {body.status[:20]!r}", "bounds")
        if (body.metric is None) != (body.status == "crash"):
            raise SwarmError("a crash has no metric, and everything else has one", "bounds")
        _whole(body.seed, "seed")
        _whole(body.run, "run", 1)
        if body.alone == bool(body.claim):
            raise SwarmError("a result names its claim, or that it was made alone", "bounds")
    elif isinstance(body, Verdict):
        klass(body.klass)
        _hash(body.code, "code")
        if not 2 <= len(body.seeds) <= 32 or len(body.metrics) != len(body.seeds):
            raise SwarmError("a verdict has from 2 to 32 seeds and a metric for each", "bounds")
        if len(set(body.seeds)) != len(body.seeds):
            raise SwarmError("a verdict's seeds differ from each other", "bounds")
        for seed in body.seeds:
            _whole(seed, "seed")
        for metric in body.metrics:
            if why := unbelievable(metric, body.klass.direction, body.klass.metric, None):
                raise SwarmError(f"a verdict proves nothing by this: {why}", "verdict")
    elif isinstance(body, Hypothesis | Insight):
        if not body.text.strip():
            raise SwarmError("there is nothing in the text", "bounds")
        if body.klass is not None:
            klass(body.klass)
        if isinstance(body, Hypothesis) and (not 1 <= body.priority <= 5 or body.state not in STATES):
            raise SwarmError(f"a hypothesis has a priority from 1 to 5 and a state of {', '.join(STATES)}", "bounds")


def klass(value: Klass) -> None:
    """Whether a class can be. Errors: SwarmError("bounds")."""
    _hash(value.contract, "contract")
    if not 0 < len(value.gpu) <= 100 or not value.gpu.isprintable():
        raise SwarmError("a class names a GPU model, or cpu", "bounds")
    if not 0 <= value.vram_gb <= 10_000:
        raise SwarmError("vram_gb is from 0 to 10,000", "bounds")


def change(value: Change) -> None:
    """Whether a change can be. Errors: SwarmError("bounds")."""
    _hash(value.contract, "contract")
    _hash(value.fingerprint, "fingerprint")
    _hash(value.base, "base")
    if len(value.params) > 64 or len(value.description) > LONGEST:
        raise SwarmError("a change has at most 64 constants and a description that can be read", "size")


def claim(id: str, wanted: Change, of: Klass) -> None:
    """Whether a claim can be. Errors: SwarmError: "bounds", "size"."""
    if not _HEX32.fullmatch(id):
        raise SwarmError("a claim's id is 32 hexadecimal digits", "bounds")
    change(wanted)
    klass(of)
    _texts(msgspec.to_builtins(wanted))
    if wanted.contract != of.contract:
        raise SwarmError("a claim's class and change are of two contracts", "bounds")


def unbelievable(metric: float | None, direction: str, name: str, best: float | None) -> str:
    """Why a metric is set aside until somebody looked at it; "" for one that can be."""
    if metric is None:
        return ""
    if metric <= 0:
        return f"{name} {metric:g} is not positive"
    if name == "val_bpb" and metric < LEAST_BPB:
        return f"val_bpb {metric:g} is below {LEAST_BPB:g}: no model reads text so well"
    gain = 0.0 if best is None else (best - metric if direction == "lower" else metric - best)
    if best is None or gain <= leap(best):
        return ""
    return f"a gain of {gain:.4f} in one step over the class's best"


def leap(metric: float) -> float:
    """The largest gain over `metric` that is believed at once."""
    return JUMP * max(1.0, abs(metric))


def disbelieved(state: str, metric: float | None, name: str) -> bool:
    """Whether a result says nothing of its code: re-runs refuted it, the owner withdrew it, it repeats another, or no
    re-run could bear it out. A jump that waits for its re-run is not meant: trying it anew would only double that."""
    return state in ("refuted", "withdrawn", "repeat") or (
        state == "quarantined" and bool(unbelievable(metric, "lower", name, None))
    )


def _hash(value: str, name: str) -> None:
    if not _HEX64.fullmatch(value):
        raise SwarmError(f"{name} is a sha256: 64 hexadecimal digits", "bounds")


def _whole(value: int, name: str, least: int = 0) -> None:
    if not least <= value < 1 << 53:
        raise SwarmError(f"{name} is a whole number from {least} to 2**53", "bounds")
