"""The inbox takes whatever lies in it: rubbish is set aside and told, commands are carried out once and in order."""

import os
import signal
from pathlib import Path

import msgspec
import pytest

from engine.session import inbox
from engine.session.locking import engine_of
from tests.faults.scene import HANGS, at_rest, daemon, gone, in_run, start, until, verb
from tests.loop.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A session whose second run hangs until it is aborted."""
    return Lab(tmp_path / "toy", benchmark=HANGS)


def end(lab: Lab) -> None:
    """End the daemon in order."""
    held = engine_of(lab.paths.lock)
    assert held is not None
    os.kill(held.pid, signal.SIGTERM)
    gone(lab)
    at_rest(lab)


def lying(lab: Lab) -> list[str]:
    return [path.name for path in lab.paths.inbox.iterdir()]


RUBBISH = {
    "nothing": b"",
    "no JSON": b"pause please",
    "half": b'{"id":"1","kind":"pa',
    "a list": b"[1,2,3]",
    "no kind": b'{"id":"1","args":{},"by":"x","at":1}',
    "wrong types": b'{"id":1,"kind":"pause","args":[],"by":"x","at":"now"}',
    "no text": b"\xff\xfe\x00\x01",
    "deep": b"[" * 100_000,
    "large": b" " * (3 << 20),
}


def test_rubbish_is_set_aside_told_and_harms_nothing(lab: Lab) -> None:
    with daemon(lab):
        in_run(lab, 2)
        for number, data in enumerate(RUBBISH.values()):
            (lab.paths.inbox / f"0-{number}.json").write_bytes(data)
        os.mkfifo(lab.paths.inbox / "0-pipe.json")
        (lab.paths.inbox / "0-folder.json").mkdir()
        (lab.paths.inbox / "0-link.json").symlink_to("/nowhere")
        (lab.paths.inbox / "a stray file").write_text("left alone")
        wanted = len(RUBBISH) + 3
        state = lab.wait(lambda s: sum("set aside" in text for _, text in s.troubles) >= wanted)
        assert sum("set aside" in text for _, text in state.troubles) == wanted
        names = lying(lab)
        assert len([name for name in names if name.endswith(".broken")]) == wanted
        assert "a stray file" in names and not [name for name in names if name.endswith((".json", ".claimed"))]
        assert verb(lab, "note", "still here").returncode == 0
        end(lab)


def test_an_unknown_kind_and_missing_arguments_are_refused_with_the_reason(lab: Lab) -> None:
    with daemon(lab):
        in_run(lab, 2)
        asked = [
            inbox.request("explode", {}, "tester"),
            inbox.request("revert", {}, "tester"),
            inbox.request("keep", {"run": "-1"}, "tester"),
            inbox.request("say", {"text": "  "}, "tester"),
            inbox.request("edit", {"key": "gate.kind"}, "tester"),
            inbox.request("unsay", {"id": "nobody"}, "tester"),
        ]
        for request in asked:
            inbox.send(lab.paths.inbox, request)
        state = lab.wait(lambda s: all(r.id in s.commands and s.commands[r.id].status != "queued" for r in asked))
        assert {state.commands[r.id].status for r in asked} == {"refused"}
        assert "explode" in state.commands[asked[0].id].answer and "pause" in state.commands[asked[0].id].answer
        end(lab)


def test_a_thousand_commands_at_once_are_all_carried_out_in_order(lab: Lab) -> None:
    with daemon(lab):
        in_run(lab, 2)
        asked = [inbox.request("note", {"text": str(n)}, "tester") for n in range(1000)]
        for request in asked:  # without the fsync of each, which is the author's affair
            (lab.paths.inbox / f"{request.id}.json").write_bytes(msgspec.json.encode(request))
        state = lab.wait(lambda s: len(s.notes) >= 1000)
        texts = [int(text) for _, _, text in state.notes]
        assert sorted(texts) == list(range(1000))
        until(lambda: not lying(lab), "the inbox empty")
        end(lab)


def test_a_command_still_being_written_is_not_read_and_one_for_its_owner_only_is_taken(lab: Lab) -> None:
    with daemon(lab):
        in_run(lab, 2)
        whole = inbox.request("note", {"text": "whole"}, "tester")
        half = lab.paths.inbox / f".{whole.id}.tmp"
        half.write_bytes(msgspec.json.encode(whole)[:20])
        marker = inbox.request("note", {"text": "after"}, "tester")
        inbox.send(lab.paths.inbox, marker)
        state = lab.wait(lambda s: marker.id in s.commands)
        assert whole.id not in state.commands and half.exists() and not state.troubles
        half.write_bytes(msgspec.json.encode(whole))
        half.chmod(0o600)
        half.rename(lab.paths.inbox / f"{whole.id}.json")
        lab.wait(lambda s: whole.id in s.commands)
        end(lab)


def test_the_same_command_delivered_twice_takes_effect_once(lab: Lab) -> None:
    with daemon(lab):
        in_run(lab, 2)
        request = inbox.request("note", {"text": "once"}, "tester")
        inbox.send(lab.paths.inbox, request)
        lab.wait(lambda s: s.notes)
        inbox.send(lab.paths.inbox, request)
        until(lambda: not lying(lab), "the inbox empty")
        assert len(lab.state().notes) == 1
        end(lab)


def test_an_inbox_that_was_removed_is_made_again(lab: Lab) -> None:
    with daemon(lab):
        in_run(lab, 2)
        lab.paths.inbox.rmdir()
        assert verb(lab, "note", "all the same").returncode == 0
        assert lab.state().notes
        end(lab)


def test_commands_left_in_the_inbox_without_an_engine_are_taken_by_the_next(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    stale = inbox.request("abort", {}, "tester", inbox.Seen(run=7))
    say = inbox.request("say", {"text": "try ALPHA=0.25"}, "tester")
    for request in (stale, say):
        inbox.send(lab.paths.inbox, request)
    (lab.paths.inbox / "x.claimed").write_bytes(b"rubbish")
    assert start(lab).returncode == 0
    state = lab.state()
    assert state.commands[stale.id].status == "refused" and state.commands[say.id].status == "done"
    assert state.experiments[1].params["ALPHA"][1] == "0.25"
    assert any("x.broken" in text for _, text in state.troubles)
    at_rest(lab)
