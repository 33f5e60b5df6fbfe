"""The log pane: what it shows of a growing, huge, cut or hostile file, and when it stands still."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot

from engine.session.growth import Change
from engine.session.textlog import TextLog
from tui.logview.view import LogView

WAIT = 60.0


class LogApp(App[None]):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def compose(self) -> ComposeResult:
        view = LogView(TextLog(self.path))
        view.interval = 0.0
        yield view

    def on_mount(self) -> None:
        self.view.focus()

    @property
    def view(self) -> LogView:
        return self.query_one(LogView)

    def shown(self) -> list[str]:
        return [self.view.render_line(y).text.rstrip(" ┃") for y in range(self.view.size.height)]


def write(path: Path, text: str | bytes, *, mode: str = "ab") -> None:
    with path.open(mode) as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def numbered(first: int, last: int) -> str:
    return "".join(f"line {number}\n" for number in range(first, last + 1))


async def settled(pilot: Pilot[None]) -> None:
    """Wait until the searches that were started have ended and their results were taken."""
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "run.log"
    write(path, numbered(1, 1000))
    return path


async def test_opens_at_the_end_and_follows(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(60, 10)):
        assert app.shown() == [f"line {number}" for number in range(991, 1001)]
        write(log, numbered(1001, 1003))
        app.view.poll()
        assert app.shown()[-1] == "line 1003"
        assert app.view.new_lines == 0


async def test_scrolled_up_it_stands_still_and_counts_what_comes(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.press("k")
        assert not app.view.following
        still = app.shown()
        assert still[0] == "line 990"
        painted: list[Region] = []
        refresh = app.view.refresh

        def watched(*regions: Region, **options: bool) -> LogView:
            painted.extend(regions or [app.view.size.region])
            return refresh(*regions, **options)

        app.view.refresh = watched  # type: ignore[method-assign,assignment]
        write(log, numbered(1001, 1142))
        app.view.poll()
        assert app.shown() == still
        assert painted == [], "a view that stands still is not painted again"
        assert app.view.new_lines == 142
        assert app.view.status_text == "142 new lines"
        await pilot.press("G")
        assert app.view.following
        assert app.view.new_lines == 0
        assert app.shown()[-1] == "line 1142"


async def test_new_lines_in_bulk_are_counted_to_the_last(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.press("g")
        write(log, "x" * 99 + "\n")
        write(log, ("y" * 99 + "\n") * 30_000)
        app.view.poll()
        for _ in range(int(WAIT / 0.03)):
            if app.view.new_lines == 30_001:
                break
            await pilot.pause(0.03)
        assert app.view.new_lines == 30_001


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        (["g"], 1),
        (["g", "j", "j"], 3),
        (["g", "ctrl+d"], 6),
        (["g", "pagedown"], 10),
        (["g", "pagedown", "k"], 9),
        (["g", "up"], 1),
        (["pageup"], 982),
        (["ctrl+u", "ctrl+d"], 991),
        (["home", "end"], 991),
    ],
)
async def test_keys_scroll(log: Path, keys: list[str], first: int) -> None:
    app = LogApp(log)
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.press(*keys)
        assert app.shown()[0] == f"line {first}"


async def test_scrolling_down_to_the_end_follows_again(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.press("k", "k", "j")
        assert not app.view.following
        await pilot.press("j")
        assert app.view.following


async def test_only_the_row_that_changed_is_painted_again(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    write(path, numbered(1, 3) + "step 1\r")
    app = LogApp(path)
    async with app.run_test(size=(60, 10)):
        assert app.shown()[3] == "step 1"
        painted: list[Region] = []
        refresh = app.view.refresh

        def watched(*regions: Region, **options: bool) -> LogView:
            painted.extend(regions or [app.view.size.region])
            return refresh(*regions, **options)

        app.view.refresh = watched  # type: ignore[method-assign,assignment]
        write(path, "step 2\r")
        app.view.poll()
        assert app.shown()[3] == "step 2"
        assert [(region.y, region.height) for region in painted] == [(3, 1)]


async def test_a_burst_costs_one_look_each_interval(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(60, 10)) as pilot:
        view = app.view
        looks: list[int] = []
        source = view._log
        assert isinstance(source, TextLog)
        changed = source.changed

        def counting() -> object:
            looks.append(1)
            return changed()

        source.changed = counting  # type: ignore[method-assign,assignment]
        view.interval = 1000.0
        view._looked = float("-inf")
        for number in range(50):
            write(log, f"burst {number}\n")
            view.poll()
        await pilot.pause()
        assert len(looks) == 1
        assert view._timer is not None, "the rest of the burst is looked at later"


async def test_a_log_that_starts_anew_is_shown_from_its_new_end(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.press("g", "j")
        write(log, "another run\n", mode="wb")
        app.view.poll()
        assert app.shown()[0] == "another run"
        assert app.view.following
        assert "started anew" in app.view.notice


async def test_a_log_that_does_not_exist_yet_appears(tmp_path: Path) -> None:
    path = tmp_path / "later.log"
    app = LogApp(path)
    async with app.run_test(size=(60, 10)):
        assert app.shown()[0] == "no output yet"
        write(path, "here it is\n")
        app.view.poll()
        assert app.shown()[0] == "here it is"
        assert app.view.notice == ""


async def test_search_goes_up_from_the_end_and_n_goes_on(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(60, 10)) as pilot:
        app.view.search("LINE 50")
        await settled(pilot)
        assert "line 509" in app.shown()
        assert not app.view.following
        app.view.search_next()
        await settled(pilot)
        assert app.view._current == numbered(1, 507).encode().__len__()
        app.view.search_previous()
        await settled(pilot)
        assert app.view._current == len(numbered(1, 508).encode())


async def test_search_goes_round_the_ends_and_says_so(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.press("g")
        app.view.search("line 77\n".strip())
        await settled(pilot)
        assert "line 77" in app.shown()
        app.view.search_previous()
        await settled(pilot)
        assert "line 779" in app.shown()
        assert "gone round" in app.view.notice
        app.view.search("nowhere")
        await settled(pilot)
        assert "is not in this log" in app.view.notice


async def test_long_lines_can_be_seen_whole_by_wrapping_or_sideways(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    words = " ".join(f"w{number}" for number in range(60))
    write(path, "short\n" + words + "\n")
    app = LogApp(path)
    async with app.run_test(size=(40, 12)) as pilot:
        assert app.shown()[1].endswith("›")
        await pilot.press(*["l"] * 20)
        assert app.shown()[1].endswith("w59")
        app.view.toggle_wrap()
        await pilot.pause()
        joined = "".join(line.ljust(39) for line in app.shown()[1:])
        assert joined.rstrip() == words
        await pilot.press("g", "j", "j")


async def test_a_wrapped_line_taller_than_the_screen_can_be_scrolled_through(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    write(path, "a\n" + "".join(f"[{number:04d}]" for number in range(200)) + "\nz\n")
    app = LogApp(path)
    async with app.run_test(size=(31, 8)) as pilot:
        app.view.toggle_wrap()
        seen: set[str] = set()
        await pilot.press("g")
        for _ in range(60):
            seen.update(app.shown())
            await pilot.press("j")
        text = "".join(seen)
        assert all(f"[{number:04d}]" in text for number in range(200))
        assert app.view.following


async def test_hostile_bytes_are_shown_harmlessly(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    write(
        path,
        b"\x1b]0;owned\x07title\n\x1b[2J\x1b[1;1Hclear\nnul \x00 here\n\xff\xfe bad utf\n\xe2\x80\xaertl\n"
        + b"x" * 1_000_000,
    )
    app = LogApp(path)
    async with app.run_test(size=(60, 12)):
        text = "\n".join(app.shown())
        assert not any(ord(character) < 32 and character != "\n" for character in text)
        assert "\u202e" not in text
        assert "clear" in text


async def test_a_sparse_gigabyte_opens_at_both_ends(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    write(path, numbered(1, 50))
    with path.open("r+b") as file:
        os.truncate(file.fileno(), 1_000_000_000)
        file.seek(0, os.SEEK_END)
        file.write(b"\nthe end\n")
    app = LogApp(path)
    async with app.run_test(size=(60, 10)) as pilot:
        assert app.shown()[-1] == "the end"
        await pilot.press("home")
        assert app.shown()[0] == "line 1"
        await pilot.press("end")
        assert app.shown()[-1] == "the end"


async def test_resizing_keeps_the_place(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.press("g", "pagedown", "pagedown")
        first = app.shown()[0]
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert app.shown()[0] == first
        await pilot.press("G")
        await pilot.resize_terminal(50, 7)
        await pilot.pause()
        assert app.shown()[-1] == "line 1000"


class BadDisk(TextLog):
    """A log whose file system fails, as a network mount does; nothing else can make a real one do so at will."""

    def changed(self, *_: object) -> Change:
        raise OSError(errno.EIO, "Input/output error")

    page_before = page_from = search = changed  # type: ignore[assignment]


async def test_a_log_that_cannot_be_read_any_more_is_told_and_stays_on_screen(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(60, 10)) as pilot:
        before = app.shown()
        app.view._log = BadDisk(log)
        app.view.poll()
        assert app.view.notice == "cannot be read: Input/output error"
        await pilot.press("pageup", "g", "G", "j")
        app.view.search("line")
        await settled(pilot)
        assert app.shown() == before
        app.view._log = TextLog(log)
        app.view.poll()
        assert app.view.notice == ""


async def test_a_deleted_log_stays_readable(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(60, 10)) as pilot:
        log.unlink()
        app.view.poll()
        assert "gone" in app.view.notice
        await pilot.press("g")
        assert app.shown()[0] == "line 1"


async def test_an_ended_log_is_not_followed_and_starting_anew_is_said_until_it_goes_on(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(60, 10)):
        assert app.view.status_text == "following"
        app.view.show(TextLog(log), ended=True)
        assert app.view.status_text == ""
        app.view.show(TextLog(log))
        write(log, "begun again\n", mode="wb")
        app.view.poll()
        assert "anew" in app.view.status_text
        write(log, "and going on\n")
        app.view.poll()
        assert app.view.status_text == "following"


async def test_a_folded_line_is_copied_in_one_piece(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    write(path, "x" * 100 + "\nshort\n")
    app = LogApp(path)
    async with app.run_test(size=(40, 10)) as pilot:
        app.view.toggle_wrap()
        await pilot.pause()
        assert len(app.shown()[0]) < 40
        assert app.view.text == "x" * 100 + "\nshort"
