"""How a session is found."""

import os
from pathlib import Path

import pytest

from engine.session.paths import NoSession, SessionPaths, all_sessions, find, sessions_dir


def make(folder: Path, name: str, at: float) -> Path:
    root = folder / name
    (root / ".overnight").mkdir(parents=True)
    (root / "overnight.toml").write_text("")
    journal = root / ".overnight" / "journal.jsonl"
    journal.write_text("")
    os.utime(journal, (at, at))
    return root


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OVERNIGHT_SESSIONS", raising=False)
    folder = tmp_path / "sessions"
    for name, at in (("old", 100.0), ("new", 300.0), ("middle", 200.0)):
        make(folder, name, at)
    (folder / "README.md").write_text("not a session")
    (folder / "just a folder").mkdir()
    return folder


def test_the_most_recently_active_session_is_the_default(folder: Path) -> None:
    assert [paths.name for paths in all_sessions(folder)] == ["old", "middle", "new"]
    assert find(None, folder).name == "new"
    os.utime(folder / "old/.overnight/journal.jsonl", (400, 400))
    assert find(None, folder).name == "old"


def test_inside_a_session_that_one_is_the_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "old")
    assert find(None, folder).root == folder / "old"


@pytest.mark.parametrize("given", ["old", "sessions/old", "sessions/old/", "sessions/new/../old"])
def test_a_session_is_a_name_or_a_path(folder: Path, given: str) -> None:
    assert find(given, folder).root == folder / "old"
    assert find(str(folder / "old"), folder).root == folder / "old"


def test_a_path_without_a_name_still_has_the_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "old")
    assert find(".", folder).name == "old"
    (folder / "old" / "inner").mkdir()
    monkeypatch.chdir(folder / "old" / "inner")
    assert find("..", folder).name == "old"


def test_no_such_session_is_told_with_those_there_are(folder: Path) -> None:
    with pytest.raises(NoSession, match=r"no session 'nwe' in .*\(there: old, middle, new\)"):
        find("nwe", folder)
    with pytest.raises(NoSession, match=r"no sessions in .*; make one: overnight new NAME"):
        find(None, folder / "nowhere")
    with pytest.raises(NoSession):
        find("just a folder", folder)


def test_the_sessions_folder_is_the_option_the_variable_or_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OVERNIGHT_SESSIONS", "elsewhere")
    assert sessions_dir("given") == tmp_path / "given"
    assert sessions_dir() == tmp_path / "elsewhere"
    monkeypatch.delenv("OVERNIGHT_SESSIONS")
    assert sessions_dir() == tmp_path / "sessions"


def test_runs_have_folders_that_sort() -> None:
    assert SessionPaths(Path("s")).run(7) == Path("s/.overnight/runs/0007")
    assert SessionPaths(Path("s")).run(12345) == Path("s/.overnight/runs/12345")
