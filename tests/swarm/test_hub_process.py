"""A hub in a process of its own: eight members' processes, a hub that is killed, a database that goes and comes."""

import multiprocessing
import secrets
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from engine.swarm.api import Unreachable
from engine.swarm.client import Client
from engine.swarm.keys import KeyPair
from tests.swarm.actor import Actor, change, files
from tests.swarm.hubprocess import HubProcess
from tests.swarm.postgres import Server, programs

PROCESSES, CHANGES, TRIED = 8, 500, 90
"""Members, changes, and how many of them each member tries: the ends of its share are its neighbours' too."""
FAST = ("--rate", "100000", "--member-rate", "100000")


def work(url: str, keyfile: str, name: str, first: int, said: "multiprocessing.Queue[list[str]]") -> None:
    """A member that tries every change, beginning at another place; it calls again until it is answered."""
    key = KeyPair.load(Path(keyfile))
    client = Client(url, key, timeout_s=30.0)
    actor = insist(lambda: Actor(client, name, key))
    mine = []
    for at in range(TRIED):
        text = f"change {(first + at) % CHANGES}"
        id = secrets.token_hex(16)  # one for all tries: what was heard but not answered is not done twice
        claimed = insist(lambda text=text, id=id: actor.claim(change(text), id=id))  # type: ignore[misc]
        if claimed.state != "granted":
            continue
        record = actor.result(text, 1.0, claimed)
        stored = insist(lambda record=record, text=text: client.publish(record, files(text)))  # type: ignore[misc]
        assert stored.state == "reported", stored
        mine.append(text)
    said.put(mine)


def insist(call):  # type: ignore[no-untyped-def]
    """`call()`, again and again while nobody answers."""
    ends = time.monotonic() + 120
    while True:
        try:
            return call()
        except Unreachable:
            assert time.monotonic() < ends
            threading.Event().wait(0.05)


def test_eight_processes_publish_each_change_once_though_hub_and_database_go_away(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    postgres: Server | None = request.getfixturevalue("postgres") if programs() else None
    url = postgres.database(f"t{secrets.token_hex(6)}") if postgres else str(tmp_path / "swarm.db")
    with HubProcess(url, tmp_path, *FAST) as hub:
        members, said = begin(hub, tmp_path)
        look = hub.client(KeyPair.load(tmp_path / "0.key"))

        def reached(share: float) -> None:
            until(lambda: insist(lambda: sum(m.results for m in look.members())) >= share * CHANGES)

        reached(0.2)
        hub.kill()
        hub.start()
        reached(0.5)
        if postgres is not None:
            postgres.stop("immediate")
            with pytest.raises(Unreachable, match="database does not answer"):
                look.members()
            postgres.start()
        told = Counter(text for _ in members for text in said.get(timeout=120))
        for member in members:
            member.join(60)
        assert [member.exitcode for member in members] == [0] * PROCESSES
        assert told == Counter({f"change {at}": 1 for at in range(CHANGES)})
        rows = look.results(limit=CHANGES)
        assert Counter(row.record.body["description"] for row in rows) == told
        assert {row.state for row in rows} == {"reported"}
        assert sum(m.results for m in look.members()) == CHANGES
        assert hub.end() == 0
        assert "Traceback" not in hub.log.read_text()


def begin(hub: HubProcess, folder: Path):  # type: ignore[no-untyped-def]
    """Eight members, each in a process, that begin to work."""
    invitation = hub.invite(PROCESSES)
    context = multiprocessing.get_context("spawn")
    said = context.Queue()
    members = []
    for at in range(PROCESSES):
        key = KeyPair.make()
        key.save(folder / f"{at}.key")
        Actor(hub.client(key), f"member{at}", key).join(invitation)
        args = (hub.url, str(folder / f"{at}.key"), f"member{at}", at * CHANGES // PROCESSES, said)
        members.append(context.Process(target=work, args=args, daemon=True))
    for member in members:
        member.start()
    return members, said


def until(true):  # type: ignore[no-untyped-def]
    """Wait until it is."""
    ends = time.monotonic() + 120
    while not true():
        assert time.monotonic() < ends
        threading.Event().wait(0.03)
