"""A console whose terminal is gone ends, also where no SIGHUP reaches it."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from engine.loop.main import run
from engine.session.settings import Limits
from tests.loop.lab import ENV, Lab


def test_a_console_that_hears_no_sighup_ends_with_its_terminal(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    run(lab.paths, limits=Limits(experiments=1))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    child = subprocess.Popen(
        ["bash", "-c", 'trap "" HUP; exec "$0" "$@"', sys.executable, "-P", "-m", "tui", "attach", str(lab.root)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**ENV, "TERM": "xterm-256color", "PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
    )
    os.close(slave)
    seen, deadline = b"", time.monotonic() + 60
    while b"pause" not in seen and time.monotonic() < deadline:
        seen += os.read(master, 65536)
    os.close(master)
    try:
        child.wait(timeout=60)
    finally:
        child.kill()
