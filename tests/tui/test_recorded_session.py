"""The recorded session that ships in sessions/: the console opens it without its repository, and changes nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.session.journal import read
from engine.session.paths import PATCH, SessionPaths, find
from tests.tui.piloting import screen_text, toasts, until
from tui.app import OvernightApp
from tui.loading import Loading

EXAMPLE = SessionPaths(Path(__file__).parents[2] / "sessions" / "h100-example")


def files(root: Path = EXAMPLE.root) -> dict[str, bytes]:
    """All of it."""
    found = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def pane(app: OvernightApp, region_of: str) -> str:
    """What stands on the screen where this pane is."""
    region = getattr(app.main, region_of).region
    rows = screen_text(app).splitlines()[region.y : region.bottom]
    return "\n".join(row[region.x : region.right] for row in rows)


async def test_the_recorded_session_shows_every_run_with_its_diff_log_and_machine_and_stays_as_it_is() -> None:
    before = files()
    state = read(EXAMPLE.journal)
    app = OvernightApp(Loading(EXAMPLE).start(), read_only=True)
    async with app.run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: app.view.loaded)
        for one in reversed(state.experiments[1:]):
            await until(pilot, lambda run=one.run: app.view.selected == run)  # type: ignore[misc]
            name, (_, new) = next(iter((one.params or {}).items()))
            await until(pilot, lambda name=name, new=new: f"{name} = {new}" in pane(app, "diff"))  # type: ignore[misc]
            await until(pilot, lambda run=one.run: f"recorded in run {run}" in pane(app, "gpu"))  # type: ignore[misc]
            assert "NVIDIA H100" in pane(app, "gpu") and "this run" in pane(app, "gpu")
            assert pane(app, "gpu").count("peak") == 1  # of the two GPUs one was this session's
            shown = re.search(r"([\d.]+)/79\.\d GiB peak ([\d.]+) \(driver ([\d.]+)\)", pane(app, "gpu"))
            assert shown and 0 < float(shown[1]) <= float(shown[3])
            assert float(shown[3]) == pytest.approx(one.metrics["nvml_peak_mb"] / 1024, abs=0.05)
            await pilot.press("up")
        await until(pilot, lambda: "val_bpb:" in pane(app, "runlog"))
        await pilot.press("q")
    assert app.return_value == "left the recording h100-example"
    assert files() == before


def test_each_change_of_the_recording_can_be_read_on_the_command_line_too() -> None:
    for one in read(EXAMPLE.journal).experiments:
        command = [sys.executable, "-m", "engine.cli.front", "show", str(one.run), str(EXAMPLE.root), "--json"]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        diff = json.loads(shown.stdout)["diff"]
        assert diff == ("" if one.is_baseline else EXAMPLE.run(one.run).joinpath(PATCH).read_text())
        assert one.is_baseline or "+++ b/train.py" in diff


def test_the_recording_is_small_and_tells_nothing_of_the_machine_it_was_made_on() -> None:
    found = files()
    assert sum(map(len, found.values())) < 400_000
    everything = b"\n".join(found.values())
    assert not re.search(rb'"/(?:root|home|tmp|opt|work|workspace)/', everything)
    serials = set(re.findall(rb"GPU-[0-9a-f]{8}-[0-9a-f-]{27}", everything))
    assert serials == {b"GPU-00000000-0000-0000-0000-00000000000%d" % number for number in (0, 1)}
    assert set(re.findall(rb'"host":"([^"]*)"', everything)) == {b"gpu-box"}


def test_a_recording_is_opened_by_itself_only_where_there_is_no_session_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("own", "newer-recording"):
        made = SessionPaths(tmp_path / "sessions" / name)
        made.private.mkdir(parents=True)
        made.settings.write_text("")
    assert find(None, tmp_path / "sessions").recorded
    (tmp_path / "sessions" / "own" / ".git").mkdir()
    os.utime(tmp_path / "sessions" / "own" / "overnight.toml", (1, 1))
    assert find(None, tmp_path / "sessions").name == "own"
    assert find("newer-recording", tmp_path / "sessions").recorded


async def test_keys_that_act_say_that_it_is_a_recording() -> None:
    app = OvernightApp(Loading(EXAMPLE).start(), read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.view.loaded)
        await pilot.press("m")
        await until(pilot, lambda: any("h100-example is a recording" in told for told in toasts(app)))


@pytest.mark.parametrize(
    "words",
    [("pause",), ("say", "hello"), ("note", "2", "hi"), ("rerun", "2"), ("keep", "3"), ("start",), ("swarm", "join")],
)
def test_verbs_that_act_leave_a_recording_as_it_is(tmp_path: Path, words: tuple[str, ...]) -> None:
    recording = Path(shutil.copytree(EXAMPLE.root, tmp_path / "night"))
    before = files(recording)
    command = [sys.executable, "-m", "engine.cli.front", *words, "-s", str(recording)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "is a recording" in done.stderr) == (4, True), done.stderr
    assert files(recording) == before
