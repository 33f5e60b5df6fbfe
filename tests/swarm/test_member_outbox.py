"""What waits to be told lies on the disk, survives whoever wrote it, and a full disk costs nothing but the delay."""

import errno
import os
from pathlib import Path

import pytest

from engine.swarm.keys import KeyPair
from engine.swarm.outbox import Letter, Outbox
from engine.swarm.records import Insight
from engine.swarm.telling import idea

KEY = KeyPair.make()


def letter(number: int) -> Letter:
    return Letter(KEY.signed(idea(f"{number:032x}", "a" * 32, 1.0, Insight(text=f"insight {number}"))))


def test_letters_wait_in_order_across_a_restart_and_are_known_after_delivery(tmp_path: Path) -> None:
    first = Outbox(tmp_path / "outbox")
    for number in range(3):
        first.put(letter(number))
    first.put(letter(1))
    again = Outbox(tmp_path / "outbox")
    read = [again.read(path) for path in again.waiting()]
    assert read == [letter(number) for number in range(3)]
    again.done(again.waiting()[0], letter(0).record.id)
    later = Outbox(tmp_path / "outbox")
    assert len(later.waiting()) == 2 and later.known() == {letter(number).record.id for number in range(3)}
    later.put(letter(0))
    assert len(later.waiting()) == 2, "what was delivered is not said again"


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox(tmp_path / "outbox")

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("engine.swarm.outbox.os.fsync", full)
    with pytest.raises(OSError):
        outbox.put(letter(0))
    assert not outbox.waiting() and not list((tmp_path / "outbox").iterdir()) and not outbox.known()
    monkeypatch.undo()
    outbox.put(letter(0))
    assert len(outbox.waiting()) == 1


def test_a_broken_letter_is_set_aside_and_the_others_go(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    outbox.put(letter(0))
    outbox.put(letter(1))
    path = outbox.waiting()[0]
    path.write_bytes(b"\xff{")
    assert outbox.read(path) is None
    assert [outbox.read(left) for left in outbox.waiting()] == [letter(1)]
    assert list(path.parent.glob("*.broken"))
