"""One engine per session: flock on .overnight/engine.lock, whose text says who holds it."""

import fcntl
import os
import socket
import time
from pathlib import Path
from types import TracebackType

import msgspec


class Holder(msgspec.Struct):
    """Who holds a lock: process, host, the engine's start id; `kind` "engine", or "hand" for a verb without one."""

    pid: int
    host: str
    start_id: str
    kind: str = "engine"


class Held(Exception):
    """Somebody else holds the lock; `holder` is None when its text cannot be read."""

    def __init__(self, path: Path, holder: Holder | None) -> None:
        who = f"process {holder.pid} on {holder.host}" if holder else "another process"
        super().__init__(f"{who} holds {path}")
        self.holder = holder


class Lock:
    """Take it with `Lock(path, start_id)`. Errors: Held, OSError. It falls with the process, however that ends."""

    def __init__(self, path: Path, start_id: str, kind: str = "engine") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take()
        except OSError as error:
            text = os.pread(self._fd, 4096, 0)
            os.close(self._fd)
            if isinstance(error, BlockingIOError):
                raise Held(path, _decode(text)) from None
            raise
        self.holder = Holder(os.getpid(), socket.gethostname(), start_id, kind)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, msgspec.json.encode(self.holder), 0)

    def _take(self) -> None:
        """Lock. `holder` takes a shared lock for a moment, which must not look like a holder: then try again."""
        for _ in range(2000):
            try:
                return fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # fails where somebody really holds it
                fcntl.flock(self._fd, fcntl.LOCK_UN)
                time.sleep(0.001)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Give it back."""
        if self._fd >= 0:
            try:
                os.ftruncate(self._fd, 0)
            except OSError:
                pass
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> "Lock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def holder(path: Path) -> Holder | None:
    """Who holds the lock at `path` now; None when nobody does."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _decode(os.pread(fd, 4096, 0)) or Holder(0, "unknown", "")
    except OSError:
        return None
    finally:
        os.close(fd)
    return None


def engine_of(path: Path) -> Holder | None:
    """The engine that holds the lock at `path` now. A verb that holds it for a moment is none."""
    held = holder(path)
    return held if held is not None and held.kind == "engine" else None


def _decode(text: bytes) -> Holder | None:
    try:
        return msgspec.json.decode(text, type=Holder)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
