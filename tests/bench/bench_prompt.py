"""The prompt of 5,000 experiments, and the archive of what it shortens: how long both take, and how large they are.

Every result differs in its words, which is the worst there is for folding them. Run: python -m tests.bench prompt
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from engine.researchers.prompt import archive, build
from engine.researchers.prompt.size import tokens
from engine.session.settings import Researcher
from tests.researchers.briefs import brief
from tests.researchers.test_prompt_results import many

COUNT, BOUND, REPEATS = 5000, 30_000, 15
AIM_MS = 100


def main() -> None:
    """Print the medians."""
    with tempfile.TemporaryDirectory() as folder:
        given = brief(Path(folder), *many(COUNT), researcher=Researcher(prompt_tokens=BOUND))
        prompt, prompt_ms = timed(lambda: build(given, "Answer.", "the archive"))
        whole, whole_ms = timed(lambda: archive.whole(given.results))
        _, page_ms = timed(lambda: archive.Pages(given.results, 9000).page("reason 4"))
    print(f"prompt of {COUNT} results: {prompt_ms:.0f} ms, at most {tokens(prompt)} tokens (bound {BOUND})")
    print(f"archive of all of them: {whole_ms:.0f} ms, {len(whole.encode()) / 1e6:.2f} MB")
    print(f"prompt and archive: {prompt_ms + whole_ms:.0f} ms (aim: under {AIM_MS})")
    print(f"a model's first look into it: {page_ms:.0f} ms")


def timed(work: Callable[[], str]) -> tuple[str, float]:
    """What `work` gives, and its median in milliseconds."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        made = work()
        taken.append((time.perf_counter() - began) * 1000)
    return made, statistics.median(taken)


if __name__ == "__main__":
    main()
