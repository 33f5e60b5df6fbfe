"""Packing speed against the plain scan, in the same run on the same documents: `python -m tests.bench packing`."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "assets"))

from prepare import Packer

WIDTH, BUFFER, ROWS = 2049, 1000, 1500
Row = list[tuple[int, int]]


def documents(seed: int) -> Iterator[tuple[int, int]]:
    """Lengths like those of web text: log-normal, median 400 tokens."""
    lengths = np.random.default_rng(seed).lognormal(6.0, 1.1, 2_000_000).astype(int) + 2
    return iter(list(enumerate(lengths.tolist())))


def plain_scan(coming: Iterator[tuple[int, int]]) -> Callable[[], Row]:
    """The definition carried out as it is written: look at every buffered document for each choice."""
    waiting: list[tuple[int, int]] = []

    def row() -> Row:
        made: Row = []
        space = WIDTH
        while space:
            while len(waiting) < BUFFER:
                waiting.append(next(coming))
            best, longest = -1, 0
            for place, (_, length) in enumerate(waiting):
                if longest < length <= space:
                    best, longest = place, length
            if best < 0:
                best = min(range(len(waiting)), key=lambda place: waiting[place][1])
            document, length = waiting.pop(best)
            made.append((document, min(length, space)))
            space -= made[-1][1]
        return made

    return row


def timed(row: Callable[[], Row | None]) -> tuple[float, list[Row | None]]:
    """Seconds for ROWS rows after one that fills the buffer, and the rows."""
    first = row()
    start = time.perf_counter()
    rows = [row() for _ in range(ROWS)]
    return time.perf_counter() - start, [first, *rows]


def run() -> list[str]:
    """Lines for the bench's report; raises if the two ever differ."""
    plain = fast = float("inf")
    for seed in range(3):
        took_plain, expected = timed(plain_scan(documents(seed)))
        took_fast, rows = timed(Packer(documents(seed), WIDTH, BUFFER).row)
        assert rows == expected, f"rows differ with seed {seed}"
        plain, fast = min(plain, took_plain), min(fast, took_fast)
    tokens = ROWS * WIDTH / 1e6
    return [
        f"packing: {tokens / fast:.1f} M tokens/s, plain scan {tokens / plain:.1f} M tokens/s: {plain / fast:.1f}x"
        f" (aim >= 8x; best of 3, {3 * (ROWS + 1)} rows of {WIDTH} identical)"
    ]


def main() -> None:
    """Print the comparison."""
    print("\n".join(run()))


if __name__ == "__main__":
    main()
