"""What devices and machine did while a trial ran: runs/NNNN/telemetry.jsonl, one `Snapshot` a line."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType

import msgspec

from engine.gpu.sampler import Sampler
from engine.gpu.samples import Snapshot
from engine.gpu.watched import DeviceWatch

EVERY_S = 1.0
BLOCK = 1 << 16
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Snapshot)


class Telemetry:
    """Appends a snapshot each `every_s` seconds, in a thread, from `start` to `stop` (or within a `with` block).

    `watch` sees each of them, and one more after the end. A disk that refuses costs the telemetry, never the trial: it
    then ends, and `trouble` says why.
    """

    def __init__(
        self,
        path: Path,
        sampler: Sampler | None = None,
        every_s: float = EVERY_S,
        watch: DeviceWatch | None = None,
    ) -> None:
        self.path = path
        self.trouble: str | None = None
        self._watch = watch or DeviceWatch("", "")
        self._sampler = sampler or Sampler()
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._record, name="telemetry", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the last line to be written."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def __enter__(self) -> Telemetry:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _record(self) -> None:
        try:
            with self.path.open("ab", buffering=0) as file:
                while not self._stop.is_set():
                    snapshot = self._sampler.sample()
                    self._watch.see(snapshot)
                    file.write(_encoder.encode(snapshot) + b"\n")
                    self._stop.wait(self._every_s)
                self._watch.see(self._sampler.sample())  # how it left the device
        except OSError as error:
            self.trouble = f"{self.path} could not be written: {error.strerror}"
        finally:
            self._sampler.close()


def read_tail(path: Path, count: int = 120) -> list[Snapshot]:
    """The last `count` snapshots in `path`, oldest first; [] when there is none. Reads no more than it needs, and
    passes over lines that are torn or not snapshots."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data, start = b"", size
            while start > 0 and data.count(b"\n") <= count:
                end, start = start, max(0, start - BLOCK)
                file.seek(start)
                data = file.read(end - start) + data
    except OSError:
        return []
    lines = data.split(b"\n")
    found = []
    for line in lines[0 if start == 0 else 1 :]:
        try:
            found.append(_decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return found[-count:] if count > 0 else []
