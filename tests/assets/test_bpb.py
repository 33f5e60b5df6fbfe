"""val_bpb is the formula: nats over targets with bytes / (ln 2 · bytes), and never depends on the batch size."""

import json
import math
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
import torch

TEXTS = [f"chapter {i}\n" + f"it was år {i * 37 % 1000} of the {i} cats " * (1 + i % 5) for i in range(600)]


@pytest.fixture
def ready(prepare: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "book.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    constants = {"DATA": str(tmp_path / "book.jsonl"), "MAX_SEQ_LEN": 64, "EVAL_TOKENS": 512, "VOCAB_SIZE": 400}
    for name, value in constants.items():
        monkeypatch.setattr(prepare, name, value)
    prepare.prepare(constants["DATA"], "bpe", 1)
    return prepare


def nats(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """A stand-in for a model: a loss that differs from token to token."""
    return (y.float() * 0.01 + x.float() * 0.003) % 5 + 0.5


def test_bpb_is_what_a_loop_over_the_tokens_counts(ready: ModuleType) -> None:
    tokenizer = ready.get_tokenizer()
    rows = ready.validation_rows()
    assert rows.shape == (8, 65)
    total = size = targets = 0.0
    for row in rows.tolist():
        assert row[0] == tokenizer.bos
        for x, y in pairwise(row):
            if y == tokenizer.bos:
                continue
            total += float(nats(torch.tensor(x), torch.tensor(y)))
            size += len(tokenizer.tokens[y])
            targets += 1
    assert tokenizer.bos in rows[:, 1:], "a special token among the targets, or the test shows nothing"
    result = ready.evaluate_bpb(nats, 3, "cpu")
    assert result.bpb == pytest.approx(total / (math.log(2) * size), rel=1e-6)
    assert result.loss == pytest.approx(total / targets, rel=1e-6)


@pytest.mark.parametrize("batch", [1, 4, 10, 64])
def test_the_batch_size_changes_the_shape_of_the_work_only(ready: ModuleType, batch: int) -> None:
    shapes = set()

    def model(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        shapes.add(tuple(x.shape))
        return nats(x, y)

    assert ready.evaluate_bpb(model, batch, "cpu") == pytest.approx(ready.evaluate_bpb(nats, 7, "cpu"), rel=1e-9)
    assert shapes == {(batch, 64)}, "one shape, so that a compiled model is not compiled twice"


def test_a_uniform_guess_over_bytes_is_eight_bits(ready: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "TOKENIZER", "byte")
    ready._opened.clear()
    ready.prepare(ready.DATA, "byte", 1)
    result = ready.evaluate_bpb(lambda x, y: torch.full(y.shape, math.log(256)), 4, "cpu")
    assert result.bpb == pytest.approx(8.0, rel=1e-6)


def test_batches_follow_the_seed_and_the_targets_are_the_inputs_moved_by_one(ready: ModuleType) -> None:
    def first(seed: int) -> list[torch.Tensor]:
        stream = ready.training_batches(4, seed, "cpu")
        return [next(stream).x for _ in range(3)]

    assert all(torch.equal(a, b) for a, b in zip(first(1), first(1), strict=True))
    assert not torch.equal(first(1)[0], first(2)[0])
    batch = next(ready.training_batches(4, 1, "cpu"))
    assert torch.equal(batch.x[:, 1:], batch.y[:, :-1]) and batch.x.shape == (4, 64) and batch.epoch == 1
    assert (batch.x[:, 0] == ready.get_tokenizer().bos).all()


def test_epochs_are_counted_and_each_has_an_order_of_its_own(ready: ModuleType) -> None:
    stream = ready.training_batches(16, 1, "cpu")
    first = next(stream)
    later = next(batch for batch in stream if batch.epoch == 3)
    assert not torch.equal(first.x, later.x)


def test_batches_made_ahead_are_the_same_and_errors_come_through(ready: ModuleType) -> None:
    assert list(ready._ahead(iter(range(20)))) == list(range(20))

    def broken() -> object:
        yield 1
        raise ready.CorpusError("gone")

    ahead = ready._ahead(broken())
    assert next(ahead) == 1
    with pytest.raises(ready.CorpusError, match="gone"):
        next(ahead)
