"""The fixed half of a session: its data, its token stream and the measure of a model, `evaluate_bpb`.

`python prepare.py` fills the caches, once, and prints what it made as one JSON line. train.py imports the constants and
the functions below; nobody changes this file during a session.
"""
# ruff: noqa: E402 - what a session sets comes first

MAX_SEQ_LEN = 256  # tokens of context
EVAL_TOKENS = 65536  # validation tokens behind val_bpb
VOCAB_SIZE = 1024  # at most; bos included
BUDGET = 80  # of each experiment, in BUDGET_UNIT
BUDGET_UNIT = "steps"  # "seconds" of training or optimizer "steps"
DATA = "demo"  # "demo", "climbmix" or a path to .parquet, .jsonl, .txt, .md
DATA_HASH = ""  # what the data must be; "" = not pinned
TOKENIZER = "bpe"  # "bpe", "byte" or "char"
CLIMBMIX_SHARDS = 10  # training shards of climbmix, about 60 M tokens each

import argparse
import json
import math
import queue
import sys
import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import torch
from corpus import (
    CorpusError,
    Documents,
    Split,
    Tokenizer,
    open_corpus,
    open_documents,
    open_tokenizer,
    say,
    token_folder,
    tokenize_corpus,
)

PACKING_BUFFER = 1000  # documents to choose from when packing a row


# ---------------------------------------------------------------------------------------------------------- packing


class Packer:
    """Best-fit packing of documents into rows of `width` tokens, none of them padding.

    Of the buffered documents it takes the longest that fits into what is left of the row; when none fits, it crops the
    shortest to fill the row and drops the rest of it. Among equals the one that came first. The buffer is topped up
    before each choice. Documents of one length wait in a queue of their own and the lengths are kept sorted, so a
    choice costs a bisection, not a scan of the buffer.
    """

    def __init__(self, documents: Iterator[tuple[int, int]], width: int, buffer: int = PACKING_BUFFER) -> None:
        """`documents` yields (document, length), length >= 1; it may end."""
        self._documents, self._width, self._buffer = documents, width, buffer
        self._waiting: dict[int, deque[int]] = {}
        self._lengths: list[int] = []  # of the documents that wait, distinct, sorted
        self._count = 0

    def row(self) -> list[tuple[int, int]] | None:
        """The next row as (document, tokens taken from its start), `width` in all; None when documents run out."""
        row: list[tuple[int, int]] = []
        space = self._width
        while space:
            self._top_up()
            if not self._count:
                return None
            fitting = bisect_right(self._lengths, space)
            length = self._lengths[fitting - 1 if fitting else 0]
            taken = min(length, space)
            row.append((self._take(length), taken))
            space -= taken
        return row

    def _top_up(self) -> None:
        while self._count < self._buffer:
            document, length = next(self._documents, (0, 0))
            if not length:
                return
            queue_of_length = self._waiting.get(length)
            if queue_of_length is None:
                self._waiting[length] = deque([document])
                self._lengths.insert(bisect_left(self._lengths, length), length)
            else:
                queue_of_length.append(document)
            self._count += 1

    def _take(self, length: int) -> int:
        waiting = self._waiting[length]
        document = waiting.popleft()
        if not waiting:
            del self._waiting[length]
            del self._lengths[bisect_left(self._lengths, length)]
        self._count -= 1
        return document


