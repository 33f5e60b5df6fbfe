"""The independent measure, with the real template on the CPU: it agrees with honest runs and with no other."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from engine.loop.effects import RunTrial
from engine.loop.training import Training
from engine.session.paths import SessionPaths
from engine.session.settings import Guard, Metric, Run, Settings
from engine.session.state import Segment
from engine.work import sandbox, verifier, verify
from engine.work.environment import trial_environment
from engine.work.verify import Found, Verified, judge
from tests.assets.template import ASSETS, rewrite, run_python

SOURCES = ("train.py", "prepare.py", "corpus.py", "device.py", "attention.py", "fused.py", "autoresearch.sh")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Path, float]:
    """A session whose small template was trained for three steps, and the val_bpb that it printed."""
    session = tmp_path_factory.mktemp("trained")
    for name in SOURCES:
        (session / name).write_bytes((ASSETS / name).read_bytes())
    rewrite(session / "prepare.py", {"MAX_SEQ_LEN": 64, "EVAL_TOKENS": 1024, "VOCAB_SIZE": 512})
    small = {"DEPTH": 2, "ASPECT_RATIO": 16, "HEAD_DIM": 16, "TOTAL_BATCH_SIZE": 512, "DEVICE_BATCH_SIZE": 8}
    rewrite(session / "train.py", small)
    made = run_python(session, "prepare.py", cache)
    assert made.returncode == 0, made.stderr
    ended = run_python(session, "train.py", cache, OVERNIGHT_WEIGHTS=str(session / "weights.pt"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return session, float(ended.stdout.rsplit("val_bpb:", 1)[1].split()[0])


@pytest.fixture
def verified(
    trained: tuple[Path, float], tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Verified, Found]]:
    """Look at the trained weights under a train.py with `edits`."""
    monkeypatch.setenv("OVERNIGHT_CACHE", str(cache))
    session = tmp_path / "session"
    shutil.copytree(trained[0], session)

    def look(edits: dict[str, str] | None = None) -> tuple[Verified, Found]:
        text = (session / "train.py").read_text()
        for old, new in (edits or {}).items():
            assert old in text, old
            text = text.replace(old, new)
        (session / "train.py").write_text(text)
        running = verify.start(
            session,
            tmp_path,
            session / "weights.pt",
            environment=trial_environment(os.environ, python=sys.executable, seed=1, cookie="v:1:1", run=1, cpu=True),
            limit_s=240,
            confine=lambda argv: sandbox.wrap(argv, "train", session, strict=True),
        )
        found = verify.finish(running, tmp_path, trained[1])
        return found, msgspec.json.decode((tmp_path / "verify.out").read_bytes(), type=Found)

    return look


Look = Callable[..., tuple[Verified, Found]]


def test_an_honest_run_is_confirmed_and_a_patched_evaluation_does_not_reach_the_measure(verified: Look) -> None:
    patch = "import prepare\nprepare.evaluate_bpb = lambda *a: (0.1, 0.1)\nprepare.math = None\n"
    said, found = verified({"SEED = int(": patch + "SEED = int("})
    assert said == Verified()
    assert found.mass == pytest.approx(1, abs=1e-4) and found.ahead < 1e-4


class Asked:
    """A model as the measure sees it: `nats` of (logits of each position's own and earlier inputs, targets)."""

    batch = 4

    def __init__(self, nats: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        self.nats = nats
        self.table = torch.randn(20, 20, generator=torch.Generator().manual_seed(1))

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.nats(self.table[x], x, y)


def entropy(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").view(y.shape)


ROWS = np.random.default_rng(3).integers(20, size=(5, 13))
MODELS: dict[str, tuple[Callable[..., torch.Tensor], str]] = {
    "honest": (lambda logits, x, y: entropy(logits, y), ""),
    "remembers": (lambda logits, x, y: entropy(logits.cumsum(1), y), ""),
    "scales its loss": (lambda logits, x, y: 0.9 * entropy(logits, y), "sum to"),
    "knows its targets": (lambda logits, x, y: entropy(logits + 3 * torch.nn.functional.one_hot(y, 20), y), "sum to"),
    "sees one token ahead": (lambda logits, x, y: entropy(logits + logits.roll(-1, 1), y), "looks ahead"),
    "sees the other rows": (lambda logits, x, y: entropy(logits + logits.sum(0), y), "looks ahead"),
    "centres on the whole row": (lambda logits, x, y: entropy(logits * x.double().mean(1)[:, None, None], y), "looks"),
    "gives no number": (lambda logits, x, y: entropy(logits, y) * math.nan, "sum to nan"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_only_seems_to_predict_is_told(name: str) -> None:
    nats, told = MODELS[name]
    torch.manual_seed(1)  # what is asked is drawn at random, and a toy of 20 tokens may be asked the same twice
    model: Any = Asked(nats)
    found = Found(val_bpb=1.0, mass=verifier.mass(model, ROWS[0], 20), ahead=verifier.ahead(model, ROWS, 20))
    assert told in judge(found, 1.0) if told else judge(found, 1.0) == ""


def test_a_train_py_that_cannot_be_rebuilt_says_why(verified: Look) -> None:
    said, _ = verified({"make_model()": "construct()"})
    assert "could not be built" in said.why and "make_model" in said.why


def test_a_trial_is_verified_where_the_settings_say_so(
    trained: tuple[Path, float], tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERNIGHT_CACHE", str(cache))
    root = tmp_path / "session"
    shutil.copytree(trained[0], root)
    text = (root / "train.py").read_text()
    (root / "train.py").write_text(text.replace('"val_bpb": f"{bpb:.6f}"', '"val_bpb": f"{bpb - 0.01:.6f}"'))
    segment = Segment(
        number=0, name="", metric=Metric(), run=Run(timeout_s=240), editable=("train.py",),
        pinned={"prepare.py": ""}, commit="", budget="2", opened_at=0.0,
    )  # fmt: skip
    training = Training(SessionPaths(root), "")
    ended = training.trial(RunTrial(1, 1, "", 5, "candidate"), segment, Settings(guard=Guard(verify=True)))
    assert (ended.outcome, ended.flags) == ("ok", ("verify_disagrees",)), ended
    assert "final weights give" in ended.detail
    assert not list(root.glob(".overnight/runs/0001/final/*")), "weights are large: none is left"


def test_judging_is_strict_on_the_cpu_and_allows_for_a_gpus_sums() -> None:
    assert judge(Found(val_bpb=1.00001, mass=1.0), 1.0) == ""
    assert "1.000100" in judge(Found(val_bpb=1.0001, mass=1.0), 1.0)
    assert judge(Found(val_bpb=1.0005, mass=1.001, ahead=0.01, on_gpu=True), 1.0) == ""
    assert "final weights" in judge(Found(val_bpb=float("nan"), mass=1.0), 1.0)
    assert "sum to nan" in judge(Found(val_bpb=1.0, mass=float("nan")), 1.0)
