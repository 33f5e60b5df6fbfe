"""Starting an engine as a daemon: a process session of its own that no closed terminal touches."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import msgspec

from engine.loop.main import LaunchRefused, new_start_id
from engine.session.paths import SessionPaths
from engine.session.settings import Limits

LOG_BYTES = 1 << 20
"""engine.log is cut to its end when it is larger at a start."""


class Launched(msgspec.Struct, frozen=True):
    """A running daemon."""

    pid: int
    start_id: str


class Told(msgspec.Struct):
    """What the daemon tells whoever starts it: ready, or why not (`code`)."""

    ready: bool
    message: str = ""
    code: int = 0


def start_daemon(
    paths: SessionPaths,
    *,
    limits: Limits | None = None,
    dirty: bool = False,
    jobs_only: bool = False,
    gpu: str | None = None,
    fit: bool = True,
    wait_s: float = 60.0,
) -> Launched:
    """Start an engine and wait until it holds the session. Errors: LaunchRefused with its reason and exit code."""
    start_id = new_start_id()
    read, write = os.pipe()
    argv = [sys.executable, "-m", "engine.loop", str(paths.root), "--start-id", start_id, "--tell", str(write)]
    if limits is not None:
        argv += ["--limits", msgspec.json.encode(limits).decode()]
    argv += ["--dirty"] * dirty + ["--jobs"] * jobs_only + ["--no-fit"] * (not fit)
    if gpu is not None:
        argv += ["--gpu", gpu]
    try:
        paths.private.mkdir(mode=0o700, exist_ok=True)
        with _log(paths.engine_log) as log:
            child = subprocess.Popen(
                argv,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(write,),
                env={**os.environ, "PYTHONSAFEPATH": "1"},
            )
    except OSError as error:
        os.close(read)
        raise LaunchRefused(f"the engine of {paths.name} could not be started: {error}", 1) from error
    finally:
        os.close(write)
    with os.fdopen(read, "rb") as pipe:
        return _hear(paths, child, pipe.fileno(), start_id, wait_s)


def _hear(paths: SessionPaths, child: "subprocess.Popen[bytes]", fd: int, start_id: str, wait_s: float) -> Launched:
    os.set_blocking(fd, False)
    deadline, said = time.monotonic() + wait_s, b""
    while time.monotonic() < deadline and b"\n" not in said:
        try:
            piece = os.read(fd, 65536)
        except BlockingIOError:
            time.sleep(0.02)
            continue
        said += piece
        if not piece:
            break
    try:
        told = msgspec.json.decode(said.split(b"\n")[0], type=Told)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if child.poll() is None and time.monotonic() >= deadline:
            raise LaunchRefused(f"the engine of {paths.name} is not ready after {wait_s:g} s", 1) from None
        raise LaunchRefused(f"the engine of {paths.name} ended at once; see {paths.engine_log}", 1) from None
    if not told.ready:
        child.wait()
        raise LaunchRefused(told.message, told.code)
    return Launched(child.pid, start_id)


def _log(path: Path) -> BinaryIO:
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.write_bytes(path.read_bytes()[-LOG_BYTES // 4 :])
    return path.open("ab")
