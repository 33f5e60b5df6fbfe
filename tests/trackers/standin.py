"""A tracker of the tests' own: records as files, and failures when asked for."""

import json
from pathlib import Path

import msgspec

from engine.trackers.record import Record
from engine.trackers.tracker import TrackerTrouble


class Standin:
    """`failures`: so many of the next calls of `put` and `push` fail. `puts` counts the calls that did not."""

    name = "standin"

    def __init__(self, folder: Path, target: str = "project") -> None:
        self.folder, self.target = folder, target
        self.put_failures = self.push_failures = self.puts = self.pushes = 0
        folder.mkdir(exist_ok=True)

    def put(self, record: Record) -> None:
        if self.put_failures:
            self.put_failures -= 1
            raise TrackerTrouble("the disk is away")
        self.puts += 1
        (self.folder / f"{record.id}.json").write_bytes(msgspec.json.encode(record))

    def push(self) -> None:
        if self.push_failures:
            self.push_failures -= 1
            raise TrackerTrouble("the network is away")
        self.pushes += 1

    def records(self) -> dict[int, dict]:
        """What is there, by run."""
        found = [json.loads(path.read_bytes()) for path in self.folder.iterdir()]
        return {record["config"]["run"]: record for record in found}
