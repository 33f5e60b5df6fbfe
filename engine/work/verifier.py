"""The independent measure, run as `python -P verifier.py SESSION -- MODEL_ARGV…` by `engine.work.verify`.

It imports the session's pinned prepare.py and nothing of train.py. The model answers from a process of its own
(MODEL_ARGV, see verifier_model.py), by pipe: nats for inputs and targets, all that evaluate_bpb needs. It then asks
what evaluate_bpb does not: whether the probabilities of all tokens sum to one, and whether a prediction changes with
the text that comes after it. One JSON line on stdout: val_bpb, mass, ahead; or error.

It stands alone, importing nothing of overnight.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from typing import IO, Any

import numpy as np
import torch

MOST_TOKENS = 8192
"""Of the vocabulary that the mass is summed over."""


class Gone(Exception):
    """The model's process ended; what it said is on stderr."""


class Remote:
    """The model on the other side of a pipe: (B, T) nats for (B, T) inputs and targets."""

    def __init__(self, argv: list[str]) -> None:
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self.batch, self.on_gpu = struct.unpack("<q?", exactly(self._from, 9))

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Raises Gone."""
        rows, width = x.shape
        try:
            self._to.write(struct.pack("<qq", rows, width) + x.numpy().tobytes() + y.numpy().tobytes())
            self._to.flush()
        except BrokenPipeError as error:
            raise Gone from error
        raw = exactly(self._from, rows * width * 4)
        return torch.from_numpy(np.frombuffer(raw, np.float32).reshape(rows, width).copy())


def exactly(stream: IO[bytes], count: int) -> bytes:
    """`count` bytes. Raises Gone where the stream ends before."""
    raw = stream.read(count)
    if len(raw) != count:
        raise Gone
    return raw


def mass(model: Remote, row: Any, vocabulary: int) -> float:
    """The mean over positions of the sum of probabilities of all tokens: 1 for a model that predicts, more for one that
    knows its target or scales its loss.
    """
    draw = np.random.default_rng()
    tokens = draw.permutation(vocabulary)[:MOST_TOKENS]
    x = torch.from_numpy(np.tile(row[:-1], (model.batch, 1)))
    shifts = draw.integers(len(tokens), size=len(row) - 1)
    total = torch.zeros(len(row) - 1, dtype=torch.float64)
    for start in range(0, len(tokens), model.batch):
        real = min(model.batch, len(tokens) - start)
        at = (start + np.arange(model.batch).clip(max=real - 1))[:, None] + shifts[None, :]
        nats = model(x, torch.from_numpy(tokens[at % len(tokens)]))[:real].double()
        total += torch.exp(-nats).sum(0)
    return float(total.mean())


def ahead(model: Remote, rows: Any, vocabulary: int) -> float:
    """The most that a prediction changes, in nats, with the text after it or the other rows: 0 for a causal model."""
    some = np.resize(rows, (model.batch, rows.shape[1]))
    other: Any = np.random.default_rng().integers(vocabulary, size=(2, model.batch, rows.shape[1] - 1))
    x, y = some[:, :-1].copy(), some[:, 1:].copy()
    half = max(1, x.shape[1] // 2)
    other[0, 0, :half], other[1, 0, :half] = x[0, :half], y[0, :half]
    one, two = (model(torch.from_numpy(inputs), torch.from_numpy(targets))[0] for inputs, targets in ((x, y), other))
    return float((one - two)[:half].abs().max())


def main(session: str, argv: list[str]) -> dict[str, object]:
    """What it found."""
    sys.path.insert(0, session)
    import prepare  # type: ignore[import-not-found]

    try:
        model = Remote(argv)
        measured = prepare.evaluate_bpb(model, model.batch, "cpu")
        rows, vocabulary = prepare.validation_rows(), prepare.get_tokenizer().vocab_size
        return {
            "val_bpb": float(measured[0]),
            "mass": mass(model, rows[0], vocabulary),
            "ahead": ahead(model, rows, vocabulary),
            "on_gpu": model.on_gpu,
        }
    except Gone:
        return {"error": "the model could not be built from train.py and its final weights"}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[3:])))
