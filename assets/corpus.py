"""Text, tokenizers and token caches: where a session's training data comes from.

Fixed for a session, like prepare.py, the door to this file. A corpus is parts to train on, parts to validate on and a
hash of the text in them. A token cache is named by the hash of its data *and* of its tokenizer, so a stale one is
never opened. No torch here: workers that tokenize start quickly.
"""

import hashlib
import importlib.metadata
import json
import multiprocessing
import os
import shutil
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tiktoken

FORMAT = "1"  # part of every hash: raise it when documents are cut, split or encoded differently
CLIMBMIX_REPO = "karpathy/climbmix-400b-shuffle"
CLIMBMIX_VAL_SHARD = 6542
DEMO_BYTES = 4_000_000
DOCUMENT_CHARS = 4_000  # about where plain text is cut into documents
DEMO_DOCUMENT_CHARS = 600  # the same in the demo, whose rows are short: fewer documents to crop
VAL_EVERY = 20  # one document (demo: one file) in so many is validation
TOKENIZER_CHARS = 100_000_000

BOS = "<|bos|>"
PATTERNS = {
    # A newline with the indentation after it; a word, number or run of signs with the space before it; other space.
    "bpe": r"\n[ \t]*| ?\p{L}+| ?\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\s+",
    "byte": r"(?s:.+)",
    "char": r"(?s:.)",
}

Split = Literal["train", "val"]
Part = partial[Iterator[str]]  # of a reader and its file: picklable; called, it yields documents


class CorpusError(Exception):
    """The data cannot be used; the message is for the operator."""


def cache_root() -> Path:
    """The folder of all caches: $OVERNIGHT_CACHE, else $XDG_CACHE_HOME/overnight, else ~/.cache/overnight."""
    if own := os.environ.get("OVERNIGHT_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "overnight"


def say(text: str) -> None:
    """Narrate to stderr: stdout is for data."""
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------------------------------------------------- sources


@dataclass(frozen=True)
class Corpus:
    """Documents in two disjoint splits. `data_hash` covers the text and the way it is cut."""

    name: str
    data_hash: str
    train: list[Part]
    val: list[Part]


def open_corpus(data: str, shards: int) -> Corpus:
    """The corpus named by `data`: "demo", "climbmix" (`shards` training shards of it) or a path.

    Raises CorpusError, naming what was looked for and what to do.
    """
    if data == "demo":
        return _demo()
    if data == "climbmix":
        return _climbmix(shards)
    return _folder(Path(data).expanduser())


def _demo() -> Corpus:
    """The running Python's own library: needs no download. Validation is whole files, so no file is on both sides."""
    library = Path(sysconfig.get_paths()["stdlib"])
    skip = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__", "ensurepip"}
    found = [p for p in library.rglob("*.py") if not skip & set(p.relative_to(library).parts)]
    names = [p.relative_to(library).as_posix() for p in found if not p.name.startswith("_sysconfigdata")]
    files, total, digest = [], 0, hashlib.sha256(f"demo {FORMAT} {DEMO_DOCUMENT_CHARS} {VAL_EVERY}".encode())
    for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest()):
        content = (library / name).read_bytes()
        digest.update(f"\0{name}\0".encode() + hashlib.sha256(content).digest())
        files.append(library / name)
        total += len(content)
        if total >= DEMO_BYTES:
            break
    if total < DEMO_BYTES // 4:
        raise CorpusError(
            f"the demo corpus is the source of Python's standard library, but {library} holds only {total:,} bytes of "
            "it; install a Python that ships its library's sources, or choose other data: --data PATH"
        )
    val = [partial(read_file, path, DEMO_DOCUMENT_CHARS) for path in files[::VAL_EVERY]]
    train = [partial(read_file, path, DEMO_DOCUMENT_CHARS) for i, path in enumerate(files) if i % VAL_EVERY]
    return Corpus("demo", digest.hexdigest(), train, val)


def _folder(path: Path) -> Corpus:
    """A file or a folder of .parquet, .jsonl, .txt and .md. Equal documents fall on the same side of the split."""
    readable = {".parquet", ".jsonl", ".txt", ".md"}
    if path.is_file():
        files = [path]
    else:
        files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    files = [p for p in files if p.suffix in readable]
    if not files:
        raise CorpusError(
            f"no data at {path}: expected a .parquet, .jsonl, .txt or .md file or a folder of them; "
            'or choose DATA = "demo" or "climbmix"'
        )
    digest = hashlib.sha256(f"path {FORMAT} {DOCUMENT_CHARS} {VAL_EVERY}".encode())
    for file in files:
        name = file.name if path.is_file() else file.relative_to(path).as_posix()
        digest.update(f"\0{name}\0".encode() + bytes.fromhex(sha256_of(file)))
    train = [partial(read_split, file, "train") for file in files]
    val = [partial(read_split, file, "val") for file in files]
    return Corpus(str(path), digest.hexdigest(), train, val)


