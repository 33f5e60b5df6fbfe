"""What a swarm holds as rows of text and as documents. Other members' words are made harmless on their way."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from engine.cli.output import safe
from engine.swarm.api import Lease, Row, SwarmError
from engine.swarm.checks import read
from engine.swarm.hints import line, outcome
from engine.swarm.keys import check_record
from engine.swarm.records import Hypothesis, Insight, Result

SHORT = 8
"""Digits of an id that are shown; any unique beginning is taken."""


def checked(rows: Iterable[Row], swarm: str) -> list[tuple[Row, Any]]:
    """The rows that are what their members signed, with their bodies; others are left out."""
    found = []
    for row in rows:
        try:
            if row.record.swarm != swarm:
                continue
            check_record(row.record, row.key)
            found.append((row, read(row.record)))
        except SwarmError:
            continue
    return found


def document(row: Row, body: Any) -> dict[str, Any]:
    """A row for --json: the record's body, and what the swarm knows of it; a state is the one of now."""
    now = {
        "id": row.record.id,
        "kind": row.record.kind,
        "name": row.name,
        "member": row.record.member,
        "stored": row.stored,
        "state": row.state,
        "reason": row.reason,
        "by": row.by,
        "decided": row.decided,
        "verified": row.verified,
    }
    return {**now, **{name: value for name, value in msgspec.to_builtins(body).items() if name not in now}}


def result_line(row: Row, body: Result) -> str:
    """`a1b2c3d4  verified  val_bpb 0.993100, keep  amy  lower LR …`."""
    told = f"{row.record.id[:SHORT]}  {row.state or '-':<11}  {outcome(row, body):<24}  {row.name:<16}"
    return safe(f"{told}  {line(body.description or 'baseline')}")


def idea_line(row: Row, body: Hypothesis | Insight) -> str:
    """A hypothesis or an insight with its author and evidence."""
    urgent = f"  p{body.priority} {row.state}" if isinstance(body, Hypothesis) else ""
    evidence = f"  ({line(body.evidence)})" if body.evidence else ""
    return safe(f"{row.record.id[:SHORT]}{urgent}  {row.name}: {line(body.text)}{evidence}")


def any_line(row: Row, body: Any) -> str:
    """A row of whatever kind."""
    return result_line(row, body) if isinstance(body, Result) else idea_line(row, body)


def lease_line(lease: Lease) -> str:
    """Who tries what, and whether the lease still runs."""
    state = "runs" if lease.live else "ran out"
    return safe(f"{lease.claim[:SHORT]}  {state:<7}  {lease.name:<16}  {line(lease.description)}")


def class_words(gpu: str, contract: str) -> str:
    """A class in columns: `H100 80GB HBM3  1a2b3c4d`."""
    return f"{gpu.removeprefix('NVIDIA ').removeprefix('GeForce '):<14}  {contract[:SHORT]}"


def place_line(entry: dict[str, Any]) -> str:
    """A line of the leaderboard."""
    best = entry["verified"] if entry["verified"] is not None else entry["reported"]
    shown = "-" if best is None else f"{best:.6f}"
    state = "verified" if entry["verified"] is not None else "unverified" if best is not None else ""
    told = f"{class_words(entry['gpu'], entry['contract'])}  {shown:>10}  {state:<10}  {entry['name']:<16}"
    return safe(f"{told}  {entry['results']} results, {entry['keeps']} kept")


def ago(then: float, now: float | None = None) -> str:
    """How long ago, in words."""
    past = max(0.0, (time.time() if now is None else now) - then)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if past >= size:
            return f"{past / size:.0f} {unit} ago"
    return f"{past:.0f} s ago"


def text(lines: Sequence[str], nothing: str) -> str:
    """The lines, or what to say where there are none."""
    return "\n".join(lines) or nothing
