"""A real terminal for a test: a tmux server of its own, its keys and its screen."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.loop.lab import ENV

PATIENCE_S = 60.0
HAS_TMUX = shutil.which("tmux") is not None
_CLOCKS = re.compile(r"\d+(?:\.\d+)? [kM]?B/s")


class Terminal:
    """One console in a tmux of its own, `columns` × `rows`. The pane stays when the program ends."""

    def __init__(
        self,
        session: Path,
        columns: int = 80,
        rows: int = 24,
        *words: str,
        operator: str = "ann",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = tempfile.mkdtemp(prefix="tmx")  # tmux's socket path has room for 107 bytes
        self._env = {
            **ENV,
            "TMUX_TMPDIR": self._folder,
            "OVERNIGHT_OPERATOR": operator,
            "LC_ALL": "C.UTF-8",
            "XDG_CONFIG_HOME": self._folder,
        }
        self._env.pop("TMUX", None)
        self._env.pop("NO_COLOR", None)
        command = shlex.join([sys.executable, "-m", "engine.cli.front", "attach", *words, str(session)])
        given = " ".join(f"{name}={shlex.quote(value)}" for name, value in (environ or {}).items())
        self._tmux("start-server", ";", "set", "-g", "remain-on-exit", "on", ";", "set", "-g", "status", "off", ";",
                   "new-session", "-d", "-x", str(columns), "-y", str(rows), f"exec env {given} {command}")  # fmt: skip

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-L", "test", "-f", "/dev/null", *words],
            env=self._env, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, check=True,
        )  # fmt: skip
        return done.stdout

    def press(self, *keys: str) -> None:
        """Send keys by their tmux names, one after the other."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Send text as it is."""
        self._tmux("send-keys", "-l", "--", text)

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def text(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p")

    def coded(self) -> str:
        """What is on the screen, with its colours as escape sequences."""
        return self._tmux("capture-pane", "-p", "-e")

    def last_words(self) -> str:
        """All that was printed below the shell's prompt, once the program has ended."""
        until(lambda: self.ended, "the end of the console")
        return self._tmux("capture-pane", "-p", "-S", "-")

    def still(self) -> str:
        """What is on the screen without what this very console costs its line."""
        return "\n".join(line.rstrip() for line in _CLOCKS.sub("- B/s", self.text()).splitlines())

    def option(self, name: str) -> str:
        """What tmux knows of the pane by this name: pane_title, pane_pid, …"""
        return self._tmux("display-message", "-p", f"#{{{name}}}").strip()

    def pid(self) -> int:
        """The process in the pane."""
        return int(self.option("pane_pid"))

    @property
    def ended(self) -> bool:
        """Whether the program has ended."""
        return self.option("pane_dead") == "1"

    def wait_for(self, pattern: str, *, gone: bool = False) -> str:
        """Wait until the screen shows the pattern (a regular expression), or no longer does; the screen's text."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            text = self.text()
            if (re.search(pattern, text, re.MULTILINE) is None) is gone:
                return text
            assert time.monotonic() < deadline, f"{pattern!r} {'stayed' if gone else 'never came'}:\n{text}"
            time.sleep(0.05)

    def close(self) -> None:
        """The line is lost: tmux is killed and with it the pty's other end."""
        subprocess.run(["tmux", "-L", "test", "kill-server"], env=self._env, capture_output=True, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)


def until(true: Callable[[], object], what: str) -> None:
    """Wait until `true()`. Errors: AssertionError after a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"{what} never came true"
        time.sleep(0.03)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