def _climbmix(shards: int) -> Corpus:
    """The first `shards` shards to train on, the last one to validate on, downloaded and checked where missing."""
    if not 1 <= shards <= CLIMBMIX_VAL_SHARD:
        raise CorpusError(f"CLIMBMIX_SHARDS = {shards}: expected 1 to {CLIMBMIX_VAL_SHARD} (one more validates)")
    folder = cache_root() / "climbmix"
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"shard_{n:05d}.parquet" for n in [*range(shards), CLIMBMIX_VAL_SHARD]]
    digest = hashlib.sha256(f"climbmix {FORMAT}".encode())
    for done, name in enumerate(names, start=1):
        digest.update(f"\0{name}\0{_fetch_shard(folder, name, f'{done}/{len(names)}')}".encode())
    parts = [partial(read_file, folder / name) for name in names]
    return Corpus("climbmix", digest.hexdigest(), parts[:-1], parts[-1:])


def _fetch_shard(folder: Path, name: str, place: str) -> str:
    """The sha256 of a shard that is present, complete and readable; downloaded first if it is not."""
    import pyarrow.parquet as pq
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    file, note = folder / name, folder / f"{name}.checked"
    if file.exists() and note.exists():
        size, sha256 = note.read_text().split()
        if file.stat().st_size == int(size):
            return sha256
    say(f"climbmix {place}: {name}")
    try:
        known = get_hf_file_metadata(hf_hub_url(CLIMBMIX_REPO, name, repo_type="dataset"))
        hf_hub_download(CLIMBMIX_REPO, name, repo_type="dataset", local_dir=folder)
    except Exception as error:  # the hub raises its own, its HTTP library's and the system's errors
        raise CorpusError(
            f"could not download {name} of {CLIMBMIX_REPO}: {error}\n"
            'what has arrived is kept: run this again to go on. Without a network: DATA = "demo"'
        ) from error
    sha256 = sha256_of(file)
    problem = ""
    if known.etag and len(known.etag) == 64 and known.etag != sha256:
        problem = f"its sha256 is {sha256}, the hub says {known.etag}"
    else:
        try:
            columns = pq.ParquetFile(file).schema_arrow.names
            problem = "" if "text" in columns else f"no column `text` among {columns}"
        except Exception as error:
            problem = str(error)
    if problem:
        file.unlink()
        raise CorpusError(f"{name} arrived damaged ({problem}) and was removed; run this again to fetch it anew")
    note.write_text(f"{file.stat().st_size} {sha256}\n")
    return sha256


def sha256_of(file: Path) -> str:
    """The hex sha256 of a file's content, read in blocks."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# -------------------------------------------------------------------------------------------------------- documents


def read_file(file: Path, size: int = DOCUMENT_CHARS) -> Iterator[str]:
    """The documents of one file that are not blank: rows of .parquet and .jsonl (`text`), pieces of other text."""
    if file.suffix == ".parquet":
        documents = _read_parquet(file)
    elif file.suffix == ".jsonl":
        documents = _read_jsonl(file)
    else:
        documents = cut(file.read_text(encoding="utf-8", errors="replace"), size)
    return (document for document in documents if document.strip())


def read_split(file: Path, split: Split) -> Iterator[str]:
    """The documents of a file that belong to `split`, decided by each document's own hash."""
    for document in read_file(file):
        is_val = hashlib.sha256(document.encode("utf-8", "replace")).digest()[0] % VAL_EVERY == 0
        if is_val == (split == "val"):
            yield document


def cut(text: str, size: int) -> Iterator[str]:
    """Cut text into pieces of about `size` characters at blank lines, or at any line once a piece is twice that."""
    piece: list[str] = []
    length = 0
    for line in text.splitlines(keepends=True):
        if length >= 2 * size or (piece and length >= size // 2 and line.strip() and piece[-1].isspace()):
            yield "".join(piece)
            piece, length = [], 0
        piece.append(line)
        length += len(line)
    if piece:
        yield "".join(piece)


def _read_parquet(file: Path) -> Iterator[str]:
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file)
    except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
        raise CorpusError(f"{file}: cannot be read as parquet: {error}; replace it or take it out") from error
    if "text" not in table.schema_arrow.names:
        raise CorpusError(f"{file}: no column `text`, only {', '.join(table.schema_arrow.names)}")
    for group in range(table.num_row_groups):
        yield from (text for text in table.read_row_group(group, ["text"]).column("text").to_pylist() if text)


