"""The embedded swarm: a file on a disk of this machine; trouble with it is told in words, and the loop may go on."""

import sqlite3
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.session.fingerprint import fingerprint
from engine.swarm import embedded
from engine.swarm.api import SwarmError, Unreachable
from engine.swarm.code import hash_of
from engine.swarm.store import database
from engine.swarm.store.database import connect, in_file
from engine.swarm.store.store import Store
from tests.swarm.actor import Actor, change, files
from tests.swarm.crowd import members
from tests.swarm.postgres import Server

TABLE = r"""21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:40 / /home rw - nfs4 server:/home rw
31 30 0:41 / /home/me/local\040disk rw - xfs /dev/sdb1 rw
32 21 0:42 / /mnt/share rw - cifs //server/share rw
33 21 0:43 / /mnt/ssh rw - fuse.sshfs me@host: rw
34 21 0:44 / /mnt/usb rw - fuseblk /dev/sdc1 rw
35 21 0:45 / /mnt/host rw - 9p host rw
36 21 0:46 / /data rw - nfs server:/data rw
37 36 8:3 / /data rw - btrfs /dev/sdd1 rw
a broken line
"""


@pytest.mark.parametrize(("path", "kind"), [
    ("/x/swarm.db", ""), ("/home/me/swarm.db", "nfs4"), ("/home/me/local disk/swarm.db", ""), ("/homeless/s.db", ""),
    ("/mnt/share/a/b/s.db", "cifs"), ("/mnt/ssh/s.db", "fuse.sshfs"), ("/mnt/usb/s.db", ""), ("/mnt/host/s.db", "9p"),
    ("/data/s.db", ""),
])  # fmt: skip
def test_a_network_file_system_is_refused_with_the_reason(tmp_path: Path, path: str, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(TABLE)
    if not kind:
        embedded.refuse_network(Path(path), mounts)
        return
    with pytest.raises(SwarmError) as caught:
        embedded.refuse_network(Path(path), mounts)
    assert caught.value.code == "network"
    assert kind in str(caught.value) and "overnight swarm serve" in str(caught.value)


def test_where_the_machine_tells_nothing_nothing_is_refused(tmp_path: Path) -> None:
    embedded.refuse_network(tmp_path / "x", tmp_path / "there is none")


@given(st.text(max_size=300))
def test_no_mount_table_breaks_it(table: str) -> None:
    class Told(type(Path())):  # type: ignore[misc]
        def read_text(self, *_: object, **__: object) -> str:
            return table

    assert isinstance(embedded.file_system(Path("/a/b"), Told("/mounts")), str)


def test_a_file_is_made_for_its_owner_only_and_never_twice(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a swarm?#%.db"
    store = embedded.create(path, "lab", lease_s=5)
    assert path.stat().st_mode & 0o777 == 0o600
    (ada,) = members(store, "ada")
    assert ada.tell("x", 0.9).state == "reported"
    assert {entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()} == {0o600}
    with pytest.raises(SwarmError, match="there already"):
        embedded.create(path, "lab")
    other = embedded.open(path)
    assert (other.connect().name, other.connect().lease_s) == ("lab", 5)
    assert other.connect().swarm == store.connect().swarm
    assert len(other.results()) == 1


def test_a_file_that_is_not_there_or_no_swarm_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no swarm in this file"):
        embedded.open(tmp_path / "none.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(SwarmError, match="overnight swarm init") as caught:
        embedded.open(tmp_path / "empty.db").connect()
    assert caught.value.code == "schema"
    (tmp_path / "text.db").write_text("not a database at all, whatever its name says" * 100)
    with pytest.raises(Unreachable, match="not a database"):
        embedded.open(tmp_path / "text.db").connect()
    with pytest.raises(SwarmError, match="no folder"):
        embedded.create(tmp_path / "text.db" / "x.db", "lab")


def test_a_swarm_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    embedded.create(path, "lab")
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE swarms SET version = 99")
    with pytest.raises(SwarmError, match="version 99"):
        embedded.open(path).connect()


def test_a_full_disk_stores_nothing_by_halves_and_later_all(tmp_path: Path) -> None:
    store = embedded.create(tmp_path / "s.db", "lab")
    (ada,) = members(store, "ada")
    engine = in_file(tmp_path / "s.db")
    text = "\n".join(f"# {number * 7919 % 104729}" for number in range(60_000))
    with engine.connect() as connection:  # which the pool gives again
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
    small = Actor(Store(engine), "ada", ada.key)
    big = {"train.py": text}
    own = msgspec.structs.replace(change("x"), fingerprint=fingerprint(big))
    record = small.result("x", 0.9, code=hash_of(big), change=own)
    with pytest.raises(Unreachable, match="full"):
        small.swarm.publish(record, big)
    assert store.count() == 0
    assert store.publish(record, big).again is False
    assert store.code(hash_of(big)) == big


def test_a_writer_that_hangs_makes_others_wait_and_then_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = embedded.create(tmp_path / "s.db", "lab")
    (ada,) = members(store, "ada")
    ada.tell("before", 0.9)
    monkeypatch.setattr(database, "BUSY_S", 0.2)
    raw = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    record = ada.result("x", 0.91)
    with pytest.raises(Unreachable, match="locked"):
        store.publish(record, files("x"))
    assert len(store.results()) == 1  # readers do not wait
    raw.execute("ROLLBACK")
    assert store.publish(record, files("x")).state == "reported"


def test_many_threads_share_a_store(tmp_path: Path) -> None:
    store = embedded.create(tmp_path / "s.db", "lab")
    actors = members(store, *(f"m{number}" for number in range(6)))
    granted: list[str] = []

    def work(actor: Actor) -> None:
        for number in range(10):
            if actor.claim(change(f"c{number}")).state == "granted":
                granted.append(f"c{number}")

    threads = [threading.Thread(target=work, args=(actor,)) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(granted) == [f"c{number}" for number in range(10)]


def test_a_database_that_stops_in_the_middle_loses_nothing_and_doubles_nothing(postgres: Server) -> None:
    store = Store(connect(postgres.database("stops")))
    store.create("lab")
    (ada,) = members(store, "ada")
    held = ada.claim(change("x"))
    record = ada.result("x", 0.9, held)
    postgres.stop("immediate")
    try:
        for call in (lambda: store.publish(record, files("x")), store.connect, lambda: ada.claim(change("y"))):
            with pytest.raises(Unreachable):
                call()
    finally:
        postgres.start()
    assert store.publish(record, files("x")).again is False
    assert store.publish(record, files("x")).again is True
    assert store.count() == 1 and ada.claim(change("x")).state == "done"
    store.engine.dispose()


def test_two_that_make_the_swarm_at_once_make_one(url: str) -> None:
    stores = [Store(connect(url)) for _ in range(8)]
    made: list[str] = []
    threads = [threading.Thread(target=lambda s=store: made.append(s.create("lab").swarm)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 8 and len(set(made)) == 1
    for store in stores:
        store.engine.dispose()


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "postgresql://u:secret@h:port/x", "sqlite+nothing:///x"])
def test_an_address_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SwarmError) as caught:
        connect(url)
    assert caught.value.code == "database" and "secret" not in str(caught.value)
