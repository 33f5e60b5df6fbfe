"""Running a session's prepare.py: its progress passed on, what it made returned, its failure put in words."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from engine.session.cookie import COOKIE
from engine.work.constants import ConstantError, read_constants, set_constant
from engine.work.environment import trial_environment

FILE = "prepare.py"
KEPT_LINES = 20
INSTALL = "pip install 'overnight[train]'"


class PreparationError(Exception):
    """The data could not be prepared; the message says why and what would help."""


def prepare(
    root: Path,
    *,
    python: str = sys.executable,
    arguments: Sequence[str] = (),
    on_progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Run the session's prepare.py to its end and return the JSON object it printed ({} when it prints none).

    `on_progress` gets each line of its narration. Interrupted, it ends the child first. Errors: PreparationError.
    """
    if not (root / FILE).is_file():
        raise PreparationError(f"{root}: has no {FILE}; its own train.py has to find its data by itself")
    environment = trial_environment(os.environ, python=python, seed=0, cookie="", run=0, cpu=False)
    for name in (COOKIE, "OVERNIGHT_SEED", "OVERNIGHT_RUN"):
        environment.pop(name, None)
    told: deque[str] = deque(maxlen=KEPT_LINES)
    with tempfile.TemporaryFile() as out:
        try:
            child = subprocess.Popen(
                [python, FILE, *arguments], cwd=root, env=environment, stdout=out, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise PreparationError(f"cannot run {python}: {error.strerror}") from error
        try:
            assert child.stderr is not None
            for line in _lines(child.stderr):
                told.append(line)
                on_progress(line)
            code = child.wait()
        except BaseException:
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            raise
        finally:
            assert child.stderr is not None
            child.stderr.close()
        out.seek(0)
        printed = out.read().decode("utf-8", "replace")
    if code:
        raise PreparationError(_why(code, list(told), python))
    return _last_object(printed)


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Lines as they come; a carriage return ends one too."""
    rest = b""
    while chunk := os.read(stream.fileno(), 65536):
        *whole, rest = re.split(rb"\r\n|\n|\r(?!\Z)", rest + chunk)
        yield from (line.decode("utf-8", "replace") for line in whole if line.strip())
    if rest.strip():
        yield rest.decode("utf-8", "replace").rstrip("\r")


def _why(code: int, told: list[str], python: str) -> str:
    text = "\n".join(told)
    missing = re.search(r"No module named '([^'.]+)", text)
    if missing:
        return f"{FILE} needs {missing[1]}, which {python} does not have; install it with: {INSTALL}"
    if "Traceback (most recent call last)" in text or not text:
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"{FILE} {ended}" + (f": {told[-1]}\nrun it by hand to see more: {python} {FILE}" if told else "")
    return "\n".join(line for line in told if line.startswith("prepare:")) or told[-1]


def _last_object(printed: str) -> dict[str, Any]:
    for line in reversed(printed.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        return found if isinstance(found, dict) else {}
    return {}


def pin_data(root: Path, data_hash: str) -> bool:
    """Write DATA_HASH into the session's prepare.py; False when it has none, or has this one already."""
    path = root / FILE
    text = path.read_bytes().decode("utf-8")
    try:
        if read_constants(text).get("DATA_HASH") in (None, repr(data_hash), f'"{data_hash}"'):
            return False
        changed = set_constant(text, "DATA_HASH", f'"{data_hash}"')
    except (SyntaxError, ConstantError) as error:
        raise PreparationError(f"{path}: {error}") from error
    path.write_bytes(changed.encode("utf-8"))
    return True
