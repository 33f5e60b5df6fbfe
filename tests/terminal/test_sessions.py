"""All sessions from one console, in a real tmux: a new one is made, another one started, switched to and stopped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.session.paths import SessionPaths, all_sessions
from tests.terminal.gated import Gated
from tests.terminal.screen import Terminal, until


@pytest.fixture
def other(session: Gated) -> Iterator[Gated]:
    """A second session in the same folder."""
    lab = Gated(session.root.parent, name="other")
    yield lab
    lab.let()
    lab.clear()


def test_sessions_are_made_started_switched_to_and_stopped_from_their_screen(
    session: Gated, other: Gated, attach: Callable[..., Terminal], tmp_path: Path
) -> None:
    console = attach(100, 30, environ={"HOME": str(tmp_path / "home")})
    console.wait_for(r"^ toy\b")
    console.press("S")
    console.wait_for(r"» toy .*never started")
    console.wait_for(r"^  other .*never started")

    _a_new_one_is_made(console, session.root.parent)
    _another_is_started(console, other)

    console.press("Enter")
    console.wait_for(r"^ other\b.* run 1\b")
    console.wait_for("training 50%")
    other.let(1)
    other.training(2)
    console.wait_for(r"★ +1 +1\.610000")
    assert other.result(1)["status"] == "keep"

    _it_is_stopped(console, other)
    assert not session.paths.journal.exists()
    assert session.public() == []


def _a_new_one_is_made(console: Terminal, folder: Path) -> None:
    console.press("n")
    console.wait_for("new session")
    console.type("-fresh")
    console.press("Enter")
    console.wait_for("'-fresh' cannot be a session's name")
    console.press("Home", "DC", "Enter")
    for proposed in ("auto", "demo"):  # its tier, then its data
        until(
            lambda value=proposed: re.search(rf"\x1b\[1m[^│]*{value}", console.coded()), f"the cursor in {proposed!r}"
        )
        console.press("Enter")
    console.wait_for("fresh is made")
    console.wait_for(r"^  fresh .*never started")
    fresh = SessionPaths(folder / "fresh")
    assert fresh.exists
    assert all((fresh.root / name).is_file() for name in ("train.py", "prepare.py", "autoresearch.sh", "program.md"))
    assert (fresh.root / ".git" / "HEAD").read_text().startswith("ref: refs/heads/autoresearch/fresh")
    assert "fresh" in {paths.name for paths in all_sessions(folder)}


def _another_is_started(console: Terminal, other: Gated) -> None:
    order = [paths.name for paths in all_sessions(other.root.parent)[::-1]]
    console.press("g", *["j"] * order.index("other"), "r")
    console.wait_for("the engine of other has started")
    other.training(1)
    console.wait_for(r"^  other .*training")
    assert other.engine_pid


def _it_is_stopped(console: Terminal, other: Gated) -> None:
    engine = other.engine_pid
    console.press("S")
    console.wait_for(r"» other .*training 50%")
    console.press("s")
    console.wait_for(r"Stop the engine\? \(other\)")
    console.wait_for("The engine ends after run 2; nothing is lost")
    console.press("y")
    console.wait_for("other: stopping after run 2…")
    state = other.wait(lambda state: state.stop)
    assert "ann" in {command.by for command in state.commands.values() if command.kind == "stop"}
    assert other.engine_pid == engine, "the experiment under way goes on to its end"
    other.let(2)
    until(lambda: not other.engine_pid, "the end of the engine")
    console.wait_for(r"» other .*stopped: ")
    console.press("Escape")
    console.wait_for(r"■ stopped: .*ann")
    records = [json.loads(line) for line in other.public()]
    assert [line["run"] for line in records if "metric" in line] == [1, 2]
    ended = other.state().engine
    assert ended is not None
    assert ended.stopped_at
    assert "ann" in ended.stop_reason
