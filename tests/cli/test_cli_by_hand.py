"""metrics and record: a loop driven by hand writes the log that everybody reads."""

import io
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session.publiclog import read_log
from tests.loop.lab import ENV, Lab


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch):
    """Feed a verb's standard input."""

    def feed(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))

    return feed


def test_metrics_are_the_last_finite_value_of_each_name(overnight, standard_input) -> None:
    standard_input("noise\nMETRIC val_bpb=1.5\rMETRIC val_bpb=1.25\nMETRIC mfu_percent=39.8\nMETRIC loss=nan\n")
    said = overnight("metrics")
    assert said.code == 0
    assert said.json == {"val_bpb": 1.25, "mfu_percent": 39.8}
    assert "loss=nan" in said.err


def test_metrics_without_the_needed_one_fail_and_never_say_zero(overnight, standard_input) -> None:
    standard_input("METRIC mfu_percent=39.8\nMETRIC val_bpb=inf\n")
    said = overnight("metrics", "--need", "val_bpb")
    assert said.code == 1
    assert said.json == {"mfu_percent": 39.8}
    standard_input("no metrics here\n")
    said = overnight("metrics")
    assert said.code == 1 and said.json == {}


def test_the_first_record_writes_the_config_line_and_later_ones_follow_it(overnight, tmp_path: Path) -> None:
    log = tmp_path / "autoresearch.jsonl"
    what = ["--metric", "accuracy", "--unit", "", "--direction", "higher"]
    first = overnight("record", "--status", "keep", "--description", "baseline", "--value", "0.5", *what)
    assert first.code == 0
    more = ["--asi", "hypothesis=more", "--with", "peak_vram_mb=120", "--commit", "abc1234", "--json"]
    second = overnight("record", "--status", "keep", "--description", "wider", "--value", "0.6", *more)
    assert second.json["config_written"] is False
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[0] == {
        "type": "config",
        "name": "Optimize accuracy",
        "metricName": "accuracy",
        "metricUnit": "",
        "bestDirection": "higher",
    }
    assert [(line["run"], line["metric"], line["segment"]) for line in lines[1:]] == [(1, 0.5, 0), (2, 0.6, 0)]
    assert lines[2]["asi"] == {"hypothesis": "more"} and lines[2]["metrics"] == {"peak_vram_mb": 120.0}
    assert lines[2]["commit"] == "abc1234"


def test_metrics_pipe_into_record(overnight, standard_input, tmp_path: Path) -> None:
    standard_input("METRIC val_bpb=1.25\nMETRIC step_ms=80\n")
    document = overnight("metrics").out
    standard_input(document)
    assert overnight("record", "--status", "keep", "--description", "x", "--metrics", "-").code == 0
    result = read_log(tmp_path / "autoresearch.jsonl").results[0]
    assert result.metric == 1.25 and result.metrics == {"step_ms": 80.0}


def test_record_reads_metric_lines_and_an_object_of_asi(overnight, standard_input, tmp_path: Path) -> None:
    standard_input("METRIC val_bpb=1.25\nMETRIC step_ms=80\n")
    asi = '{"hypothesis": "too low", "result": "worse"}'
    assert (
        overnight("record", "--status", "discard", "--description", "x", "--asi", asi, "--asi", "next=0.03").code == 0
    )
    result = read_log(tmp_path / "autoresearch.jsonl").results[0]
    assert result.metric == 1.25 and result.metrics == {"step_ms": 80.0}
    assert result.asi == {"hypothesis": "too low", "result": "worse", "next": "0.03"}


