"""Consoles in real terminals; without tmux these tests are skipped."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.terminal.gated import Gated
from tests.terminal.screen import HAS_TMUX, Terminal


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Gated]:
    """A gated toy session; its engine is gone afterwards."""
    if not HAS_TMUX:
        pytest.skip("tmux is not installed")
    lab = Gated(tmp_path / "sessions")
    yield lab
    lab.let()
    lab.clear()


@pytest.fixture
def attach(session: Gated) -> Iterator[Callable[..., Terminal]]:
    """Open a console of the session in a terminal of its own: `attach(columns, rows, *words, operator=, environ=)`."""
    opened: list[Terminal] = []

    def open_one(*size: Any, **more: Any) -> Terminal:
        opened.append(Terminal(session.root, *size, **more))
        return opened[-1]

    yield open_one
    for terminal in opened:
        terminal.close()
