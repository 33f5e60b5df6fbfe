"""The mark that every process of a trial carries in its environment, by which it is told from others and found again.

It reads `<session id>:<run>:<trial>`. A prefix of whole parts names more: `<session id>` all of a session's
processes, `<session id>:7` those of run 7 and not those of run 70.
"""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

COOKIE = "OVERNIGHT_COOKIE"
"""The environment variable."""


def cookie(session: str, run: int, trial: int) -> str:
    """The cookie of one trial. `session` must not contain a colon."""
    if not session or ":" in session:
        raise ValueError(f"a session's id is a text without a colon, not {session!r}")
    return f"{session}:{run}:{trial}"


def cookie_of_job(session: str, command: str) -> str:
    """The cookie of one piece of queued work, named by its command."""
    if not session or ":" in session + command:
        raise ValueError(f"a session's and a command's id are texts without a colon, not {session!r}, {command!r}")
    return f"{session}:job:{command}"


def belongs(found: str | None, prefix: str) -> bool:
    """Whether a cookie is `prefix` or begins with the whole parts of `prefix`."""
    return found is not None and bool(prefix) and (found == prefix or found.startswith(prefix + ":"))


def cookie_of(pid: int) -> str | None:
    """The cookie that process `pid` was started with; None without one, or when it is gone or another user's."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            if os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            entries = file.read().split(b"\0")
    except OSError:
        return None
    wanted = COOKIE.encode() + b"="
    return next(
        (entry[len(wanted) :].decode("utf-8", "replace") for entry in entries if entry.startswith(wanted)), None
    )


def session_id(root: Path) -> str:
    """A session's id in cookies: the same after a restart, another for every folder and host."""
    text = f"{socket.gethostname()}\0{root.resolve()}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
