"""Whose a process on a device is, in words: its user, its command line, and the session when it is a run's."""

from __future__ import annotations

import pwd
from pathlib import Path

from engine.gpu.samples import GpuProcess
from engine.session.cookie import belongs
from engine.session.inert import inert

COMMAND_WIDTH = 80


def describe(process: GpuProcess, own: str = "", proc: Path = Path("/proc")) -> str:
    """One process for the operator. `own`: this session's id in cookies.

    In a container the driver names processes by numbers that mean nothing here: such a one is only its number and its
    memory.
    """
    memory = "" if process.used_mb is None else f"{process.used_mb / 1024:.1f} GiB "
    folder = proc / str(process.pid)
    said = [f"pid {process.pid}"]
    user = _user(folder)
    if user:
        said.append(f"user {user}")
    if belongs(process.cookie, own):
        said.append(f"left by run {_run(process.cookie)} of this session")
    elif process.cookie is not None:
        said.append(f"run {_run(process.cookie)} of {_session(folder)}")
    command = _command(folder)
    name = inert(process.name or "") or "a process that is not visible here"
    return f"{memory}{name} ({', '.join(said)})" + (f": {command}" if command else "")


def _run(cookie: str | None) -> str:
    parts = (cookie or "").split(":")
    return parts[1] if len(parts) > 1 else "?"


def _user(folder: Path) -> str:
    try:
        number = folder.stat().st_uid
    except OSError:
        return ""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _session(folder: Path) -> str:
    """A run works in its session's folder, whose name is the session's."""
    try:
        return f"session {inert((folder / 'cwd').readlink().name)}"
    except OSError:
        return "another session"


def _command(folder: Path) -> str:
    try:
        words = (folder / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    text = inert(b" ".join(word for word in words if word).decode("utf-8", "replace"))
    return text if len(text) <= COMMAND_WIDTH else text[: COMMAND_WIDTH - 1] + "…"
