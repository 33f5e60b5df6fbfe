"""Results in a prompt: the newest in full, older ones shorter, and nothing left out without saying so."""

import re
from collections.abc import Sequence
from pathlib import Path

from engine.researchers.prompt import build
from engine.researchers.prompt.results import IN_FULL
from engine.researchers.prompt.results import history as told
from engine.researchers.prompt.size import cost, tokens
from engine.session.settings import Metric, Researcher
from engine.session.state import Experiment
from tests.researchers.briefs import brief, result

LEFT = re.compile(r"\((\d+) more do not fit")


WHERE = "the archive"


def history(results: Sequence[Experiment], metric: Metric, room: int) -> str:
    """Told of, with the archive's name."""
    return told(results, metric, room, WHERE)


def many(count: int, hint: str = "then go on with {}") -> list[Experiment]:
    made = [result(1, "the baseline", "keep", 1.0)]
    for run in range(2, count + 1):
        one = result(run, f"idea {run} of many", "keep" if run % 7 == 0 else "discard", 1.0 - run / 1e5)
        one.asi = {"hypothesis": f"because of reason {run}", "next_action_hint": hint.format(run)}
        made.append(one)
    return made


def test_few_results_are_all_in_full_at_full_precision() -> None:
    results = many(5)
    results[2].metric = 0.1 + 0.2
    text = history(results, Metric(), 100_000)
    assert "0.30000000000000004" in text and text.count("  hypothesis: ") == 4
    assert text.index("run 1 |") < text.index("run 5 |")


def test_more_results_are_condensed_without_losing_a_description_a_hypothesis_or_a_hint() -> None:
    results = many(150)
    room = cost(history(results, Metric(), 1_000_000)) * 8 // 10
    text = history(results, Metric(), room)
    assert "A line each" in text and "In full" in text and cost(text) <= room
    for run in range(2, 151):
        assert f"idea {run} of many" in text
        assert f"because of reason {run}" in text
        assert f"then go on with {run}" in text


def test_a_hypothesis_said_before_is_named_by_the_run_that_has_it() -> None:
    results = many(100, hint="the very same hint for all of them, and a long one")
    text = history(results, Metric(), cost(history(results, Metric(), 1_000_000)) * 7 // 10)
    lines, in_full = text.split("In full:")
    assert lines.count("next: as run 100") > 40 and "the very same hint" not in lines
    assert in_full.count("the very same hint") == in_full.count("  change: ") > 0


def test_still_more_are_merged_by_the_constant_with_each_description_once() -> None:
    results = [result(1, "the baseline", "keep")]
    for run in range(2, 1200):
        new = f"0.0{run % 30}"
        made = result(run, f"LR 0.1→{new}", "discard", 1.0 + run / 1e4, params={"LR": ("0.1", new)})
        made.asi = {"hypothesis": "the best rate is not known"}
        results.append(made)
    text = history(results, Metric(), 12_000)
    assert cost(text) <= 12_000 and not LEFT.search(text)
    assert "by what they changed" in text
    merged = next(line for line in text.splitlines() if line.startswith("LR: "))
    for value in range(30):
        assert merged.count(f"0.1→0.0{value} ") == 1
    assert "×39" in merged or "×40" in merged


def test_what_does_not_fit_at_all_is_counted_and_what_was_kept_stays() -> None:
    results = many(3000)
    text = history(results, Metric(), 60_000)
    left = LEFT.search(text)
    assert left and cost(text) <= 60_000
    shown = {int(n) for n in re.findall(r"idea (\d+) of many", text)}
    assert len(shown) + int(left[1]) + ("the baseline" in text) == 3000
    kept = [run for run in range(2, 3001) if run % 7 == 0]
    assert sum(run in shown for run in kept) / len(kept) > len(shown) / 3000
    assert all(run in shown for run in range(3001 - IN_FULL, 3001))


def test_withdrawn_and_noted_results_say_so() -> None:
    one = result(2, "an idea", "discard", overridden_by="anna", notes=["looked wrong"], flags=("jump",))
    for room in (100_000, 2_200):
        text = history([result(1, "the baseline", "keep"), one, *many(30)[2:]], Metric(), room)
        if room > 50_000:
            assert "by decision of anna" in text and "looked wrong" in text and "flagged jump" in text
        assert cost(text) <= room


def test_five_thousand_results_stay_under_the_bound(tmp_path: Path) -> None:
    text = build(brief(tmp_path, *many(5000), researcher=Researcher(prompt_tokens=30_000)))
    assert 25_000 < tokens(text) <= 30_000
    assert "idea 5000 of many" in text and "because of reason 5000" in text
