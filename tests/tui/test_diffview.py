"""Diffs: read without loss, laid out without cutting anything off."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from tui.diffview import DiffRow, DiffView, compare, counts, layout, parse
from tui.fitting import width_of
from tui.runs import plain

GIT = """diff --git a/train.py b/train.py
index 1111111..2222222 100644
--- a/train.py
+++ b/train.py
@@ -10,4 +10,4 @@ class Config:
 DEPTH = 2
-MATRIX_LR = 0.03
+MATRIX_LR = 0.04
 HEAD_DIM = 64
--- not a header
\\ No newline at end of file
"""

texts = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=20),
    max_size=12,
)


def test_git_diffs_are_read_with_their_line_numbers() -> None:
    assert parse(GIT) == [
        DiffRow("file", None, None, "train.py"),
        DiffRow("hunk", None, None, "line 10 · class Config:"),
        DiffRow("context", 10, 10, "DEPTH = 2"),
        DiffRow("removed", 11, None, "MATRIX_LR = 0.03"),
        DiffRow("added", None, 11, "MATRIX_LR = 0.04"),
        DiffRow("context", 12, 12, "HEAD_DIM = 64"),
        DiffRow("removed", 13, None, "-- not a header"),
        DiffRow("note", None, None, "\\ No newline at end of file"),
    ]


@settings(max_examples=60, deadline=None)
@given(texts, texts)
def test_both_texts_can_be_told_from_the_rows(old: list[str], new: list[str]) -> None:
    rows = parse("\n".join(difflib.unified_diff(old, new, "a", "b", n=100, lineterm="")))
    if old == new:
        assert rows == []
        return
    assert [row.text for row in rows if row.kind in ("context", "removed")] == old
    assert [row.text for row in rows if row.kind in ("context", "added")] == new
    assert [row.old for row in rows if row.old is not None] == list(range(1, len(old) + 1))


@settings(max_examples=60, deadline=None)
@given(texts, texts, st.sampled_from([12, 40, 79, 100, 161]))
def test_no_line_is_wider_than_the_screen(old: list[str], new: list[str], width: int) -> None:
    rows = compare("\n".join(old), "\n".join(new))
    lines = layout(rows, width)
    assert all(width_of(plain(line)) <= width for line in lines)


@pytest.mark.parametrize("width", [30, 130])
def test_a_long_line_is_folded_and_stays_whole(width: int) -> None:
    words = "".join(f"<{number:03d}>" for number in range(80))
    lines = layout(compare("", words), width)
    text = "".join(plain(line)[-(width if width < 100 else (width - 1) // 2) :] for line in lines)
    for character in " │+1":
        text = text.replace(character, "")
    assert words.replace("1", "") in text


def test_changed_lines_stand_beside_each_other_when_wide() -> None:
    lines = [plain(line) for line in layout(parse(GIT), 120)]
    changed = next(line for line in lines if "0.03" in line)
    assert "0.04" in changed
    assert "- MATRIX_LR = 0.03" in changed and "+ MATRIX_LR = 0.04" in changed


def test_signs_tell_what_colours_tell() -> None:
    lines = [plain(line) for line in layout(parse(GIT), 60)]
    assert any("- MATRIX_LR = 0.03" in line for line in lines)
    assert any("+ MATRIX_LR = 0.04" in line for line in lines)


def test_what_differs_within_a_line_is_emphasised() -> None:
    line = next(line for line in layout(parse(GIT), 60) if "0.04" in plain(line))
    assert ("0.04", "added strong") in line


def test_counts_lines() -> None:
    assert counts(parse(GIT)) == (1, 2)


def test_escape_sequences_in_a_diff_are_harmless() -> None:
    lines = layout(compare("a\n", "a\n\x1b[2Jb\x07\n"), 80)
    assert not any(ord(character) < 32 for line in lines for character in plain(line))


class DiffApp(App[None]):
    def compose(self) -> ComposeResult:
        yield DiffView()


async def test_resizing_changes_between_one_and_two_columns() -> None:
    app = DiffApp()
    async with app.run_test(size=(80, 20)) as pilot:
        view = app.query_one(DiffView)
        assert plain(view.lines[0]) == "no change"
        view.show_diff(GIT)
        assert not any("0.03" in plain(line) and "0.04" in plain(line) for line in view.lines)
        await pilot.resize_terminal(140, 20)
        await pilot.pause()
        assert any("0.03" in plain(line) and "0.04" in plain(line) for line in view.lines)
