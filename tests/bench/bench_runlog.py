"""A run.log of 1 GB: its last page, its first page, and a search of all of it.

Reference, in the same run: reading all lines of a tenth of it (its time and memory times ten; all of it needs 1.5 GB).
"""

import resource
import tempfile
import time
from pathlib import Path

from engine.session.textlog import TextLog
from tests.bench.longsession import LAST_LINE, long_log

BYTES = 1_000_000_000
PAGE = 50


def rss_mb() -> float:
    """The most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(name: str, began: float) -> None:
    """Print the milliseconds since."""
    print(f"{name}: {(time.perf_counter() - began) * 1000:,.1f} ms")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.log"
        long_log(path, BYTES)
        before = rss_mb()
        began = time.perf_counter()
        log = TextLog(path)
        page = log.end_page(PAGE)
        assert page[-1].text == LAST_LINE
        timed(f"TextLog, {BYTES / 1e9:.0f} GB: opened, and its last {PAGE} lines", began)
        began = time.perf_counter()
        log.page_from(0, PAGE)
        timed("its first page", began)
        began = time.perf_counter()
        log.page_before(BYTES // 2, PAGE)
        timed("a page in its middle", began)
        began = time.perf_counter()
        assert log.search(LAST_LINE, 0).offset == page[-1].offset
        took = time.perf_counter() - began
        print(f"a search through all of it: {took:.1f} s, {BYTES / took / 1e6:,.0f} MB/s")
        print(f"memory that it took: {rss_mb() - before:.0f} MB")
        log.close()
        before, began = rss_mb(), time.perf_counter()
        with path.open("rb") as file:
            lines = file.readlines(BYTES // 10)
        took = time.perf_counter() - began
        print(f"readlines: {took * 10:.1f} s and {(rss_mb() - before) * 10:,.0f} MB ({len(lines):,} lines of a tenth)")


if __name__ == "__main__":
    main()
