"""What the console tells and asks of the world outside: bytes, copies, notices, configuration, files it tails."""

from pathlib import Path

import pytest
from textual.drivers.headless_driver import HeadlessDriver

from engine.session import events as ev
from engine.session.journal import read
from engine.session.locking import Holder
from tests.tui.recording import Recording
from tui import config, copying, notify
from tui.config import Notify
from tui.feed import branch_of, last_lines, progress_of
from tui.front import main
from tui.model import View
from tui.wire import Wire, counting


def test_bytes_are_counted_as_they_go_out() -> None:
    wire = Wire()
    driver = object.__new__(counting(HeadlessDriver, wire))
    driver.write("abc")
    driver.write("é…")
    assert wire.total == 3 + 5


def test_whoever_counts_is_told_each_time_the_terminal_is_taken() -> None:
    times: list[str] = []

    class Quiet(HeadlessDriver):
        def start_application_mode(self) -> None:
            times.append("taken")

    driver = object.__new__(counting(Quiet, Wire(), lambda: times.append("told")))
    driver.start_application_mode()
    driver.start_application_mode()
    assert times == ["told", "taken"] * 2


def test_the_rate_is_over_the_last_seconds_and_comes_to_rest() -> None:
    wire = Wire()
    assert wire.rate(0.0) == 0
    wire.wrote(5000)
    assert wire.rate(1.0) == 5000
    for second in range(2, 8):
        rate = wire.rate(float(second))
    assert rate == 0
    wire.wrote(90)  # the figure's own repainting
    assert wire.rate(9.0) == 0


def test_a_copy_says_where_it_went(tmp_path: Path) -> None:
    written: list[str] = []
    told = copying.copy("abc", {"XDG_STATE_HOME": str(tmp_path)}, written.append)
    assert written == ["\x1b]52;c;YWJj\x07"]
    file = tmp_path / "overnight" / "copied.txt"
    assert file.read_text() == "abc"
    assert file.stat().st_mode & 0o77 == 0
    assert "OSC 52" in told
    assert str(file) in told


def test_a_copy_too_long_for_the_terminal_is_not_claimed_to_be_there(tmp_path: Path) -> None:
    written: list[str] = []
    told = copying.copy("x" * 100_000, {"XDG_STATE_HOME": str(tmp_path)}, written.append)
    assert written == []
    assert "OSC 52" not in told
    assert "copied.txt" in told


def test_a_copy_that_nothing_takes_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = copying.copy("x" * 100_000, {"XDG_STATE_HOME": str(tmp_path / "file")}, lambda _: None)
    assert "not in " in told


def test_champions_crashes_and_stops_are_happenings_the_baseline_is_none(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    recording.experiment("keep", 1.0, "baseline")
    recording.experiment("keep", 0.9)
    recording.experiment("crash", None, reason="out of memory")
    recording.experiment("discard", 0.95)
    events: list[ev.AnyEvent] = [ev.decode(line) for line in recording.paths.journal.read_bytes().splitlines()]
    events.append(ev.EngineStopped(at=1.0, reason="enough"))
    found = notify.happenings(events, read(recording.paths.journal), "mar5")
    assert [one.kind for one in found] == ["champion", "crash", "stop"]
    assert found[0].text == "mar5: run 2 is the new champion, 0.900000"
    assert "out of memory" in found[1].text
    assert [one.kind for one in notify.wanted(found, Notify(crash=False))] == ["champion", "stop"]


def test_the_operators_command_gets_the_sentence(tmp_path: Path) -> None:
    script = tmp_path / "tell"
    script.write_text(f'#!/bin/sh\nprintf %s "$2" > {tmp_path}/told\n')
    script.chmod(0o755)
    assert notify.run_command([str(script), "--now"], "run 2 is the champion") == ""
    assert (tmp_path / "told").read_text() == "run 2 is the champion"
    assert "nowhere" in notify.run_command(["/nowhere/at/all"], "x")


def test_the_title_follows_the_pause_and_the_champion(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    recording.experiment("keep", 1.0, "baseline")
    recording.experiment("keep", 0.9)
    view = View(name="mar5", state=read(recording.paths.journal), loaded=True, engine=Holder(1, "box", "start-1"))
    assert notify.title(view) == "▶ mar5 0.900000 – overnight"
    recording.write(
        ev.PauseSet(at=recording.tick(), paused=True, by="ann"),
        ev.Overridden(
            at=recording.at,
            command="1",
            kind="revert",
            run=2,
            line=(1,),
            statuses={2: "discard"},
            withdrawn=(),
            by="ann",
        ),
    )
    view.state = read(recording.paths.journal)
    assert notify.title(view) == "‖ mar5 1.000000 – overnight"


def test_a_title_cannot_smuggle_sequences() -> None:
    assert notify.title_sequence("a\x07\x1b]52;c;x\x07b").count("\x07") == 1


def test_configuration_is_read_and_mistakes_are_told(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert config.load(environ) == (config.Config(), [])
    folder = tmp_path / "overnight"
    folder.mkdir()
    file = folder / config.FILE_NAME
    file.write_text('theme = "light"\n[notify]\nbell = false\ncommand = ["notify-send"]\n')
    found, problems = config.load(environ)
    assert (found.theme, found.notify.bell, found.notify.command, problems) == ("light", False, ["notify-send"], [])
    for bad in ("theme = 3\n", "nonsense = 1\n", "[notify\n", 'pane = "kitchen"\n'):
        file.write_text(bad)
        found, problems = config.load(environ)
        assert found == config.Config()
        assert str(file) in problems[0]


def test_the_branch_is_read_without_git(tmp_path: Path) -> None:
    assert branch_of(tmp_path) == ""
    recording = Recording(tmp_path)
    assert branch_of(recording.paths.root) == "autoresearch/mar5-2026-03-05"
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / ".git").write_text(f"gitdir: {recording.paths.root / '.git'}\n")
    assert branch_of(linked) == "autoresearch/mar5-2026-03-05"
    (recording.paths.root / ".git" / "HEAD").write_text("0123456789abcdef\n")
    assert branch_of(linked) == "detached at 0123456"


def test_tails_read_only_the_end(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    assert progress_of(recording.paths.run_log) is None
    recording.log(300)
    found = progress_of(recording.paths.run_log)
    assert found is not None
    assert found.step == 300
    file = tmp_path / "said"
    file.write_bytes(b"x" * 100_000 + b"\none\n\n10%\r20%\r\nthree\n")
    assert last_lines(file, 3) == ["one", "20%", "three"]


def test_no_session_and_no_terminal_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sessions").mkdir()
    assert main(["attach", "nobody", "--sessions", str(tmp_path / "sessions")]) == 3
    assert "no session 'nobody'" in capsys.readouterr().err
    recording = Recording(tmp_path)
    assert main(["watch", str(recording.paths.root)]) == 2
    assert "needs a terminal" in capsys.readouterr().err
