"""runs/NNNN/researcher.log: what an agent says and does, line by line as it happens, harmless and without secrets."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path

from engine.researchers.credentials import redacted
from engine.session.inert import inert

NAME = "researcher.log"
_LINE = 4000
_MOST_BYTES = 16 << 20


class LiveLog:
    """Appends to the log in `folder`; from any thread. `secrets` are hidden besides the environment's."""

    def __init__(self, folder: Path, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / NAME).open("a", encoding="utf-8", errors="replace")
        self._room = _MOST_BYTES - self._file.tell()

    def hidden(self, text: str) -> str:
        """`text` without secrets."""
        return redacted(text, None, *self._secrets)

    def write(self, line: str) -> None:
        """Append a line; past 16 MiB nothing more."""
        with self._lock:
            if self._file.closed or self._room <= 0:
                return
            text = inert(self.hidden(line))
            text = text if len(text) <= _LINE else text[: _LINE - 1] + "…"
            self._room -= len(text) + 1
            with contextlib.suppress(OSError):  # a full disk must not leave the agent's output unread
                self._file.write((text if self._room > 0 else "… no more of it is kept") + "\n")
                self._file.flush()

    def close(self) -> None:
        """Close the file; later lines are dropped."""
        with self._lock, contextlib.suppress(OSError):
            self._file.close()
