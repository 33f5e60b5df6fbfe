"""rerun, profile and sample from the command line: with an engine and without, waited for, left and interrupted."""

import json
import os
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from engine.cli.output import Output
from engine.cli.queued import _Waiting, do
from engine.loop import byhand, launch
from engine.loop.main import run
from engine.loop.record import Record
from engine.session import events as ev
from engine.session import inbox
from engine.session.cookie import session_id
from engine.session.inbox import request
from engine.session.locking import Lock, engine_of
from engine.session.paths import SessionPaths
from engine.session.samples import FILE
from engine.session.settings import Limits
from engine.work import sweep
from tests.cli.conftest import Overnight
from tests.cli.story import Story
from tests.faults.scene import FRONT, daemon, until, verb
from tests.loop.lab import BENCHMARK, ENV, Lab

HANGS = BENCHMARK + 'case "$PWD" in */.overnight/jobs/*) exec sleep 1000;; esac\n'


def night(root: Path, benchmark: str = BENCHMARK) -> Lab:
    lab = Lab(root, benchmark=benchmark)
    run(lab.paths, limits=Limits(experiments=1))
    return lab


def test_without_an_engine_one_is_started_that_leaves(tmp_path: Path) -> None:
    lab = night(tmp_path / "toy")
    done = verb(lab, "rerun", "1", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert document["metric"] == document["before"] and document["change"] == 0 and document["seed"] == 1337
    assert (Path(document["folder"]) / "benchmark.out").is_file() and document["outcome"] == "ok"
    until(lambda: engine_of(lab.paths.lock) is None, "the engine's end")
    assert lab.state().engine is not None and lab.state().engine.jobs_only  # type: ignore[union-attr]


def test_with_an_engine_it_is_done_by_that_one_which_goes_on(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    with daemon(lab) as pid:
        lab.wait(lambda s: s.champion is not None)
        done = verb(lab, "rerun", "baseline", "--seed", "7")
        assert done.returncode == 0 and "run 1 again, seed 7" in done.stdout
        held = engine_of(lab.paths.lock)
        assert held is not None and held.pid == pid


def test_an_engine_can_be_started_for_what_is_queued(tmp_path: Path) -> None:
    lab = night(tmp_path / "toy")
    before = len(lab.state().experiments)
    assert verb(lab, "start", "--jobs").returncode == 0
    lab.wait(lambda s: s.engine is not None and s.engine.jobs_only and s.engine.stopped_at)
    assert len(lab.state().experiments) == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("rerun", "9"), 4, "has no run 9"),
        (("rerun", "1", "--seed", "-3"), 4, "seed is '-3'"),
        (("profile", "--steps", "0"), 4, "steps is '0'"),
        (("profile", "1"), 1, "prepare.py has no training_batches"),
        (("sample", "--prompt", ""), 4, "the prompt is empty"),
        (("sample", "1", "--prompt", "a"), 4, "weights are not on the disk; none are kept yet"),
        (("sample",), 2, "--prompt"),
    ],
)
def test_what_cannot_be_done_says_why_and_leaves_nothing_queued(
    tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    lab = night(tmp_path / "toy")
    done = verb(lab, *words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert not done.stdout
    assert all(command.status in ("done", "refused") for command in lab.state().commands.values())


def asked(lab: Lab) -> "subprocess.Popen[str]":
    """A rerun in a process of its own."""
    command = [*FRONT, "rerun", "-s", str(lab.root), "1"]
    return subprocess.Popen(
        command,
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite run in the background ignores it
    )


def started(lab: Lab) -> "subprocess.Popen[str]":
    """A rerun in a process of its own, whose work is on."""
    verb = asked(lab)
    lab.wait(lambda s: s.job is not None)
    return verb


def test_an_interrupt_ends_the_work_and_the_engine_that_were_only_for_it(tmp_path: Path) -> None:
    lab = night(tmp_path / "toy", HANGS)
    rerun = started(lab)
    os.kill(rerun.pid, signal.SIGINT)
    _, said = rerun.communicate(timeout=60)
    assert rerun.returncode == 130 and "ending the rerun" in said
    assert lab.state().jobs[0].outcome == "aborted"
    until(lambda: engine_of(lab.paths.lock) is None, "the engine's end")
    assert not sweep.find(session_id(lab.root))


def test_an_interrupt_leaves_the_work_of_an_engine_that_was_there(tmp_path: Path) -> None:
    lab = night(tmp_path / "toy", HANGS)
    with daemon(lab):
        rerun = started(lab)
        os.kill(rerun.pid, signal.SIGINT)
        _, said = rerun.communicate(timeout=60)
        assert rerun.returncode == 130 and "goes on in the engine" in said
        assert lab.state().job is not None
        shown = verb(lab, "status")
        assert "state      rerun of run 1\n" in shown.stdout
        other = request("sample", {"run": "1", "prompt": "a"}, "ann")
        byhand.send(lab.paths, other)
        assert "queued     sample of run 1\n" in verb(lab, "status").stdout
        byhand.send(lab.paths, request("abort", {}, "ann", inbox.Seen(job=other.id)))
        assert verb(lab, "abort").returncode == 0
        lab.wait(lambda s: s.jobs and s.jobs[0].outcome == "aborted")


def test_status_tells_what_came_of_the_last_work(tmp_path: Path) -> None:
    lab = night(tmp_path / "toy")
    assert verb(lab, "rerun", "1").returncode == 0
    until(lambda: engine_of(lab.paths.lock) is None, "the engine's end")
    assert "last work  rerun of run 1: run 1 again, seed 1337: val_bpb 1.61" in verb(lab, "status").stdout
    document = json.loads(verb(lab, "status", "--json").stdout)
    assert (document["queued"], document["last_work"]["status"]) == ([], "done")


def test_an_interrupt_takes_back_what_lies_in_the_inbox_of_an_engine_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def into_the_inbox(paths: SessionPaths, asked: inbox.Request, **_: float) -> byhand.Outcome:
        if asked.kind == "rerun":  # the engine that had the lock was killed before it read it
            inbox.send(paths.inbox, asked)
            return byhand.Outcome("queued")
        return real(paths, asked)

    lab, real = night(tmp_path / "toy"), byhand.send
    monkeypatch.setattr(byhand, "send", into_the_inbox)
    monkeypatch.setattr(launch, "start_daemon", interrupted)
    with pytest.raises(KeyboardInterrupt):
        do(lab.paths, "rerun", {"run": "1"}, Output())
    assert not inbox.waiting(lab.paths.inbox)


def test_an_interrupt_before_the_engine_took_it_leaves_it_too_and_tells(tmp_path: Path) -> None:
    lab = night(tmp_path / "toy", HANGS)
    with daemon(lab) as pid:
        os.kill(pid, signal.SIGSTOP)
        rerun = asked(lab)
        until(lambda: inbox.waiting(lab.paths.inbox), "the command in the inbox")
        os.kill(rerun.pid, signal.SIGINT)
        _, said = rerun.communicate(timeout=60)
        assert rerun.returncode == 130 and "goes on in the engine" in said
        os.kill(pid, signal.SIGCONT)
        lab.wait(lambda s: s.job is not None)


def interrupted(*_: object, **__: object) -> None:
    """^C, in place of what takes its time."""
    raise KeyboardInterrupt


def test_an_interrupt_while_an_engine_is_started_for_it_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = night(tmp_path / "toy")
    monkeypatch.setattr(launch, "start_daemon", interrupted)
    with pytest.raises(KeyboardInterrupt):
        do(lab.paths, "rerun", {"run": "1"}, Output())
    assert "ending the rerun" in capsys.readouterr().err
    assert [command.status for command in lab.state().commands.values() if command.kind == "rerun"] == ["refused"]


def test_an_interrupt_before_anything_was_asked_for_is_only_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = night(tmp_path / "toy")
    monkeypatch.setattr(byhand, "send", interrupted)
    with pytest.raises(KeyboardInterrupt):
        do(lab.paths, "rerun", {"run": "1"}, Output())
    assert not capsys.readouterr().err and not lab.state().commands


def test_a_wait_for_the_device_is_told_to_who_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab = night(tmp_path / "toy")
    waiting = _Waiting(lab.paths, "q1", Output())
    with Lock(lab.paths.lock, "s1"), closing(Record(lab.paths)) as record:
        record.write(ev.CommandQueued(at=1.0, id="q1", kind="rerun", args={"run": "1"}, by="ann"))
        assert waiting.look() is None and not capsys.readouterr().err
        record.write(ev.Delayed(at=2.0, text="GPU 0 has 40.0 GiB in use: ann's", trouble=True))
        assert waiting.look() is None and waiting.look() is None
    assert capsys.readouterr().err == "GPU 0 has 40.0 GiB in use: ann's\n", "once"


def test_show_tells_what_a_run_wrote_made_harmless(story: Story, overnight: Overnight) -> None:
    folder = story.paths.run(1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps([{"prompt": "Once", "text": " upon \x1b[2Ja time"}]))
    said = overnight("show", "1", "s1")
    assert said.code == 0 and "Once▸ upon a time" in said.out.replace("  ", " ") and "\x1b" not in said.out
    assert overnight("show", "1", "s1", "--json").json["samples"][0]["prompt"] == "Once"


def test_queued_work_is_named_where_commands_are(sessions: Path, overnight: Overnight) -> None:
    said = overnight("--help").out
    for kind in ("rerun", "profile", "sample"):
        assert f"\n  {kind}" in said
