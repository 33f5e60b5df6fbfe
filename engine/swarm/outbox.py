"""What waits to be told: one file a record in .overnight/outbox/, written before anything is sent."""

import os
import time
from pathlib import Path

import msgspec

from engine.swarm.records import Record

DELIVERED, REFUSED = "delivered.log", " refused"


class Letter(msgspec.Struct, frozen=True):
    """A signed record, and the files that its code's hash stands for."""

    record: Record
    code: dict[str, str] | None = None


class Outbox:
    """Put in by the loop's thread, taken out by the deliverer's. Errors of `put`: OSError, with nothing left behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: set[str] | None = None

    def known(self) -> frozenset[str]:
        """Ids of what waits and of what was delivered, or refused for good."""
        if self._known is None:
            try:
                done = (self.folder / DELIVERED).read_text(encoding="ascii", errors="replace").split()
            except OSError:
                done = []
            self._known = {line for line in done if len(line) == 32} | {id_of(path) for path in self.waiting()}
        return frozenset(self._known)

    def put(self, letter: Letter) -> None:
        """Write one down, really on the disk. One that is known already is not written again."""
        if letter.record.id in self.known():
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{letter.record.id}.json"
        temporary = self.folder / f".{name}.tmp"
        try:
            with temporary.open("wb") as file:
                file.write(msgspec.json.encode(letter))
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self.folder / name)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        assert self._known is not None
        self._known.add(letter.record.id)

    def waiting(self) -> list[Path]:
        """What was not delivered yet, the oldest first."""
        try:
            names = [entry.name for entry in os.scandir(self.folder)]
        except OSError:
            return []
        return [self.folder / name for name in sorted(names) if name.endswith(".json") and name[0] != "."]

    def read(self, path: Path) -> Letter | None:
        """One of `waiting`; None for a broken one, which is set aside. Errors: OSError."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=Letter)
        except (msgspec.DecodeError, UnicodeDecodeError):
            path.rename(path.with_suffix(".broken"))
            return None

    def refused(self) -> int:
        """How many were not taken, for good."""
        try:
            done = (self.folder / DELIVERED).read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            return 0
        return len({line[:32] for line in done if line[32:] == REFUSED})

    def done(self, path: Path, id: str, refused: bool = False) -> None:
        """It was delivered, or will never be taken (`refused`). A full disk may forget it: then it is sent once more,
        and known there."""
        try:
            with (self.folder / DELIVERED).open("a", encoding="ascii") as file:
                file.write(f"{id}{REFUSED if refused else ''}\n")
        except OSError:
            pass
        path.unlink(missing_ok=True)


def id_of(path: Path) -> str:
    """The id of the record in one of `waiting`."""
    return path.stem.partition("-")[2]
