"""Commands as files: sent by anyone, claimed once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from engine.session import inbox
from engine.session.inbox import BadCommand, Request, Seen

ROOT = Path(__file__).parents[2]
SENDER = """
import sys
from pathlib import Path
from engine.session import inbox
while True:
    sent = inbox.send(Path(sys.argv[1]), inbox.request("say", {"text": "x" * 20000}, "child"))
    print(sent.name, flush=True)
"""


def one(box: Path, kind: str = "say", **args: str) -> Request:
    request = inbox.request(kind, args, "anna", Seen(run=3, champion=2))
    inbox.send(box, request)
    return request


def test_a_command_arrives_as_it_was_sent_and_is_gone_when_done(tmp_path: Path) -> None:
    box = tmp_path / "deep" / "inbox"
    assert inbox.waiting(box) == []
    sent = one(box, text="größer\n‮ <b>")
    [path] = inbox.waiting(box)
    taken, read = inbox.claim(path)
    assert read == sent and taken.suffix == ".claimed"
    assert inbox.waiting(box) == [taken], "until the journal has it, it waits for the next engine"
    inbox.done(taken)
    inbox.done(taken)
    assert list(box.iterdir()) == []


def test_commands_come_in_the_order_in_which_they_were_sent(tmp_path: Path) -> None:
    ids = [one(tmp_path, text=str(number)).id for number in range(20)]
    assert [inbox.claim(path)[1].id for path in inbox.waiting(tmp_path)] == ids
    assert len(set(ids)) == 20


def test_a_claim_is_taken_by_one_only(tmp_path: Path) -> None:
    one(tmp_path)
    [path] = inbox.waiting(tmp_path)
    inbox.claim(path)
    with pytest.raises(FileNotFoundError):
        inbox.claim(path)


def test_a_claim_left_by_a_crash_can_be_taken_again(tmp_path: Path) -> None:
    sent = one(tmp_path)
    inbox.claim(inbox.waiting(tmp_path)[0])
    [left] = inbox.waiting(tmp_path)
    assert inbox.claim(left) == (left, sent)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"id": 3}',
        b"[" * 100_000,
        b'{"id":"a","kind":"say","args":{"text":5},"by":"x","at":1}',
    ],
)
def test_a_file_that_is_no_command_is_set_aside_and_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "00.json").write_bytes(content)
    good = one(tmp_path)
    first, second = inbox.waiting(tmp_path)
    with pytest.raises(BadCommand, match=r"00\.broken: not a command .*; it was set aside"):
        inbox.claim(first)
    assert (tmp_path / "00.broken").read_bytes() == content
    assert inbox.waiting(tmp_path) == [second] and inbox.claim(second)[1] == good


def test_a_folder_among_the_commands_is_set_aside_too(tmp_path: Path) -> None:
    (tmp_path / "00.json").mkdir()
    with pytest.raises(BadCommand, match="set aside"):
        inbox.claim(inbox.waiting(tmp_path)[0])
    assert inbox.waiting(tmp_path) == []


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    for name in (".hidden.json", ".x.tmp", "readme.txt", "00.broken"):
        (tmp_path / name).write_text("x")
    assert inbox.waiting(tmp_path) == []


def test_bytes_that_are_no_text_can_be_sent(tmp_path: Path) -> None:
    inbox.send(tmp_path, inbox.request("say", {"text": os.fsdecode(b"a\xffb")}, os.fsdecode(b"\xe9ric")))
    _, read = inbox.claim(inbox.waiting(tmp_path)[0])
    assert (read.args["text"], read.by) == ("a?b", "?ric")


def test_an_older_consoles_command_without_what_it_saw_is_read() -> None:
    read = msgspec.json.decode(b'{"id":"a","kind":"stop","args":{},"by":"x","at":1}', type=Request)
    assert read.seen == Seen()


def test_nothing_is_seen_of_a_command_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        one(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1 and inbox.waiting(tmp_path) == []


def test_a_sender_killed_at_any_moment_leaves_whole_commands_only(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", SENDER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    sent = 1 + child.stdout.read().count("\n")
    child.wait(60)
    child.stdout.close()
    waiting = inbox.waiting(tmp_path)
    assert len(waiting) >= sent
    for path in waiting:
        assert inbox.claim(path)[1].args["text"] == "x" * 20000
