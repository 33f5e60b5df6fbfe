"""autoresearch.md on its screen: rendered, harmless, as new as the file, and the reader's place stays."""

from __future__ import annotations

import os
from pathlib import Path

from textual.containers import VerticalScroll
from textual.widgets import Markdown

from engine.session.document import updated
from engine.session.journal import read
from engine.session.settings import Settings
from tests.tui.recording import Recording
from tests.tui.stage import Stage, until
from tui.screens import journal
from tui.screens.journal import JournalScreen


def shown(screen: JournalScreen) -> str:
    return screen.query_one("#journal-text", Markdown).source


async def test_without_a_document_it_says_so_and_shows_it_as_soon_as_there_is_one(tmp_path: Path) -> None:
    paths = Recording(tmp_path).paths
    screen = JournalScreen(paths)
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "No journal yet" in shown(screen))
        paths.document.write_text("# Learnt\n\nwarm up longer\n", encoding="utf-8")
        screen.look()
        await until(pilot, lambda: "warm up longer" in shown(screen))
        await pilot.press("escape")
        await until(pilot, lambda: app.results)
    assert app.results == [None]


async def test_a_real_document_is_rendered_without_its_marks_and_keeps_the_readers_place(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(40)
    text = updated("", read(recording.paths.journal), Settings(), "mar5")
    recording.paths.document.write_text(text, encoding="utf-8")
    screen = JournalScreen(recording.paths)
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Tried" in shown(screen))
        assert "overnight:goal" not in shown(screen)
        scroll = screen.query_one(VerticalScroll)
        await until(pilot, lambda: scroll.max_scroll_y > 24)
        await pilot.press("pagedown")
        await until(pilot, lambda: scroll.scroll_y > 0)
        place = scroll.scroll_y
        recording.paths.document.write_text(text + "\n\nthe operator's own words\n", encoding="utf-8")
        screen.look()
        await until(pilot, lambda: "own words" in shown(screen) and scroll.scroll_y == place)
        await pilot.press("G")
        await until(pilot, lambda: scroll.scroll_y == scroll.max_scroll_y)
        await pilot.press("g")
        await until(pilot, lambda: scroll.scroll_y == 0)


def test_a_hostile_document_is_read_harmlessly(tmp_path: Path) -> None:
    path = tmp_path / "autoresearch.md"
    path.write_bytes(b"# a\x1b]52;c;eA==\x07b\n\x1b[2Jtext \xff\x00 \xe2\x80\xae\n")
    text = journal.read(path).text
    assert text.startswith("# a") and "\n" in text
    assert not any(ord(sign) < 32 and sign != "\n" for sign in text)
    assert "\u202e" not in text and "\x1b" not in text


def test_a_huge_document_is_cut_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "autoresearch.md"
    path.write_text("word " * 200_000, encoding="utf-8")
    found = journal.read(path)
    assert len(found.text) < 400_000 and "Only the first" in found.text


def test_an_unreadable_document_is_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "autoresearch.md"
    folder.mkdir()
    assert "cannot be read" in journal.read(folder).problem


def test_an_unchanged_file_is_known_by_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "autoresearch.md"
    path.write_text("one", encoding="utf-8")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert journal.read(path)[1:3] == (3, 1_700_000_000.0)
