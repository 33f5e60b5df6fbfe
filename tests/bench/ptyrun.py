"""A program on a pty whose every byte is timed: what a terminal would receive, and when."""

import atexit
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.bench.grid import Grid

_TICK = os.sysconf("SC_CLK_TCK")


class PtyRun:
    """Runs `command` on a pty of `columns` × `rows`. `seen` gets each chunk with the time (perf_counter) it came."""

    def __init__(
        self,
        command: Sequence[str],
        columns: int = 80,
        rows: int = 24,
        seen: Callable[[float, bytes], None] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "", **(environ or {})}
        env.pop("TMUX", None)
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # what was started before has its bytecode on the disk
        self.total, self.tail = 0, b""
        self._grid, self._unread = Grid(columns, rows), b""
        self._seen = seen
        self._came = threading.Condition()
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True
        )
        os.close(slave)
        atexit.register(self._process.kill)  # a bench that fails leaves nothing running
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            now = time.perf_counter()
            with self._came:
                self.total += len(data)
                self.tail = (self.tail + data)[-1_000_000:]
                self._unread += data
                if self._seen is not None:
                    self._seen(now, data)
                self._came.notify_all()

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._master, keys.encode())

    def forget(self) -> None:
        """Look for what comes from now on."""
        with self._came:
            self.tail = b""

    def wait_for(self, text: str, limit_s: float = 60.0) -> float:
        """Seconds (perf_counter) when `text` had come since the last `forget`, or is on the screen: of a text that
        replaces another only what differs comes. Errors: TimeoutError."""
        with self._came:
            if not self._came.wait_for(lambda: text.encode() in self.tail or text in self._shown(), limit_s):
                raise TimeoutError(f"{text!r} did not come; the output ends {self.tail[-300:]!r}")
        return time.perf_counter()

    def lines(self) -> list[str]:
        """What the screen shows."""
        with self._came:
            return self._shown().split("\n")

    def _shown(self) -> str:
        data, self._unread = self._unread, b""
        self._grid.feed(data)
        return "\n".join(self._grid.lines)

    def cpu_s(self) -> float:
        """Processor seconds so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def rss_mb(self) -> float:
        """Resident memory in MB."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def over(self, seconds: float) -> tuple[float, float]:
        """Bytes a second and percent of a core over so many seconds."""
        began, total, cpu = time.perf_counter(), self.total, self.cpu_s()
        time.sleep(seconds)
        took = time.perf_counter() - began
        return (self.total - total) / took, (self.cpu_s() - cpu) / took * 100

    def close(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.close(self._master)
