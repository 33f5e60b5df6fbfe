"""Writes text from a run's weights: `python -P sample_driver.py TRAIN_PY WEIGHTS REQUEST OUT`, in the session.

Imports train.py without running it, builds its model with `make_model()`, loads the weights, and lets the session's
`device.generate` write on. REQUEST is JSON: prompt, tokens, temperature, seed. OUT becomes JSON: prompt, text.

It stands alone, importing nothing of overnight.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import torch


def main(train: Path, weights: str, request: dict[str, object], out: Path) -> None:
    """Exit 1 with a sentence where that cannot be."""
    sys.path.insert(0, str(train.parent))
    spec = importlib.util.spec_from_file_location("train", train)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["train"] = module
    spec.loader.exec_module(module)
    if not hasattr(module, "make_model"):
        sys.exit("train.py has no make_model(), by which its model could be built")
    try:
        from device import generate  # type: ignore[import-not-found]
    except ImportError:
        sys.exit("this session has no device.py with generate(), which writes text; sessions made now have it")
    from prepare import get_tokenizer  # type: ignore[import-not-found]

    torch.set_float32_matmul_precision("high")
    if threads := getattr(module, "CPU_THREADS", 0):
        torch.set_num_threads(threads)
    model = module.make_model()
    if not hasattr(model, "logits"):
        sys.exit("the model of this run's train.py has no logits(ids), from which text is drawn")
    device = next(model.parameters()).device
    model.load_state_dict(torch.load(weights, map_location=device, weights_only=True))
    model.eval()
    text = generate(
        model,
        get_tokenizer(),
        request["prompt"],
        tokens=request["tokens"],
        temperature=request["temperature"],
        seed=request["seed"],
    )
    out.write_text(json.dumps({"prompt": request["prompt"], "text": str(text)}), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), Path(sys.argv[4]))
