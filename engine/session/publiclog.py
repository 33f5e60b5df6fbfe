"""autoresearch.jsonl: written strictly, read generously (ours, pi-autoresearch's `.auto/log.jsonl`, `results.tsv`)."""

from __future__ import annotations

import errno
import fcntl
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from engine.session.foreign import Other, read_line
from engine.session.publicrecords import (
    CRASH,
    DIRECTIONS,
    STATUSES,
    ConfigLine,
    LogReading,
    OverrideLine,
    Problem,
    ResultLine,
    Unreadable,
    excerpt,
)
from engine.session.tsv import read_tsv

__all__ = [
    "ConfigLine",
    "LogReading",
    "OverrideLine",
    "Problem",
    "PublicLogError",
    "ResultLine",
    "append",
    "encode",
    "read_log",
    "read_text",
]

_OPTIONAL = ("asi", "duration_s", "trials", "flags", "group", "usage")

Line = ConfigLine | ResultLine | OverrideLine


class PublicLogError(ValueError):
    """A record that must not be written. The message says which and why."""


def encode(line: Line) -> bytes:
    """`line` as one line of JSON, newline included. Errors: PublicLogError."""
    if isinstance(line, ConfigLine):
        found = _config(line)
    elif isinstance(line, OverrideLine):
        found = {"type": "override", "run": line.run, "status": _status(line.run, line.status), "by": line.by}
        found |= {"reason": line.reason, "commit": line.commit}
    else:
        found = _result(line)
    try:
        return msgspec.json.encode(found) + b"\n"
    except UnicodeEncodeError:  # half a character, from a description that was never UTF-8
        return msgspec.json.encode(_encodable(found)) + b"\n"


def append(path: Path, lines: Iterable[Line]) -> bytes:
    """Add `lines` with one write and one fsync, all or nothing. Returns what a crash had left torn and was cut off.

    A last line without its newline gets one if it is whole or no JSON of ours. Errors: PublicLogError, OSError.
    """
    data = b"".join(map(encode, lines))
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)  # `overnight record` and the engine may meet here
        torn = _heal(fd)
        size = os.fstat(fd).st_size
        try:
            if os.write(fd, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(fd)
        except OSError:
            os.ftruncate(fd, size)
            raise
        return torn
    finally:
        os.close(fd)


def read_log(path: Path) -> LogReading:
    """All of the log at `path`; nothing when there is no such file. Errors: OSError."""
    try:
        return read_text(path.read_bytes())
    except FileNotFoundError:
        return LogReading()


def read_text(data: bytes) -> LogReading:
    """All of a log's bytes, JSON lines or a table. Never raises for what they hold."""
    start = data.lstrip(b"\xef\xbb\xbf\0 \r\n\t")
    if not start.startswith((b"{", b"[")) and b"\t" in start:
        return read_tsv(data.decode("utf-8", "replace"))
    reading = LogReading()
    segment = 0
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = read_line(line, len(reading.results) + 1, segment)
        except Unreadable as error:
            if number == len(lines):
                reading.torn = number
            else:
                reading.problems.append(Problem(number, excerpt(line.decode("utf-8", "replace")), str(error)))
            continue
        if isinstance(found, ResultLine):
            reading.results.append(found)
            segment = found.segment
        elif isinstance(found, ConfigLine):
            # A segment nothing was measured in is none: configs may be written anew before the baseline.
            segment += any(result.segment == segment for result in reading.results[-1:])
            reading.configs[segment] = found
        elif isinstance(found, Other):
            reading.unknown[found.type] = reading.unknown.get(found.type, 0) + 1
        else:
            reading.overrides.append(found)
    return reading


def _config(line: ConfigLine) -> dict[str, Any]:
    if line.best_direction not in DIRECTIONS:
        raise PublicLogError(f"bestDirection must be lower or higher, not {line.best_direction!r}")
    return {
        "type": "config",
        "name": line.name,
        "metricName": line.metric_name,
        "metricUnit": line.metric_unit,
        "bestDirection": line.best_direction,
    }


def _result(line: ResultLine) -> dict[str, Any]:
    numbers = {"metric": line.metric, "confidence": line.confidence, "duration_s": line.duration_s}
    for name, value in (*numbers.items(), *line.metrics.items(), *line.usage.items()):
        if value is not None and not math.isfinite(value):
            raise PublicLogError(
                f"run {line.run}: {name} is {value}, which a log cannot hold; leave it out or log a crash"
            )
    _status(line.run, line.status)
    if line.status == CRASH and line.metric != 0:
        raise PublicLogError(f"run {line.run}: a crash has metric 0, not {line.metric}")
    found = {
        "run": line.run,
        "commit": line.commit,
        "metric": line.metric,
        "metrics": line.metrics,
        "status": line.status,
        "description": line.description,
        "timestamp": line.timestamp,
        "segment": line.segment,
        "confidence": line.confidence,
    }
    return found | {name: value for name in _OPTIONAL if (value := getattr(line, name))}


def _status(run: int, status: str) -> str:
    if status not in STATUSES:
        raise PublicLogError(f"run {run}: the status must be one of {', '.join(STATUSES)}, not {status!r}")
    return status


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(k): _encodable(v) for k, v in value.items()}
    return [_encodable(v) for v in value] if isinstance(value, list | tuple) else value


def _heal(fd: int) -> bytes:
    size = os.fstat(fd).st_size
    start, tail = size, b""
    while start and b"\n" not in tail:
        begin = max(0, start - 65536)
        tail = os.pread(fd, start - begin, begin) + tail
        start = begin
    torn = tail[tail.rfind(b"\n") + 1 :]
    if not torn:
        return b""
    try:
        msgspec.json.decode(torn)
        whole = True
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = not torn.lstrip(b"\0").startswith(b"{") and bool(torn.strip(b"\0"))
    if whole:
        os.write(fd, b"\n")
        return b""
    os.ftruncate(fd, size - len(torn))
    return torn
