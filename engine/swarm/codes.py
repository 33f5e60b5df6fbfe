"""Other members' code on this disk, by its content's hash: what a re-run is laid out from."""

from pathlib import Path

import msgspec

from engine.swarm.api import SwarmError
from engine.swarm.code import hash_of

MOST = 32
"""So many are kept, the newest."""


class Codes:
    """Files in `folder`, one JSON object {name: text} a hash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, hash: str, files: dict[str, str]) -> None:
        """Keep it. Errors: OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / f"{hash}.json"
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(files))
        temporary.replace(path)
        there = sorted(self.folder.glob("*.json"), key=lambda found: found.stat().st_mtime, reverse=True)
        for old in there[MOST:]:
            old.unlink(missing_ok=True)

    def get(self, hash: str) -> dict[str, str]:
        """It again, checked against its hash. Errors: SwarmError("code")."""
        try:
            files = msgspec.json.decode((self.folder / f"{hash}.json").read_bytes(), type=dict[str, str])
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SwarmError(f"the code {hash[:12]} is not here (any more): {error}", "code") from error
        if hash_of(files) != hash:
            raise SwarmError(f"the kept code {hash[:12]} is not what its hash says", "code")
        return files
