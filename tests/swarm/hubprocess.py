"""A hub as users run it: `overnight swarm serve` in a process of its own, on loopback."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from engine.swarm.client import Client
from engine.swarm.keys import KeyPair

READY_S = 60.0


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def overnight(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command line, run to its end."""
    command = [sys.executable, "-P", "-m", "engine.cli.front", *words]
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        command, capture_output=True, text=True, timeout=READY_S, env={**os.environ, "PYTHONPATH": root, **(env or {})}
    )


class HubProcess:
    """Use as a context: it is killed at the end. The port stays the same over restarts."""

    def __init__(
        self, database: str, folder: Path, *extra: str, env: dict[str, str] | None = None, scheme: str = "http"
    ) -> None:
        self.database, self.extra, self.scheme = database, extra, scheme
        self.port = free_port()
        self.env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **(env or {})}
        self.log = folder / "hub.log"
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def start(self) -> "HubProcess":
        """Start it, and wait until it listens."""
        command = [sys.executable, "-P", "-m", "engine.cli.front", "swarm", "serve", "--database", self.database]
        command += ["--port", str(self.port), *self.extra]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=self.env)
        line: list[str] = []
        reader = threading.Thread(target=lambda: line.append(self.process.stdout.readline()), daemon=True)  # type: ignore[union-attr]
        reader.start()
        reader.join(READY_S)
        assert line and re.search(rf"{self.scheme}://[\d.]+:\d+", line[0]), (line, self.log.read_text())
        return self

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """As an operator would; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(READY_S)

    def invite(self, uses: int = 1) -> str:
        """An invitation."""
        done = overnight("swarm", "invite", "--database", self.database, "--uses", str(uses), "--json", env=self.env)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return str(found["invitation"])

    def client(self, key: KeyPair | None = None, timeout_s: float = READY_S) -> Client:
        """A member's view of it."""
        return Client(self.url, key, timeout_s)

    def __enter__(self) -> "HubProcess":
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
