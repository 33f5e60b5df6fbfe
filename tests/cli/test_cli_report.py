"""report: a night told truly, by figure and by page; log, show and status tell what thinking cost."""

from pathlib import Path

import pytest

from engine.session import events as ev
from engine.session.night import night as figures
from engine.session.publiclog import read_log
from tests.cli.story import Story
from tests.session.story import Story as Events


def thinking(story: Story, **usage: float) -> None:
    """The last experiment's researcher was refused once, failed once, and used this much in all."""
    run, half = story.runs, {name: value / 2 for name, value in usage.items()}
    story.write(
        ev.ProposalRefused(at=story.tick(), run=run, attempt=1, reason="train.py, line 3: imports socket", usage=half),
        ev.AttemptFailed(
            at=story.tick(), run=run, researcher="agent", kind="rate_limit", reason="429 | slow", usage=half
        ),
    )


def night(story: Story) -> Story:
    """Runs 2 keep, 3 discard, 4 crash, 5 keep, and 6 flagged; the researcher's part in 6 cost 1.2 USD."""
    story.night()
    story.begin()
    thinking(story, cost_usd=1.2, input_tokens=9000.0, output_tokens=600.0)
    story.accept("ALPHA 0.5→0.6 <!-- | \x1b[31mred")
    story.trial("ok", 0.2)
    story.decide("discard", 0.2, "not believed: a jump", ("jump",))
    story.write(
        ev.PauseSet(at=story.tick(), paused=True, by="engine", reason="the limit of 1 USD is reached", limit=True),
        ev.Trouble(at=story.tick(), text="the hook failed"),
    )
    return story


def test_the_page_tells_the_night(overnight, story) -> None:
    night(story)
    text = overnight("report").out
    for part in (
        "# s1",
        "5 experiments (1 crash, 2 discard, 2 keep)",
        "Champion: run 5, val_bpb 1.800000, ALPHA 0.2→0.5. Its gain over the baseline's 2.000000 (run 1) is 0.200000",
        "Confidence 4.0, likely real: the gain is 4.0 times the scatter",
        "| 2 | `",
        "| +0.100000 | +0 |",
        "## What failed, by idea",
        "| ALPHA 0.2→0.3 | 3 | 1 discard | -0.050000 | worse than the champion |",
        "RuntimeError: shapes differ",
        "| jump | 6 | the gain is larger than gate.jump in one step |",
        "- 1 proposal sent back:",
        "imports socket",
        "1 × agent, rate_limit: 429 \\| slow",
        "| all | $1.20 | 9,000 in, 600 out |",
        "| per experiment (5) | $0.24 | 1,920 |",
        "| per kept improvement (2) | $0.60 | 4,800 |",
        "| training |",
        "by engine: the limit of 1 USD is reached",
        "the hook failed",
    ):
        assert part in text, f"{part!r} is not in\n{text}"
    assert "\x1b" not in text and "<!--" not in text


def test_the_document_has_every_figure(overnight, story) -> None:
    night(story)
    found = overnight("report", "s1", "--json").json
    assert [keep["run"] for keep in found["keeps"]] == [2, 5]
    assert found["gain"] == pytest.approx(0.2) and found["confidence_means"] == "likely real"
    assert found["counts"] == {"keep": 2, "discard": 2, "crash": 1}
    assert found["spending"]["per_keep_usd"] == pytest.approx(0.6)
    assert found["failures"] == [{"researcher": "agent", "kind": "rate_limit", "count": 1, "last": "429 | slow"}]
    assert found["pauses"][0]["reason"] == "the limit of 1 USD is reached"
    assert found["times"]["training"] == pytest.approx(8.0 * 6)
    told = found["times"]
    assert told["total"] == pytest.approx(found["last_at"] - found["began_at"])


def test_an_idea_is_one_row_however_often_it_was_tried_and_one_that_never_failed_is_none() -> None:
    told = Events()
    told.ran("keep", 2.0)
    for status, metric, name in (
        ("discard", 2.2, "ALPHA"),
        ("crash", None, "ALPHA"),
        ("keep", 1.9, "BETA"),
        ("keep", 1.8, "ALPHA"),
    ):
        told.experiment(told.ran(status, metric)).params = {name: ("0.1", "0.2")}
    ideas = figures(told.state).ideas
    assert [(idea.name, idea.runs, idea.statuses) for idea in ideas] == [
        ("ALPHA", (2, 3, 5), {"discard": 1, "crash": 1, "keep": 1})
    ]
    assert ideas[0].best == pytest.approx(-0.2)


def test_a_session_without_results_and_one_without_anything(overnight, story, sessions: Path) -> None:
    assert "The baseline stands: run 1" in overnight("report").out
    assert "No confidence can be given: three valid results are needed, and there is 1" in overnight("report").out
    story.paths.journal.unlink()
    assert "Nothing was measured yet." in overnight("report").out
    assert overnight("report", "nowhere").code == 3


def test_log_show_and_status_tell_the_cost(overnight, story) -> None:
    night(story)
    log = overnight("log").out
    assert "used" in log.splitlines()[0] and "$1.20" in log
    assert overnight("log", "--json").json["experiments"][5]["usage"]["cost_usd"] == pytest.approx(1.2)
    shown = overnight("show", "6").out
    assert "$1.20, 9,000 tokens in, 600 out" in shown
    assert "agent: rate_limit: 429 | slow" in shown
    status = overnight("status")
    assert "$1.20, 9,600 tokens; $0.24 an experiment, $0.60 a kept improvement" in status.out
    assert "paused by engine: the limit of 1 USD is reached" in status.out
    assert overnight("status", "--json").json["spending"]["cost_usd"] == pytest.approx(1.2)


def test_another_loops_log_shows_its_cost(overnight, tmp_path: Path) -> None:
    path = tmp_path / "autoresearch.jsonl"
    path.write_text(
        '{"type":"config","name":"x","metricName":"score","metricUnit":"","bestDirection":"lower"}\n'
        '{"run":1,"commit":"abcdef1","metric":1.5,"metrics":{},"status":"keep","description":"a","timestamp":1,'
        '"segment":0,"confidence":null,"usage":{"input_tokens":1000,"output_tokens":24}}\n'
    )
    assert read_log(path).results[0].usage["input_tokens"] == 1000
    assert "1,024 tokens" in overnight("log", str(path)).out
