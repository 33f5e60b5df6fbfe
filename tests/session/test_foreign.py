"""Logs that other writers made, in small logs of the same shapes."""

import json
from typing import Any

import pytest

from engine.session.loosely import as_moment, as_number
from engine.session.publiclog import read_text


def log(*lines: dict[str, Any] | str) -> bytes:
    return "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines).encode()


def test_a_pi_log_with_milliseconds_hooks_and_two_segments() -> None:
    config = {"type": "config", "name": "n", "metricName": "parse_µs", "metricUnit": "µs", "bestDirection": "lower"}
    result = {"run": 1, "commit": "abc1234", "metric": 3818, "metrics": {"µs.p99": 41}, "status": "keep"}
    reading = read_text(
        log(
            config,
            result | {"description": "base", "timestamp": 1773348490227},
            {"type": "hook", "stage": "before", "exit_code": 0},
            result | {"run": 2, "status": "discard", "timestamp": 1773348500000, "segment": 0, "confidence": None},
            config | {"name": "again", "bestDirection": "higher"},
            result
            | {"run": 3, "metric": 4000, "asi": {"hypothesis": "h", "tried": [1, 2], "none": None}, "segment": 0},
        )
    )
    assert [(r.run, r.segment, r.status) for r in reading.results] == [
        (1, 0, "keep"),
        (2, 0, "discard"),
        (3, 1, "keep"),
    ]
    assert reading.results[0].timestamp == 1773348490
    assert reading.results[0].metrics == {"µs.p99": 41.0}
    assert reading.results[2].asi == {"hypothesis": "h", "tried": "[1, 2]"}
    assert [(s, c.name, c.best_direction) for s, c in reading.configs.items()] == [
        (0, "n", "lower"),
        (1, "again", "higher"),
    ]
    assert (reading.unknown, reading.problems, reading.segment) == ({"hook": 1}, [], 1)


def test_configs_before_any_result_open_one_segment_and_a_claimed_later_segment_is_believed() -> None:
    reading = read_text(
        log(
            {"type": "config", "name": "a", "metricName": "m"},
            {"type": "config", "name": "b", "metricName": "m"},
            {"run": 1, "metric": 1, "status": "keep"},
            {"run": 2, "metric": 1, "status": "keep", "segment": 3},
            {"run": 3, "metric": 1, "status": "keep"},
        )
    )
    assert [r.segment for r in reading.results] == [0, 3, 3]
    assert reading.configs[0].name == "b"


def test_statuses_stay_as_they_are_and_none_becomes_a_keep() -> None:
    words = ["keep", "kept", "KEEP", "baseline", "checks_failed", "", None, True]
    reading = read_text(log(*({"run": 1, "metric": 1.0, "status": word} for word in words)))
    assert [r.status for r in reading.results] == ["keep", "kept", "KEEP", "baseline", "checks_failed", "", "", "True"]


def test_a_crash_has_metric_0_whatever_stands_there() -> None:
    reading = read_text(
        log('{"run":1,"metric":NaN,"status":"crash"}', {"metric": None, "status": "crash"}, {"status": "crash"})
    )
    assert [(r.run, r.metric) for r in reading.results] == [(1, 0.0), (2, 0.0), (3, 0.0)]


def test_each_line_that_cannot_be_read_is_reported_with_its_number() -> None:
    reading = read_text(
        log(
            {"run": 1, "metric": 1.0, "status": "keep"},
            "{broken",
            "",
            '{"run":2,"metric":NaN,"status":"keep"}',
            '{"run":3,"metric":"fast","status":"discard"}',
            "[1,2]",
            {"hello": "world"},
            {"type": "override", "status": "discard"},
            {"run": 4, "metric": "68.6%", "status": "keep", "description": "read"},
        )
    )
    assert [p.line_number for p in reading.problems] == [2, 4, 5, 6, 7, 8]
    assert "not JSON" in reading.problems[0].why
    assert reading.problems[1].why == "the metric of a keep must be a finite number, not nan"
    assert reading.problems[2].why == "the metric of a discard must be a finite number, not 'fast'"
    assert [(r.run, r.metric) for r in reading.results] == [(1, 1.0), (4, 68.6)]


def test_values_that_fit_nowhere_are_kept_as_extra() -> None:
    line = {
        "run": 1,
        "metric": 1,
        "status": "keep",
        "metrics": {"loss": "1.5", "gpu": "A100"},
        "agent": "x",
        "asi": "text",
    }
    (result,) = read_text(log(line)).results
    assert result.metrics == {"loss": 1.5}
    assert result.extra == {"metrics.gpu": "A100", "agent": "x"}
    assert result.asi == {"note": "text"}


def test_overrides_are_read_as_lines_of_their_own() -> None:
    (override,) = read_text(log({"type": "override", "run": 12, "status": "discard", "by": "operator"})).overrides
    assert (override.run, override.status, override.by, override.reason) == (12, "discard", "operator", "")


def test_a_byte_order_mark_crlf_and_bad_utf8_do_no_harm() -> None:
    data = b'\xef\xbb\xbf{"run":1,"metric":1,"status":"keep"}\r\n{"run":2,"metric":1,"status":"\xff"}\r\n'
    reading = read_text(data)
    assert [r.status for r in reading.results] == ["keep", "�"]
    assert reading.problems == []


def test_a_line_nested_too_deeply_is_a_problem_and_no_crash() -> None:
    reading = read_text(b"[" * 100_000 + b"\n" + log({"run": 1, "metric": 1, "status": "keep"}))
    assert [p.line_number for p in reading.problems] == [1]
    assert len(reading.results) == 1


@pytest.mark.parametrize(
    ("written", "value"),
    [("0.5", 0.5), (3, 3.0), (" 68.6% ", 68.6), ("1,234.5", 1234.5), ("1,234,567", 1234567.0), ("0,5", None)]
    + [(w, None) for w in ("", "-", "nan", "12 GB", True, None, [], 10**400, float("inf"))],
)
def test_loose_numbers(written: object, value: float | None) -> None:
    assert as_number(written) == value


@pytest.mark.parametrize(
    "written", [1700000000, 1700000000.9, 1700000000123, 1700000000123456, "1700000000", "2023-11-14T22:13:20+00:00"]
)
def test_moments_in_any_unit(written: object) -> None:
    assert as_moment(written) == 1700000000
    assert as_moment("2023-11-14 22:13:20") == 1700000000
    assert as_moment("yesterday") == as_moment(None) == 0
