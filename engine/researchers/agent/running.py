"""One run of an agent's program on the leash: the prompt on its standard input, its output heard line by line."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from engine.work import leash

_LONGEST = 8 << 20  # bytes of one line; what is longer is dropped
_LAST = 12  # lines of standard error that are remembered


def run(
    argv: Sequence[str],
    *,
    folder: Path,
    env: Mapping[str, str],
    prompt: Path,
    limit_s: float,
    cookie: str,
    hold: Callable[[leash.Leashed | None], None],
    out: Callable[[str], None],
    err: Callable[[str], None],
) -> tuple[leash.Ending, list[str]]:
    """How the program ended, and the last lines of its standard error.

    `out` and `err` get each line from threads of their own. `hold` gets the child while it runs, then None. Errors:
    LeashError, OSError.
    """
    last: deque[str] = deque(maxlen=_LAST)

    def complaint(line: str) -> None:
        if line.strip():
            err(line)
            if not line.lstrip().startswith("at "):  # a frame of a JavaScript stack tells nobody anything
                last.append(line)

    with contextlib.ExitStack() as opened:
        given = os.open(prompt, os.O_RDONLY)
        opened.callback(os.close, given)
        readers = []
        ends = []
        for hear in (out, complaint):
            read_end, write_end = os.pipe()
            readers.append(threading.Thread(target=_follow, args=(read_end, hear), daemon=True))
            ends.append(write_end)
        try:
            child = leash.start(
                argv, cwd=folder, env=env, limit_s=limit_s, stdin=given, stdout=ends[0], stderr=ends[1], cookie=cookie
            )
        finally:
            for end in ends:
                os.close(end)
            for reader in readers:
                reader.start()
    hold(child)
    try:
        ending = child.ended()
    finally:
        hold(None)
    for reader in readers:
        reader.join(10)  # all writers are dead; only a reader that is slow itself could make this wait
    return ending, list(last)


def _follow(handle: int, hear: Callable[[str], None]) -> None:
    for line in _lines(handle):
        hear(line)


def _lines(handle: int) -> Iterator[str]:
    rest, dropping = b"", False
    with os.fdopen(handle, "rb", buffering=0) as file:
        while piece := file.read(65536):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                if not dropping:
                    yield line.decode("utf-8", "replace")
                dropping = False
            if dropping or len(rest) > _LONGEST:
                rest, dropping = b"", True
    if rest and not dropping:
        yield rest.decode("utf-8", "replace")
