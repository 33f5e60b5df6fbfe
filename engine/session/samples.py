"""Text that a run's model wrote: runs/NNNN/samples.json, made by train.py from fixed prompts after its evaluation."""

from __future__ import annotations

from pathlib import Path

import msgspec

FILE = "samples.json"
LARGEST = 1 << 18
"""Bytes that are read of a file which a training process wrote."""
MOST, LONGEST = 8, 4000
"""Samples of a run, and characters of each, that are shown."""


class Sample(msgspec.Struct, frozen=True):
    """A prompt, and how the model went on. Of unknown origin: make it inert before it is shown."""

    prompt: str
    text: str

    def written(self) -> str:
        """What the model added: the text without the prompt, where it repeats that."""
        return self.text.removeprefix(self.prompt)


def decode(data: bytes) -> list[Sample]:
    """Errors: msgspec.DecodeError."""
    found = msgspec.json.decode(data, type=list[Sample])[:MOST]
    return [Sample(one.prompt[:LONGEST], one.text[:LONGEST]) for one in found]


def load(folder: Path) -> list[Sample]:
    """The samples in a run's folder; [] where there are none that can be read."""
    path = folder / FILE
    try:
        if path.stat().st_size > LARGEST:
            return []
        return decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []
