"""The model's side of the independent measure: `python -P verifier_model.py TRAIN_PY WEIGHTS`, started by verifier.py.

Imports train.py without running it, builds its model with `make_model()`, loads the final weights and answers on
stdout: first (batch, on GPU), then for each (rows, width, inputs, targets) on stdin the nats as float32.

It stands alone, importing nothing of overnight.
"""

from __future__ import annotations

import importlib.util
import os
import struct
import sys
from pathlib import Path

import numpy as np
import torch


def main(train: Path, weights: str) -> None:
    """Answer until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what train.py prints is no answer
    sys.path.insert(0, str(train.parent))
    spec = importlib.util.spec_from_file_location("train", train)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["train"] = module
    spec.loader.exec_module(module)
    torch.set_float32_matmul_precision("high")
    if threads := getattr(module, "CPU_THREADS", 0):
        torch.set_num_threads(threads)
    model = module.make_model()
    device = next(model.parameters()).device
    model.load_state_dict(torch.load(weights, map_location=device, weights_only=True))
    run = torch.compile(model, dynamic=False) if getattr(module, "COMPILED", False) else model
    answers.write(struct.pack("<q?", int(getattr(module, "DEVICE_BATCH_SIZE", 8)), device.type == "cuda"))
    answers.flush()
    while len(head := sys.stdin.buffer.read(16)) == 16:
        rows, width = struct.unpack("<qq", head)
        both = np.frombuffer(sys.stdin.buffer.read(rows * width * 16), np.int64).reshape(2, rows, width)
        x, y = (torch.from_numpy(part.copy()).to(device) for part in both)
        with torch.no_grad():
            nats = run(x, y)
        answers.write(nats.float().cpu().contiguous().numpy().tobytes())
        answers.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