def fill(row: list[tuple[int, int]], documents: Documents, out: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    """Copy the tokens of a packed row into `out` (width,)."""
    at = 0
    for document, taken in row:
        start = documents.ends[document - 1] if document else 0
        out[at : at + taken] = documents.tokens[start : start + taken]
        at += taken


class Batch(NamedTuple):
    """Inputs and targets, (B, T) int64 on the device, and the pass over the documents that they come from, from 1."""

    x: torch.Tensor
    y: torch.Tensor
    epoch: int


def training_batches(batch: int, seed: int, device: str) -> Iterator[Batch]:
    """Endless batches of `batch` rows of MAX_SEQ_LEN tokens. Each epoch visits the documents in an order of its own.

    On a GPU a thread packs and copies ahead, so that a step does not wait for its data.
    """
    documents = open_documents(_data_hash(), get_tokenizer(), "train")

    def in_order() -> Iterator[tuple[int, int]]:
        lengths = np.diff(documents.ends, prepend=0)
        for epoch in count(1):
            order = np.random.default_rng([seed, epoch]).permutation(len(documents))
            for block in np.array_split(order, max(1, len(order) // 100_000)):
                yield from zip(block.tolist(), lengths[block].tolist(), strict=True)

    packer = Packer(in_order(), MAX_SEQ_LEN + 1)

    def batches() -> Iterator[Batch]:
        seen = 0
        while True:
            rows = np.empty((batch, MAX_SEQ_LEN + 1), np.int64)
            for out in rows:
                row = packer.row()
                assert row is not None, "training documents never run out"
                fill(row, documents, out)
                seen += len(row)
            yield Batch(*_on_device(rows, device), 1 + seen // len(documents))

    return _ahead(batches()) if device == "cuda" else batches()


def _on_device(rows: np.ndarray[Any, np.dtype[np.int64]], device: str) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.from_numpy(rows)
    if device == "cuda":  # the allocator of pinned memory waits for the copy before it hands the block out again
        tokens = tokens.pin_memory().to(device, non_blocking=True)
    return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()


def _ahead(batches: Iterator[Batch], depth: int = 3) -> Iterator[Batch]:
    """The same batches, made by a thread that stays up to `depth` ahead; its error is raised here."""
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(depth)

    def work() -> None:
        try:
            for batch in batches:
                ready.put(batch)
            ready.put(None)
        except BaseException as error:
            ready.put(error)

    threading.Thread(target=work, daemon=True, name="packing").start()
    while (batch := ready.get()) is not None:
        if isinstance(batch, BaseException):
            raise batch
        yield batch


# ------------------------------------------------------------------------------------------------------- evaluation


class Evaluation(NamedTuple):
    """`bpb`: bits per byte of validation text. `loss`: nats per token. Both without special tokens."""

    bpb: float
    loss: float


def validation_rows() -> np.ndarray[Any, np.dtype[np.int64]]:
    """(EVAL_TOKENS // MAX_SEQ_LEN, MAX_SEQ_LEN + 1) packed tokens, fewer rows if the text is short: always the same."""
    documents = open_documents(_data_hash(), get_tokenizer(), "val")
    order = np.random.default_rng(0).permutation(len(documents))
    lengths = np.diff(documents.ends, prepend=0)
    packer = Packer(zip(order.tolist(), lengths[order].tolist(), strict=True), MAX_SEQ_LEN + 1)
    rows: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    while len(rows) < max(1, EVAL_TOKENS // MAX_SEQ_LEN) and (row := packer.row()):
        rows.append(np.empty(MAX_SEQ_LEN + 1, np.int64))
        fill(row, documents, rows[-1])
    if not rows:
        raise CorpusError(
            f"the validation text does not fill one row of {MAX_SEQ_LEN} tokens: more text, or a shorter row"
        )
    return np.stack(rows)


@torch.no_grad()
def evaluate_bpb(model: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], batch: int, device: str) -> Evaluation:
    """Bits per byte of the validation rows under `model`, which gives (B, T) nats for inputs and targets (B, T).

    bpb = sum of nats over targets that stand for bytes / (ln 2 · bytes of those targets). bos stands for none: it is in
    neither sum. `batch` rows go through at once and do not change what is summed.
    """
    lengths = torch.from_numpy(get_tokenizer().byte_lengths()).to(device)
    rows = validation_rows()
    nats = total_bytes = targets = 0.0
    for start in range(0, len(rows), batch):
        real = min(batch, len(rows) - start)
        chunk = rows[start + np.arange(batch).clip(max=real - 1)]  # filled up to one shape, so that nothing recompiles
        x, y = _on_device(chunk, device)
        loss = model(x, y)[:real].double()
        size = lengths[y[:real]]
        nats += float((loss * (size > 0)).sum())
        total_bytes += float(size.sum())
        targets += float((size > 0).sum())
    return Evaluation(nats / (math.log(2) * total_bytes), nats / targets)


# ------------------------------------------------------------------------------------------------------ preparation

_opened: dict[str, Any] = {}


def _data_hash() -> str:
    """The pinned hash; without one, that of the data as it is now."""
    if "data_hash" not in _opened:
        _opened["data_hash"] = DATA_HASH or open_corpus(DATA, CLIMBMIX_SHARDS).data_hash
    return str(_opened["data_hash"])


def get_tokenizer() -> Tokenizer:
    """This session's tokenizer, from the cache. Raises CorpusError when it was never prepared."""
    if "tokenizer" not in _opened:
        _opened["tokenizer"] = open_tokenizer(_data_hash(), TOKENIZER, VOCAB_SIZE, None)
    tokenizer: Tokenizer = _opened["tokenizer"]
    return tokenizer


def prepare(data: str, kind: str, shards: int) -> dict[str, str | int]:
    """Fill the caches for this data and kind of tokenizer, what is there already staying; what was made, for JSON."""
    corpus = open_corpus(data, shards)
    if DATA_HASH and corpus.data_hash != DATA_HASH:
        raise CorpusError(
            f"the data {data!r} is not what this session was made with: its hash is {corpus.data_hash}, prepare.py "
            f"says DATA_HASH = {DATA_HASH!r}. Results on other data cannot be compared: bring the data back, or make a "
            "new session"
        )
    tokenizer = open_tokenizer(corpus.data_hash, kind, VOCAB_SIZE, corpus.train)
    tokenize_corpus(corpus, tokenizer)
    splits: tuple[Split, Split] = ("train", "val")
    counts = {f"{split}_docs": len(open_documents(corpus.data_hash, tokenizer, split)) for split in splits}
    return {
        "data": data,
        "data_hash": corpus.data_hash,
        "tokenizer": kind,
        "tokenizer_hash": tokenizer.hash,
        "vocab_size": tokenizer.vocab_size,
        **counts,
        "cache": str(token_folder(corpus.data_hash, tokenizer)),
    }


def main() -> None:
    """Fill the caches; one JSON line on stdout, progress on stderr; exit 1 when the data is unusable."""
    parser = argparse.ArgumentParser(description="Prepare the data, the tokenizer and the tokens of this session.")
    parser.add_argument("--data", default=DATA, help='"demo", "climbmix" or a path (default: %(default)s)')
    parser.add_argument(
        "--tokenizer", default=TOKENIZER, choices=["bpe", "byte", "char"], help="(default: %(default)s)"
    )
    parser.add_argument(
        "--shards", type=int, default=CLIMBMIX_SHARDS, help="training shards of climbmix (default: %(default)s)"
    )
    given = parser.parse_args()
    try:
        print(json.dumps(prepare(given.data, given.tokenizer, given.shards)))
    except (CorpusError, OSError) as error:
        say(f"prepare: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
