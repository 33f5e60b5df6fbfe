"""Packing gives what its plain definition gives, uses every position, and crops only when nothing fits."""

from collections.abc import Iterator
from itertools import count
from types import ModuleType

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Row = list[tuple[int, int]]


def plain_rows(lengths: list[int], width: int, buffer: int) -> Iterator[Row]:
    """Of the buffered documents take the longest that fits, else crop the shortest; looking at them all each time."""
    coming, waiting = iter(enumerate(lengths)), []
    while True:
        row: Row = []
        space = width
        while space:
            while len(waiting) < buffer and (document := next(coming, None)):
                waiting.append(document)
            if not waiting:
                return
            fitting = [document for document in waiting if document[1] <= space]
            chosen = max(fitting, key=lambda d: d[1]) if fitting else min(waiting, key=lambda d: d[1])
            waiting.remove(chosen)
            row.append((chosen[0], min(chosen[1], space)))
            space -= row[-1][1]
        yield row


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(1, 60), max_size=120), width=st.integers(1, 40), buffer=st.integers(1, 25))
def test_rows_are_those_of_the_plain_definition(
    prepare: ModuleType, lengths: list[int], width: int, buffer: int
) -> None:
    packer = prepare.Packer(iter(enumerate(lengths)), width, buffer)
    assert list(iter(packer.row, None)) == list(plain_rows(lengths, width, buffer))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=120), width=st.integers(1, 40))
def test_every_position_is_used_and_no_document_twice(prepare: ModuleType, lengths: list[int], width: int) -> None:
    packer = prepare.Packer(iter(enumerate(lengths)), width, 10)
    seen: set[int] = set()
    for row in iter(packer.row, None):
        assert sum(taken for _, taken in row) == width
        for place, (document, taken) in enumerate(row):
            assert document not in seen
            seen.add(document)
            assert taken == lengths[document] or place == len(row) - 1, "only what ends a row is cropped"


def test_each_row_starts_with_bos_and_holds_documents_from_their_start(prepare: ModuleType, corpus: ModuleType) -> None:
    bos, lengths = 99, [3, 5, 2, 9, 4]
    tokens = np.concatenate([[bos, *range(10 * i, 10 * i + n - 1)] for i, n in enumerate(lengths)]).astype(np.uint16)
    documents = corpus.Documents(tokens, np.cumsum(lengths))
    packer = prepare.Packer(iter(enumerate(lengths)), 8)
    out = np.empty(8, np.int64)
    for _ in range(2):
        row = packer.row()
        prepare.fill(row, documents, out)
        assert out[0] == bos
        expected = [t for d, n in row for t in [bos, *range(10 * d, 10 * d + lengths[d] - 1)][:n]]
        assert out.tolist() == expected


def test_an_endless_stream_is_never_read_far_ahead(prepare: ModuleType) -> None:
    numbers = count()
    packer = prepare.Packer(((n, 7) for n in numbers), 20, 5)
    for _ in range(10):
        packer.row()
    assert next(numbers) <= 10 * 3 + 5 + 1