def _read_jsonl(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                text = json.loads(line)["text"]
            except (ValueError, KeyError, TypeError) as error:
                raise CorpusError(f'{file}, line {number}: expected an object with a "text" ({error!r})') from error
            if not isinstance(text, str):
                raise CorpusError(f'{file}, line {number}: "text" is {type(text).__name__}, expected a string')
            yield text


# -------------------------------------------------------------------------------------------------------- tokenizer


class Tokenizer:
    """Text to ids and back, without loss. One special token, `bos`, the last id; it stands for no bytes.

    All three kinds are byte-pair encodings for tiktoken: `bpe` with learnt merges, `byte` with none, `char` with one
    token for each character that the training text has, any other character falling back to its bytes.
    """

    def __init__(self, kind: str, tokens: list[bytes]) -> None:
        self.kind, self.tokens, self.bos = kind, tokens, len(tokens)
        self.vocab_size = len(tokens) + 1
        self.hash = hashlib.sha256(
            json.dumps([FORMAT, kind, PATTERNS[kind], [t.hex() for t in tokens]]).encode()
        ).hexdigest()
        ranks = {token: rank for rank, token in enumerate(tokens)}
        self._encoding = tiktoken.Encoding(
            f"overnight-{kind}", pat_str=PATTERNS[kind], mergeable_ranks=ranks, special_tokens={BOS: self.bos}
        )

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, without bos; what looks like a special token in the text is ordinary text."""
        return self._encoding.encode_ordinary(text)

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`; bytes that are no UTF-8 become U+FFFD."""
        return self._encoding.decode([i for i in ids if i != self.bos])

    def byte_lengths(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """(vocab_size,) bytes that each id stands for; 0 for bos."""
        return np.array([len(token) for token in self.tokens] + [0], dtype=np.int64)


def open_tokenizer(corpus_hash: str, kind: str, vocab_size: int, train: list[Part] | None) -> Tokenizer:
    """The tokenizer of this data, kind and size, from the cache, or trained on `train` and cached.

    Raises CorpusError when it is not cached and there is nothing to train it on, or a setting is impossible.
    """
    if kind not in PATTERNS:
        raise CorpusError(f"TOKENIZER = {kind!r}: expected one of {', '.join(PATTERNS)}")
    if not 257 <= vocab_size <= 65_536:
        raise CorpusError(f"VOCAB_SIZE = {vocab_size}: expected 257 (256 bytes and bos) to 65536 (two bytes an id)")
    version = importlib.metadata.version("rustbpe") if kind == "bpe" else ""
    key = hashlib.sha256(f"{FORMAT} {corpus_hash} {kind} {PATTERNS[kind]} {vocab_size} {version}".encode()).hexdigest()
    file = cache_root() / "tokenizers" / f"{kind}-{vocab_size}-{key[:16]}.json"
    if file.exists():
        return Tokenizer(kind, [bytes.fromhex(token) for token in json.loads(file.read_text())])
    if train is None:
        raise CorpusError(f"no {kind} tokenizer for this data in {cache_root()}; prepare it first: overnight prepare")
    say(f"tokenizer: training {kind}, {vocab_size:,} tokens at most")
    tokenizer = Tokenizer(kind, _learn(kind, vocab_size - 1, _first_chars(train)))
    write_whole(file, json.dumps([token.hex() for token in tokenizer.tokens]).encode())
    return tokenizer


def _learn(kind: str, size: int, documents: Iterator[str]) -> list[bytes]:
    """At most `size` tokens: the 256 bytes first, then what `kind` learns from the documents."""
    tokens = [bytes([value]) for value in range(256)]
    if kind == "char":
        counts = Counter(char for document in documents for char in document if ord(char) > 127)
        ranked = sorted(counts, key=lambda char: (-counts[char], char))
        tokens += [char.encode("utf-8", "replace") for char in ranked[: size - 256]]
    elif kind == "bpe":
        import rustbpe

        learner = rustbpe.Tokenizer()
        learner.train_from_iterator(documents, size, pattern=PATTERNS["bpe"])
        tokens = [bytes(token) for token, _ in sorted(learner.get_mergeable_ranks(), key=lambda pair: pair[1])]
    return tokens


def _first_chars(parts: list[Part]) -> Iterator[str]:
    seen = 0
    for part in parts:
        for document in part():
            yield document
            seen += len(document)
            if seen >= TOKENIZER_CHARS:
                return


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or none, also after a crash."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    Path(out.name).replace(file)


# ------------------------------------------------------------------------------------------------------ token caches


@dataclass(frozen=True)
class Documents:
    """Tokenized documents of one split: document i is tokens[ends[i-1]:ends[i]], its first token bos. Memory-mapped."""

    tokens: np.ndarray[Any, np.dtype[np.uint16]]
    ends: np.ndarray[Any, np.dtype[np.int64]]

    def __len__(self) -> int:
        return len(self.ends)


def token_folder(data_hash: str, tokenizer: Tokenizer) -> Path:
    """Where the tokens of this data under this tokenizer are cached."""
    return cache_root() / "tokens" / f"{data_hash[:20]}-{tokenizer.hash[:20]}"


def open_documents(data_hash: str, tokenizer: Tokenizer, split: Split) -> Documents:
    """The cached tokens of a split. Raises CorpusError when they were never prepared."""
    folder = token_folder(data_hash, tokenizer)
    if not folder.is_dir():
        raise CorpusError(f"no tokens of this data and tokenizer at {folder}; prepare them: overnight prepare")
    tokens = np.memmap(folder / f"{split}.tokens", dtype=np.uint16, mode="r")
    return Documents(tokens, np.load(folder / f"{split}.ends.npy"))


def tokenize_corpus(corpus: Corpus, tokenizer: Tokenizer) -> Path:
    """Write the token cache of a corpus unless it is there; its folder. It appears whole, by one rename."""
    folder = token_folder(corpus.data_hash, tokenizer)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
    try:
        counts = {"train": _tokenize_split("train", corpus.train, tokenizer, scratch)}
        counts["val"] = _tokenize_split("val", corpus.val, tokenizer, scratch)
        if empty := [split for split, (documents, _) in counts.items() if not documents]:
            purpose = "train on" if "train" in empty else "validate on"
            raise CorpusError(f"{corpus.name}: no documents to {purpose}: too little text")
        say(", ".join(f"{split}: {docs:,} documents, {ids:,} tokens" for split, (docs, ids) in counts.items()))
        try:
            scratch.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process made the same folder first
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _tokenize_split(split: Split, parts: list[Part], tokenizer: Tokenizer, scratch: Path) -> tuple[int, int]:
    """Tokenize parts, large ones (shards) in parallel, into one flat file; (documents, tokens)."""
    work = partial(_tokenize_part, tokenizer.kind, tokenizer.tokens, scratch)
    workers = _workers(parts)
    ends: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    total = 0
    with (scratch / f"{split}.tokens").open("wb") as out, _mapper(workers) as run:
        for done, (file, lengths) in enumerate(run(work, enumerate(parts)), start=1):
            with file.open("rb") as piece:
                shutil.copyfileobj(piece, out, 1 << 24)
            file.unlink()
            ends.append(np.cumsum(lengths) + total)
            total += int(lengths.sum())
            if workers > 1 or done == len(parts):
                say(f"tokens: {split} {done}/{len(parts)}, {total:,}")
    all_ends = np.concatenate(ends) if ends else np.zeros(0, np.int64)
    np.save(scratch / f"{split}.ends.npy", all_ends)
    return len(all_ends), total


def _tokenize_part(
    kind: str, tokens: list[bytes], scratch: Path, numbered: tuple[int, Part]
) -> tuple[Path, np.ndarray[Any, np.dtype[np.int64]]]:
    """Write one part's ids to a file of its own; the file and the documents' lengths in ids."""
    number, part = numbered
    tokenizer = Tokenizer(kind, tokens)
    file, lengths = scratch / f"part-{number:05d}", []
    with file.open("wb") as out:
        for document in part():
            ids = np.array([tokenizer.bos, *tokenizer.encode(document)], dtype=np.uint16)
            out.write(ids.data)
            lengths.append(len(ids))
    return file, np.array(lengths, dtype=np.int64)


def _workers(parts: list[Part]) -> int:
    """Processes worth starting: one unless there are hundreds of megabytes; a thread more or less changes nothing."""
    size: int = sum(part.args[0].stat().st_size for part in parts)
    return min(os.cpu_count() or 1, len(parts), 1 + size // 50_000_000, 16)


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """`map`, or the same over processes."""
    if workers <= 1:
        yield map
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool.map
