"""Whether the swarm answers, for whoever asks from outside the engine: .overnight/swarm/link.json."""

import time
from pathlib import Path

import msgspec


class Report(msgspec.Struct, frozen=True):
    """`alone_since` is 0 while the swarm answers; `delivered` counts records since the engine's start."""

    alone_since: float = 0.0
    why: str = ""
    delivered: int = 0
    at: float = 0.0


class Link:
    """Written when something changes. A disk that fails costs the note."""

    def __init__(self, folder: Path) -> None:
        self.path, self.delivered = folder / "link.json", 0
        self._alone_since, self._why, self._written = 0.0, "", -1

    def told(self, why: str, waiting: int, refused: bool = False) -> str:
        """Take in how the last round went ("" = well); the sentence for the operator where that is new.

        `refused`: the swarm answers, and takes nothing from this member.
        """
        was = self._alone_since
        self._alone_since = (was or time.time()) if why else 0.0
        said = ""
        if why and not was and refused:
            said = f"the swarm takes nothing from this session ({why}): the loop goes on alone"
        elif why and not was:
            said = f"the swarm does not answer ({why}): the loop goes on alone, and what it has to say waits"
        elif was and not why:
            said = "the swarm answers again" + (f"; {waiting} records wait" if waiting else "; all was delivered")
        if said or self._written != self.delivered:
            self._why, self._written = why, self.delivered
            self._write()
        return said

    def _write(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = self.path.with_suffix(".tmp")
            report = Report(self._alone_since, self._why, self.delivered, time.time())
            temporary.write_bytes(msgspec.json.encode(report))
            temporary.replace(self.path)
        except OSError:
            self._written = -1


def read(folder: Path) -> Report:
    """What was written last; the default where nothing was."""
    try:
        return msgspec.json.decode((folder / "link.json").read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError):
        return Report()
