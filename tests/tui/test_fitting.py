"""Fitting text to cells, cropping and folding runs: always the promised width, nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.fitting import (
    bytes_text,
    clock_text,
    count_text,
    duration_text,
    fit,
    head,
    rate_text,
    shorten,
    shorten_middle,
    tail,
    width_of,
    wrap,
)
from tui.runs import crop, fold, line_width, plain

letters = st.text(st.sampled_from("abc xyz-_/éü漢字カナ…½"), max_size=60)
widths = st.integers(0, 50)
lines = st.lists(st.tuples(letters, st.sampled_from(["", "good", "bad strong"])), max_size=6)
quick = settings(max_examples=150, deadline=None)


@quick
@given(letters, widths, st.booleans())
def test_fit_gives_exactly_the_width(text: str, width: int, right: bool) -> None:
    assert cell_len(fit(text, width, right=right)) == width


@quick
@given(st.text(max_size=40), widths)
def test_shortened_text_is_never_wider_and_short_text_is_untouched(text: str, width: int) -> None:
    for cut in (shorten(text, width), shorten_middle(text, width), head(text, width), tail(text, width)):
        assert width_of(cut) <= width
    if width_of(text) <= width:
        assert shorten(text, width) == shorten_middle(text, width) == text


@quick
@given(letters, widths)
def test_head_and_tail_are_the_longest_that_fit(text: str, width: int) -> None:
    begin, end = head(text, width), tail(text, width)
    assert text.startswith(begin) and text.endswith(end)
    if len(begin) < len(text):
        assert width_of(text[: len(begin) + 1]) > width
    if len(end) < len(text):
        assert width_of(text[len(text) - len(end) - 1 :]) > width


def test_the_middle_is_what_an_ellipsis_replaces() -> None:
    assert shorten_middle("autoresearch/mar5-2026-03-05", 15) == "autores…6-03-05"


@quick
@given(letters, st.integers(2, 30))
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    pieces = wrap(text, width)
    assert "".join(pieces) == text
    assert all(width_of(piece) <= width for piece in pieces)


@quick
@given(lines, st.integers(2, 30))
def test_folding_runs_loses_neither_text_nor_styles(line: list[tuple[str, str]], width: int) -> None:
    pieces = fold(line, width)
    flat = [(character, names) for piece in pieces for text, names in piece for character in text]
    assert flat == [(character, names) for text, names in line for character in text]
    assert all(line_width(piece) <= width for piece in pieces)


@quick
@given(lines, widths, widths)
def test_cropped_runs_are_what_lies_in_the_window(line: list[tuple[str, str]], start: int, width: int) -> None:
    cut = crop(line, start, width)
    assert line_width(cut) == max(0, min(width, line_width(line) - start))
    if plain(line).isascii():
        assert plain(cut) == plain(line)[start : start + width]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1234, "1.2 kB"), (44_200_000_000, "44.2 GB"), (999_999, "1.0 MB")],
)
def test_bytes(value: float, text: str) -> None:
    assert bytes_text(value) == text


@pytest.mark.parametrize(("value", "text"), [(16_384, "16.4k"), (3_500_000, "3.5M"), (7, "7"), (-2000, "-2.0k")])
def test_counts(value: float, text: str) -> None:
    assert count_text(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (4.24, "4.2 s"),
        (12, "12 s"),
        (59.6, "1 min 00 s"),
        (192, "3 min 12 s"),
        (3600 * 7 + 300, "7 h 05 min"),
        (86400 * 2 + 3 * 3600, "2 d 3 h"),
        (-30, "-30 s"),
        (float("nan"), "–"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_rates_and_clocks() -> None:
    assert rate_text(131) == "131 B/s"
    assert rate_text(16_384, "tok/s") == "16.4k tok/s"
    assert [clock_text(seconds) for seconds in (9, 192, 25_500)] == ["0:09", "3:12", "7:05:00"]
