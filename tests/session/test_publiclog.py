"""The public log: strict writing, healing, reading back."""

import json
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session.publiclog import (
    ConfigLine,
    OverrideLine,
    PublicLogError,
    ResultLine,
    append,
    encode,
    read_log,
    read_text,
)
from engine.session.publicrecords import STATUSES

CONFIG = ConfigLine("Optimize val_bpb", "val_bpb", "bpb", "lower")
RESULT = ResultLine(run=2, commit="def5678", metric=0.993, status="keep", description="raise LR", timestamp=1700000000)


def test_a_config_line_has_exactly_the_agreed_keys() -> None:
    assert encode(CONFIG) == (
        b'{"type":"config","name":"Optimize val_bpb","metricName":"val_bpb","metricUnit":"bpb",'
        b'"bestDirection":"lower"}\n'
    )


def test_a_result_line_leaves_empty_optional_keys_out_and_says_null_for_no_confidence() -> None:
    assert encode(RESULT) == (
        b'{"run":2,"commit":"def5678","metric":0.993,"metrics":{},"status":"keep","description":"raise LR",'
        b'"timestamp":1700000000,"segment":0,"confidence":null}\n'
    )
    full = msgspec.structs.replace(
        RESULT,
        asi={"hypothesis": "h"},
        duration_s=1.5,
        trials=({"seed": 1},),
        flags=("jump",),
        group="g",
        usage={"usd": 0.1},
    )
    assert list(json.loads(encode(full)))[8:] == [
        "confidence",
        "asi",
        "duration_s",
        "trials",
        "flags",
        "group",
        "usage",
    ]


def test_an_override_line_has_exactly_the_agreed_keys() -> None:
    line = OverrideLine(12, "discard", "operator", "looks wrong", "abc")
    assert encode(line) == (
        b'{"type":"override","run":12,"status":"discard","by":"operator","reason":"looks wrong","commit":"abc"}\n'
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": float("nan")}, "run 2: metric is nan"),
        ({"metrics": {"mfu": float("inf")}}, "run 2: mfu is inf"),
        ({"status": "kept"}, "run 2: the status must be one of keep, discard, crash, checks_failed, not 'kept'"),
        ({"status": "crash", "metric": 0.5}, "run 2: a crash has metric 0, not 0.5"),
    ],
)
def test_what_must_not_stand_in_a_log_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(PublicLogError, match=says):
        encode(msgspec.structs.replace(RESULT, **change))


def test_a_direction_that_is_none_is_refused() -> None:
    with pytest.raises(PublicLogError, match="bestDirection"):
        encode(ConfigLine("n", "m", "", "up"))


FINITE = st.floats(allow_nan=False, allow_infinity=False)
RESULTS = st.builds(
    ResultLine,
    run=st.integers(1, 10**6),
    commit=st.text("0123456789abcdef", max_size=40),
    metric=FINITE,
    metrics=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), FINITE, max_size=3),
    status=st.sampled_from(["keep", "discard", "checks_failed"]),
    description=st.text(st.characters(exclude_categories=["Cs"])).map(str.strip),
    timestamp=st.integers(0, 4_000_000_000),
    confidence=st.none() | FINITE,
    asi=st.dictionaries(st.text("abc", max_size=5), st.text(st.characters(exclude_categories=["Cs"])), max_size=3),
    duration_s=st.none() | st.floats(0.1, 1e6),
    flags=st.lists(st.sampled_from(["jump", "nan"])).map(tuple),
    usage=st.dictionaries(st.sampled_from(["usd", "tokens"]), FINITE),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(RESULTS, max_size=5))
def test_what_is_written_is_read_back_equal(results: list[ResultLine]) -> None:
    data = encode(CONFIG) + b"".join(map(encode, results))
    assert data.count(b"\n") == len(results) + 1
    reading = read_text(data)
    assert (reading.results, reading.configs, reading.problems, reading.torn) == (results, {0: CONFIG}, [], None)


def test_half_a_character_in_a_description_is_written_as_a_question_mark() -> None:
    line = encode(msgspec.structs.replace(RESULT, description="bad \ud800 text"))
    assert json.loads(line)["description"] == "bad ? text"


def test_append_makes_the_file_and_adds_to_it(tmp_path: Path) -> None:
    path = tmp_path / "autoresearch.jsonl"
    assert read_log(path).results == []
    append(path, [CONFIG])
    assert append(path, [RESULT]) == b""
    reading = read_log(path)
    assert (reading.configs, reading.results) == ({0: CONFIG}, [RESULT])


@pytest.mark.parametrize("cut", [1, 20, 139])
def test_a_line_torn_by_a_crash_is_cut_off_before_the_next_is_added(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "autoresearch.jsonl"
    torn = encode(RESULT)[:cut]
    path.write_bytes(encode(CONFIG) + torn)
    assert (read_log(path).torn, read_log(path).problems) == (2, [])
    assert append(path, [RESULT]) == torn
    assert path.read_bytes() == encode(CONFIG) + encode(RESULT)


def test_a_line_torn_within_a_character_is_cut_off_too(tmp_path: Path) -> None:
    path = tmp_path / "autoresearch.jsonl"
    path.write_bytes('{"run":1,"description":"µ'.encode()[:-1])
    append(path, [RESULT])
    assert path.read_bytes() == encode(RESULT)


@pytest.mark.parametrize("last", [encode(RESULT)[:-1], b"somebody's own words"])
def test_a_last_line_that_only_lacks_its_newline_gets_it(tmp_path: Path, last: bytes) -> None:
    path = tmp_path / "autoresearch.jsonl"
    path.write_bytes(last)
    append(path, [RESULT])
    assert path.read_bytes() == last + b"\n" + encode(RESULT)


def test_a_torn_line_longer_than_a_block_is_cut_whole(tmp_path: Path) -> None:
    path = tmp_path / "autoresearch.jsonl"
    path.write_bytes(encode(CONFIG) + b'{"run":1,"description":"' + b"x" * 200_000)
    append(path, [RESULT])
    assert path.read_bytes() == encode(CONFIG) + encode(RESULT)


def test_a_full_disk_leaves_no_half_line_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "autoresearch.jsonl"
    append(path, [CONFIG])
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
        with pytest.raises(OSError, match="No space left"):
            append(path, [RESULT])
    assert path.read_bytes() == encode(CONFIG)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(st.sampled_from('{}[]":,\t\n keep0.9run'), max_size=200).map(str.encode))
def test_any_bytes_are_read_and_nothing_turns_into_a_keep(data: bytes) -> None:
    reading = read_text(data)
    assert b"keep" in data or all(result.status != "keep" for result in reading.results)
    numbers = [problem.line_number for problem in reading.problems]
    assert numbers == sorted(set(numbers))


def test_the_statuses_are_those_of_the_contract() -> None:
    assert STATUSES == ("keep", "discard", "crash", "checks_failed")
