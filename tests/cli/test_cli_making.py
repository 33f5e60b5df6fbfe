"""new, prepare, demo: sessions come whole or not at all, and what they are made of is told."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.session.locking import Lock, holder
from tests.loop.lab import Lab


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data cache of this test's own."""
    monkeypatch.setenv("OVERNIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A few texts to train on."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(24):
        (folder / f"{number}.txt").write_text(f"document {number}: " + "a quick brown fox jumps over it. " * 40)
    return folder


@pytest.fixture
def demo(sessions: Path) -> Iterator[Lab]:
    """A toy session under the demo's name, whose engine is ended afterwards."""
    lab = Lab(sessions / "demo")
    yield lab
    held = holder(lab.paths.lock)
    if held is not None and held.kind == "engine":
        os.kill(held.pid, signal.SIGTERM)
        lab.wait(lambda state: state.engine is not None and state.engine.stopped_at)


def test_new_makes_a_session_and_tells_its_row_with_changed_constants(overnight, sessions: Path) -> None:
    said = overnight("new", "s1", "--tier", "cpu", "--no-prepare", "--set", "DEPTH=1", "--json")
    assert said.code == 0, said.err
    found = said.json
    assert Path(found["path"]) == sessions / "s1"
    assert found["branch"].startswith("autoresearch/s1-")
    assert found["tier"] == "CPU" and found["values"]["DEPTH"] == 1
    assert "DEPTH = 1" in (sessions / "s1" / "train.py").read_text()
    status = overnight("status", "s1", "--json").json
    assert status["state"] == "never started" and status["branch"] == found["branch"]


def test_the_row_is_shown_in_words(overnight) -> None:
    out = overnight("new", "s1", "--tier", "24", "--no-prepare").out
    assert "tier 24 GB" in out and "depth 8" in out and "sequence 2048" in out and "300 seconds a run" in out


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("a/b",), 4, "cannot be a session's name"),
        (("-x",), 2, "NAME"),
        (("x", "--tier", "99"), 2, "there is no tier '99'"),
        (("x", "--data", "/nowhere/at/all"), 4, "there is no data at"),
        (("x", "--set", "NOSUCH=1"), 4, "NOSUCH"),
        (("x", "--set", "DEPTH"), 2, "NAME=VALUE"),
        (("x", "--from", "/nowhere/at/all"), 4, "is not a"),
        (("x", "--from", ".", "--tier", "cpu"), 4, "--from"),
    ],
)
def test_what_cannot_be_made_leaves_nothing_behind(overnight, sessions: Path, words, code: int, why: str) -> None:
    said = overnight("new", *words, "--no-prepare")
    assert said.code == code, said.err
    assert why in said.err
    assert list(sessions.iterdir()) == []


def test_a_name_that_is_taken_is_refused(overnight, story) -> None:
    said = overnight("new", "s1", "--no-prepare")
    assert said.code == 4 and "choose another name" in said.err


def test_prepare_fills_the_cache_and_pins_the_data_against_later_change(overnight, sessions, texts, cache) -> None:
    words = ("--tier", "cpu", "--data", str(texts), "--tokenizer", "byte", "--no-prepare")
    assert overnight("new", "s1", *words).code == 0
    said = overnight("prepare", "s1", "--json")
    assert said.code == 0, said.err
    assert said.json["data_hash"] and said.json["train_docs"] > 0
    assert Path(said.json["cache"]).is_relative_to(cache)
    root = sessions / "s1"
    assert said.json["data_hash"] in (root / "prepare.py").read_text()
    git = ["git", "-C", str(root)]
    assert subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True).stdout == ""
    (texts / "0.txt").write_text("another text")
    said = overnight("prepare", "s1")
    assert said.code == 1
    assert "DATA_HASH" in said.err and "Traceback" not in said.err


def test_a_failing_preparation_leaves_no_session(overnight, sessions: Path, tmp_path: Path, cache: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    said = overnight("new", "s1", "--tier", "cpu", "--data", str(empty))
    assert said.code == 1
    assert str(empty) in said.err
    assert list(sessions.iterdir()) == []


def test_an_open_data_hash_is_not_pinned_under_a_running_engine(overnight, story) -> None:
    (story.root / "prepare.py").write_text('DATA_HASH = ""\nprint(\'{"data_hash": "abc"}\')\n')
    with Lock(story.paths.lock, "first"):
        said = overnight("prepare")
    assert said.code == 4 and "overnight stop s1" in said.err
    assert 'DATA_HASH = ""' in (story.root / "prepare.py").read_text()
    assert overnight("prepare").code == 0
    assert 'DATA_HASH = "abc"' in (story.root / "prepare.py").read_text()
    head = story.git("rev-parse", "HEAD")
    assert overnight("prepare").code == 0
    assert story.git("rev-parse", "HEAD") == head


def test_demo_starts_its_engine_once_and_tells_how_to_watch(overnight, demo: Lab) -> None:
    first = overnight("demo", "--json")
    assert first.code == 0, first.err
    assert first.json["session"] == "demo"
    second = overnight("demo")
    assert second.code == 0, second.err
    assert "overnight attach demo" in second.out
    demo.wait(lambda state: state.ended >= 1)
    assert sum('"engine_started"' in line for line in demo.paths.journal.read_text().splitlines()) == 1


def test_demo_on_a_terminal_becomes_the_console(overnight, demo: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[list[str]] = []
    monkeypatch.setattr("engine.cli.demo.os.execv", lambda program, command: taken.append(command))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert overnight("demo", "--experiments", "1").code == 0
    assert taken[0][1:] == ["-P", "-m", "tui", "attach", str(demo.root)]


def test_demo_may_only_make_its_session(overnight, demo: Lab) -> None:
    assert overnight("demo", "--no-start", "--json").json["engine"] is None
    assert not demo.paths.journal.exists()


def test_demo_in_the_foreground_ends_at_its_limit(overnight, demo: Lab) -> None:
    said = overnight("demo", "--foreground", "--experiments", "1", "--json")
    assert said.code == 0
    assert said.json["experiments"] == 2
    assert "run 2" in said.err