def test_a_session_driven_by_hand_measures_what_its_settings_say(overnight, sessions: Path, monkeypatch) -> None:
    lab = Lab(sessions / "hand", settings='[metric]\nname = "score"\nunit = ""\ndirection = "higher"\n')
    monkeypatch.chdir(lab.root)
    for status, value in (("keep", "1"), ("keep", "3"), ("discard", "2")):
        assert overnight("record", "--status", status, "--description", "x", "--value", value).code == 0
    reading = read_log(lab.paths.public_log)
    assert (reading.configs[0].metric_name, reading.configs[0].best_direction) == ("score", "higher")
    found = overnight("status", "--json").json
    assert found["state"].startswith("driven by hand")
    assert found["champion"]["metric"] == 3.0 and found["counts"] == {"keep": 1, "discard": 1}
    assert found["gain"] == 2.0
    assert "score 3.000000" in overnight("status").out
    assert len(overnight("log", "--json").json["experiments"]) == 3


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--status", "keep"], "--value"),
        (["--status", "keep", "--value", "nan"], "finite"),
        (["--status", "keep", "--value", "fast"], "finite"),
        (["--status", "won", "--value", "1"], "invalid choice"),
        (["--status", "crash", "--value", "1"], "crash"),
        (["--status", "keep", "--value", "1", "--with", "mfu"], "NAME=NUMBER"),
    ],
)
def test_what_a_log_cannot_hold_is_wrong_usage_and_writes_nothing(
    overnight, standard_input, tmp_path, words, complaint
) -> None:
    standard_input("METRIC other=1\n")
    said = overnight("record", "--description", "x", *words)
    assert said.code == 2
    assert complaint in said.err
    assert not (tmp_path / "autoresearch.jsonl").exists()


def test_another_metric_needs_a_segment_of_its_own(overnight, tmp_path: Path) -> None:
    assert overnight("record", "--status", "keep", "--description", "a", "--value", "1").code == 0
    said = overnight("record", "--status", "keep", "--description", "b", "--value", "2", "--metric", "loss")
    assert said.code == 4 and "--new-segment" in said.err
    more = ["--metric", "loss", "--new-segment"]
    assert overnight("record", "--status", "keep", "--description", "b", "--value", "2", *more).code == 0
    reading = read_log(tmp_path / "autoresearch.jsonl")
    assert [result.segment for result in reading.results] == [0, 1]
    assert reading.configs[1].metric_name == "loss"


def test_a_crash_is_zero_and_outside_the_statistics(overnight, tmp_path: Path) -> None:
    for status, value in (("keep", "2.0"), ("discard", "2.1"), ("crash", None), ("keep", "1.8"), ("discard", "1.9")):
        given_value = ["--value", value] if value else []
        assert overnight("record", "--status", status, "--description", "x", *given_value).code == 0
    results = read_log(tmp_path / "autoresearch.jsonl").results
    assert results[2].metric == 0.0 and results[2].confidence is None
    # |1.8 − 2.0| over the median deviation of 2.0, 2.1, 1.8, 1.9 from 1.95
    assert results[-1].confidence == pytest.approx(0.2 / 0.1)


def test_the_log_of_a_session_with_an_engine_is_refused(overnight, story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(story.root)
    said = overnight("record", "--status", "keep", "--description", "x", "--value", "1")
    assert said.code == 4
    assert "overnight note" in said.err
    assert not story.paths.public_log.exists()


def test_the_commit_is_heads_where_there_is_a_repository(overnight, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, env=ENV)
    commit = ["git", "commit", "-q", "--allow-empty", "-m", "one"]
    subprocess.run(commit, cwd=tmp_path, check=True, env=ENV)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    said = overnight("record", "--status", "keep", "--description", "x", "--value", "1", "--json")
    assert head.startswith(said.json["result"]["commit"]) and len(said.json["result"]["commit"]) == 7


def test_a_torn_last_line_is_mended_and_told(overnight, tmp_path: Path) -> None:
    overnight("record", "--status", "keep", "--description", "a", "--value", "1")
    with (tmp_path / "autoresearch.jsonl").open("a") as file:
        file.write('{"run":2,"commit":"')
    said = overnight("record", "--status", "keep", "--description", "b", "--value", "2")
    assert said.code == 0 and "cut off" in said.err
    assert [result.run for result in read_log(tmp_path / "autoresearch.jsonl").results] == [1, 2]


@settings(max_examples=40)
@given(
    kept=st.lists(st.floats(0.5, 5, allow_nan=False), min_size=1, max_size=8),
    direction=st.sampled_from(["lower", "higher"]),
)
def test_whatever_is_recorded_reads_back(tmp_path_factory, kept: list[float], direction: str) -> None:
    from engine.cli.front import main

    log = tmp_path_factory.mktemp("log") / "results.jsonl"
    for value in kept:
        words = ["--status", "keep", "--description", f"v{value}", "--value", repr(value), "--commit", ""]
        assert (
            main(["record", "--log", str(log), "--metric", "score", "--unit", "", "--direction", direction, *words])
            == 0
        )
    reading = read_log(log)
    assert [result.metric for result in reading.results] == kept
    assert not reading.problems and reading.configs[0].best_direction == direction
