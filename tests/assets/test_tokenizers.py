"""All three tokenizers keep any text, and know how many bytes each token stands for."""

from functools import cache as once
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SAMPLE = "def grüße(name):\n    return f'hallo {name}, 12 mal'  # ☕ always\n" * 40


@once
def tokens_of(corpus: ModuleType, kind: str) -> list[bytes]:
    learnt: list[bytes] = corpus._learn(kind, 399, iter([SAMPLE]))
    return learnt


@pytest.mark.parametrize("kind", ["bpe", "byte", "char"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(), st.sampled_from([SAMPLE, "<|bos|>", "\n\n   \t x", ""])))
def test_decoding_gives_the_text_back(corpus: ModuleType, kind: str, text: str) -> None:
    tokenizer = corpus.Tokenizer(kind, tokens_of(corpus, kind))
    ids = tokenizer.encode(text)
    assert tokenizer.decode([tokenizer.bos, *ids]) == text
    assert tokenizer.bos not in ids, "text is never taken for a special token"
    assert tokenizer.byte_lengths()[ids].sum() == len(text.encode())


@pytest.mark.parametrize("kind", ["bpe", "byte", "char"])
def test_bos_stands_for_no_bytes_and_is_the_last_id(corpus: ModuleType, kind: str) -> None:
    tokenizer = corpus.Tokenizer(kind, tokens_of(corpus, kind))
    assert tokenizer.bos == tokenizer.vocab_size - 1
    assert tokenizer.byte_lengths()[tokenizer.bos] == 0
    assert (tokenizer.byte_lengths()[:-1] > 0).all()


def test_bpe_merges_what_repeats_and_char_knows_the_letters_of_its_text(corpus: ModuleType) -> None:
    sizes = {
        kind: len(corpus.Tokenizer(kind, tokens_of(corpus, kind)).encode(SAMPLE)) for kind in ("bpe", "byte", "char")
    }
    assert sizes["bpe"] < sizes["char"] == len(SAMPLE) < sizes["byte"] == len(SAMPLE.encode())


def test_a_tokenizer_is_trained_once_and_kept_by_data_kind_and_size(corpus: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text(SAMPLE)
    parts = [partial(corpus.read_file, file)]
    first = corpus.open_tokenizer("d" * 64, "bpe", 400, parts)
    assert corpus.open_tokenizer("d" * 64, "bpe", 400, None).hash == first.hash
    for other in [("e" * 64, "bpe", 400), ("d" * 64, "byte", 400), ("d" * 64, "bpe", 280)]:
        with pytest.raises(corpus.CorpusError, match="overnight prepare"):
            corpus.open_tokenizer(*other, None)
    assert corpus.open_tokenizer("d" * 64, "bpe", 280, parts).vocab_size == 280


@pytest.mark.parametrize("kind, size", [("bpe", 256), ("bpe", 65_537), ("words", 1000)])
def test_an_impossible_tokenizer_is_refused_by_name(corpus: ModuleType, kind: str, size: int) -> None:
    with pytest.raises(corpus.CorpusError, match="TOKENIZER" if kind == "words" else "VOCAB_SIZE"):
        corpus.open_tokenizer("d" * 64, kind, size, [])
