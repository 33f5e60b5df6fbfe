"""What the tests of verbs share: the command run inside this process, and sessions with a past."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.cli.front import main
from tests.cli.story import Story


class Said(NamedTuple):
    """What a verb came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)


Overnight = Callable[..., Said]


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty sessions folder, found by the environment."""
    folder = tmp_path / "sessions"
    folder.mkdir()
    for name in ("OVERNIGHT_OPERATOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OVERNIGHT_SESSIONS", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def overnight(sessions: Path, capsys: pytest.CaptureFixture[str]) -> Overnight:
    """Run the command."""

    def run(*words: str) -> Said:
        capsys.readouterr()
        code = main(words)
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return run


@pytest.fixture
def story(sessions: Path) -> Story:
    """A session `s1` with a baseline."""
    return Story(sessions / "s1")
