"""What the hub answers, and what it does when things go wrong around it."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.swarm.api import SwarmError, Unreachable
from engine.swarm.client import Client
from engine.swarm.hub import serving
from engine.swarm.hub.desk import Desk
from engine.swarm.hub.flood import Bucket
from tests.swarm.actor import KLASS, change, files
from tests.swarm.crowd import judge
from tests.swarm.loopback import hub


def until(true: Callable[[], bool]) -> None:
    """Wait until it is."""
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        threading.Event().wait(0.02)


def test_every_call_says_over_http_what_the_store_says(tmp_path: Path) -> None:
    with hub(tmp_path) as found:
        amy, bob = found.member("amy"), found.member("bob")
        claimed = amy.claim(change("deeper", DEPTH=("8", "10")))
        assert bob.claim(change("deeper")).by == "amy"
        assert [lease.description for lease in bob.swarm.claims(KLASS.contract)] == ["deeper"]
        assert amy.renew(claimed.claim, claimed.token) >= claimed.until
        record = amy.result("deeper", 0.99, claimed, change=change("deeper", DEPTH=("8", "10")))
        assert amy.swarm.publish(record, files("deeper")).state == "reported"
        given_back = bob.claim(change("wider"))
        bob.release(given_back.claim, given_back.token)
        assert bob.swarm.claims() == []
        bob.say("wider is slower", topic="width")
        bob.swarm.publish(bob.record({"text": "try a smaller batch", "priority": 1}, "hypothesis"))

        store, client = found.store, bob.swarm
        assert client.best() == store.best() != []
        assert client.best(KLASS, member=amy.key.member) == store.best(KLASS) != []
        assert client.best(tier=">48") == store.best(tier=">48") != [] == client.best(tier="<=16")
        assert client.results(KLASS, state="reported", limit=5) == store.results() != []
        assert client.result(record.id) == store.result(record.id) and client.result("0" * 32) is None
        assert client.code(record.body["code"]) == files("deeper")
        assert client.hypotheses(KLASS) == store.hypotheses() != []
        bob.swarm.publish(bob.record({"text": "an old idea", "state": "dropped"}, "hypothesis"))
        assert len(client.hypotheses(state="")) == 2 and len(client.hypotheses()) == 1
        assert len(client.results(limit=100_000)) == 1 == len(client.results(limit=0))
        assert client.insights("width") == store.insights() != []
        assert client.ask("batch") == store.ask("batch") != []
        assert client.leaderboard(KLASS) == store.leaderboard() != []
        assert client.feed() == store.feed() and len(client.feed(after=1)) == 3
        assert client.queue(KLASS) == store.queue(KLASS) != []
        assert {member.name for member in client.members()} == {"amy", "bob"}
        with pytest.raises(SwarmError) as told:
            client.code("0" * 64)
        assert told.value.code == "missing"
        with pytest.raises(SwarmError, match="no such call"):
            Client(found.url + "/elsewhere").connect()


@pytest.mark.parametrize(("direction", "metric", "better"), [("lower", 0.3, 0.25), ("higher", 0.3, 0.35)])
def test_a_class_of_another_metric_is_verified_through_a_hub_as_its_contract_says(
    tmp_path: Path, direction: str, metric: float, better: float
) -> None:
    """Whoever asks names contract and GPU only."""
    klass = msgspec.structs.replace(KLASS, metric="score", direction=direction)
    with hub(tmp_path) as found:
        amy, bob = found.member("amy"), found.member("bob")
        amy.tell("x", metric, klass=klass)
        best = amy.tell("y", better, klass=klass).id
        refuted = bob.tell("z", better, klass=klass).id
        worse = 2 * metric - better
        judge(amy, refuted, "z", worse, worse, klass=klass)
        assert [row.record.id for row in bob.swarm.queue(klass)] == [best, refuted]
        judge(bob, best, "y", metric, metric, klass=klass)
        judge(found.member("cyd"), best, "y", better, better, klass=klass)
        assert {row.record.id for row in bob.swarm.queue(klass)} >= {best, refuted}


def test_what_a_reader_gets_can_be_checked_again(tmp_path: Path) -> None:
    from engine.swarm.keys import check_record

    with hub(tmp_path) as found:
        amy = found.member("amy")
        amy.tell('é ∞ 😀 \\ " \x7f', 0.987654321012345)
        row = amy.swarm.results()[0]
        assert row.key == amy.key.public
        check_record(row.record, row.key)


def test_anybody_reads_where_the_owner_said_so_and_only_members_write(tmp_path: Path) -> None:
    with hub(tmp_path, open_reads=True) as found:
        found.member("amy").tell("open", 0.99)
        assert len(found.client().results()) == 1
        assert found.raw("POST", "/v1/publish", b"{}")[0] == 400


def test_half_a_class_is_no_class(tmp_path: Path) -> None:
    with hub(tmp_path, open_reads=True) as found:
        status, told = found.raw("GET", f"/v1/results?contract={'0' * 64}")
        assert (status, told["code"]) == (409, "bounds")
        assert found.raw("GET", "/v1/results?limit=1&limit=2")[0] == 400
        assert found.raw("GET", "/v1/results?limits=1")[0] == 400


def test_a_database_that_hangs_is_told_in_time_and_what_was_meant_is_done_once(tmp_path: Path) -> None:
    with hub(tmp_path, desk=Desk(answer_s=0.5)) as found:
        amy = found.member("amy")
        record = amy.result("held up", 0.99)
        with found.store.engine.connect().execution_options(writes=True) as other, other.begin():
            with pytest.raises(Unreachable, match="does not answer"):
                amy.swarm.publish(record, files("held up"))
            assert amy.swarm.results() == []  # reads go on
        ends: list[str] = []

        def answered() -> bool:
            try:
                ends.append(amy.swarm.publish(record, files("held up")).state)
            except Unreachable:
                return False
            return True

        until(answered)
        assert ends == ["reported"] and found.store.count() == 1


def test_trouble_with_the_database_is_told_without_its_details(tmp_path: Path) -> None:
    with hub(tmp_path) as found:
        amy = found.member("amy")
        with found.store.engine.connect().execution_options(writes=True) as connection, connection.begin():
            connection.exec_driver_sql("ALTER TABLE ideas RENAME TO gone")
        with pytest.raises(Unreachable) as told:
            amy.say("nothing")
        assert "ideas" not in str(told.value) and "sqlite" not in str(told.value).lower()
        assert found.raw("GET", "/v1/connect")[0] == 200
        with found.store.engine.connect().execution_options(writes=True) as connection, connection.begin():
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO ideas")
        assert amy.say("something").state == "stored"


def test_a_connection_that_says_nothing_is_closed_and_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "HEAD_S", 0.2)
    with hub(tmp_path) as found:
        host, port = found.url.removeprefix("http://").split(":")
        where = host, int(port)
        with socket.create_connection(where, timeout=60) as silent, socket.create_connection(where, timeout=60) as slow:
            slow.sendall(b"GET /v1/connect HTTP/1.1\r\nhost: x\r\nx-a: ")  # and never ends
            assert found.client().connect().name == "tests"
            assert silent.recv(100) == b""
            assert slow.recv(100) == b""


def test_a_body_that_drips_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.swarm.hub.intake.BODY_S", 0.3)
    with hub(tmp_path) as found:
        host, port = found.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as slow:
            slow.sendall(b"POST /v1/publish HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
            answer = slow.recv(4096)
        assert answer.startswith(b"HTTP/1.1 408 ") and b"connection: close" in answer.lower()


def test_a_bucket_fills_again_and_forgets_the_longest_silent() -> None:
    bucket = Bucket(rate=2.0, burst=2.0)
    assert [bucket.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert bucket.take("b", 0.0) and not bucket.take("a", 0.4) and bucket.take("a", 1.0)
    assert [bucket.take(f"2001:db8::{at}", 1.0) for at in range(3)] == [True, True, False], "one block, one caller"
    assert bucket.take("2001:db8:0:1::1", 1.0)
    for at in range(20_000):
        bucket.take(str(at), 1.0)
    assert len(bucket._left) <= 10_000 and bucket.take("a", 1.0)
