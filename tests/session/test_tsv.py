"""results.tsv in the shapes seen in the wild."""

import pytest

from engine.session.publiclog import read_text
from engine.session.tsv import read_tsv


def table(*rows: str) -> str:
    return "".join(row.replace(" | ", "\t") + "\n" for row in rows)


def test_the_original_five_columns() -> None:
    text = table(
        "commit | val_bpb | memory_gb | status | description",
        "baseline | 0.997900 | 44.0 | keep | baseline",
        "bea057b | 0.986041 | 43.9 | keep | half the batch",
        "0000000 | 0.000000 | 0.0 | crash | twice the width",
        "187e419 | 0.982603 | 60.2 | discard | 5% warm-up",
    )
    reading = read_text(text.encode())
    assert [(r.run, r.commit, r.metric, r.status) for r in reading.results] == [
        (1, "baseline", 0.9979, "keep"),
        (2, "bea057b", 0.986041, "keep"),
        (3, "0000000", 0.0, "crash"),
        (4, "187e419", 0.982603, "discard"),
    ]
    assert reading.results[0].metrics == {"memory_gb": 44.0}
    assert (reading.configs[0].metric_name, reading.configs[0].best_direction) == ("val_bpb", "lower")
    assert reading.problems == []


def test_further_columns_become_metrics_and_words_stay_words() -> None:
    text = table(
        "commit | val_rmse | mfu | params | status | description",
        " | 0.31 | 58.1% | params 151K | kept | no commit",
    )
    (result,) = read_tsv(text).results
    assert (result.commit, result.metric, result.status) == ("", 0.31, "kept")
    assert (result.metrics, result.extra) == ({"mfu": 58.1}, {"params": "params 151K"})


@pytest.mark.parametrize(
    ("header", "metric", "direction"),
    [
        ("commit | score | status | description", "score", ""),
        ("commit | accuracy | status | description", "accuracy", ""),
        ("exp | commit | lr | val_loss | status | notes", "val_loss", "lower"),
        ("id | time | val_ppl | decision", "val_ppl", "lower"),
    ],
)
def test_the_primary_metric_is_found_and_its_direction_not_guessed(header: str, metric: str, direction: str) -> None:
    config = read_tsv(table(header)).configs[0]
    assert (config.metric_name, config.best_direction) == (metric, direction)


def test_a_metric_can_be_named() -> None:
    text = table("commit | val_bpb | score | status", "abc | 0.9 | 68.6% | keep")
    assert read_tsv(text, "score").results[0].metric == 68.6
    assert read_tsv(text).results[0].metric == 0.9


def test_rows_that_cannot_be_read_are_reported_and_never_a_keep() -> None:
    text = table(
        "commit | val_bpb | memory_gb | status | description",
        "abc | n/a | 44.0 | keep | no number",
        "abc | 0.9",
        "",
        "abc | - | - | crash | out of memory",
        "abc | 0.9 | 44.0 | keep",
        "abc | 0.9 | 44.0 | keep | tabs | in | prose",
    )
    reading = read_tsv(text)
    assert [(p.line_number, p.why) for p in reading.problems] == [
        (2, "the metric of a keep must be a finite number, not 'n/a'"),
        (3, "2 fields between tabs, 5 columns in the header"),
    ]
    assert [(r.status, r.metric, r.description) for r in reading.results] == [
        ("crash", 0.0, "out of memory"),
        ("keep", 0.9, ""),
        ("keep", 0.9, "tabs in prose"),
    ]


def test_a_table_without_a_header_has_the_original_columns() -> None:
    (result,) = read_tsv(table("abc1234 | 0.99 | 44.0 | discard | an idea")).results
    assert (result.commit, result.metric, result.status, result.description) == ("abc1234", 0.99, "discard", "an idea")


def test_a_torn_last_row_is_no_problem() -> None:
    reading = read_tsv(table("commit | val_bpb | status", "abc | 0.9 | keep") + "def\t0.")
    assert (reading.torn, reading.problems, len(reading.results)) == (3, [], 1)
