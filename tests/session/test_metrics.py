"""The METRIC grammar."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session.metrics import number, parse_metrics, scan


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("METRIC val_bpb=0.9931", {"val_bpb": 0.9931}),
        ("METRIC a=1\nMETRIC a=2\n", {"a": 2.0}),
        ("noise METRIC a=1\nMETRIC b=1 tail\nMETRIC 9=1\nMETRIC =1\nMETRICa=1\n", {}),
        ("METRIC parse_µs=2722\r\nMETRIC µs.p99=-1.5e3\n", {"parse_µs": 2722.0, "µs.p99": -1500.0}),
        ("10%\rMETRIC a=1\r100%\r", {"a": 1.0}),
        ("METRIC a=.5\nMETRIC b=5.\nMETRIC c=+1E-2", {"a": 0.5, "b": 5.0, "c": 0.01}),
        ("METRIC a=" + "1" * 4096, {}),
        ("METRIC a=" + "1" * 40 + " " * 4000, {"a": float("1" * 40)}),
        ("METRIC a=1\x0bMETRIC b=2\n", {}),
        ("", {}),
    ],
)
def test_what_is_a_metric_and_what_is_not(text: str, values: dict[str, float]) -> None:
    assert parse_metrics(text) == values
    assert parse_metrics(text.encode()) == values


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "-Infinity", "1e999", "0x10", "1_000", "1,000", "٣", "", "abc"])
def test_a_value_that_is_no_finite_decimal_number_is_refused_by_name(value: str) -> None:
    found = scan(f"METRIC val_bpb={value}\n")
    assert (found.values, found.refused) == ({}, {"val_bpb": value})


def test_the_last_line_wins_also_between_a_number_and_none() -> None:
    assert scan("METRIC a=1\nMETRIC a=nan") == scan("METRIC a=nan")
    assert scan("METRIC a=nan\nMETRIC a=1") == scan("METRIC a=1")


def test_bytes_that_are_no_utf8_do_no_harm() -> None:
    assert parse_metrics(b"\xff\xfe\nMETRIC a=1\n\xff") == {"a": 1.0}


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_python_prints_comes_back(value: float) -> None:
    assert parse_metrics(f"METRIC x={value!r}") == {"x": value}


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_and_only_finite_values_come_out(text: str) -> None:
    found = scan("METRIC a=" + text)
    assert all(math.isfinite(v) for v in found.values.values())
    assert not set(found.values) & set(found.refused)
    assert number(text) is None or math.isfinite(float(text))
