"""What the client makes of hubs that drip, lie, break off or are none."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from engine.swarm.api import SwarmError, Unreachable
from engine.swarm.client import Client
from engine.swarm.keys import KeyPair
from tests.swarm.hubprocess import free_port


class Odd(http.server.BaseHTTPRequestHandler):
    """A server that answers as it was told to."""

    protocol_version = "HTTP/1.1"
    script: Callable[["Odd"], None]

    def do_GET(self) -> None:
        type(self).script(self)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def odd(script: Callable[[Odd], None]) -> Iterator[str]:
    """The address of a server that does `script` with each GET."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("One", (Odd,), {"script": staticmethod(script)}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(status: int, body: bytes, length: int | None = None) -> Callable[[Odd], None]:
    """An answer in one piece."""

    def script(self: Odd) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    return script


GOOD = json.dumps({"swarm": "0" * 32, "name": "x", "now": 1.0, "lease_s": 9.0, "schema": 1}).encode()


@pytest.mark.parametrize(
    ("status", "body", "length"),
    [
        (200, b"<html>a router's page</html>", None),
        (200, b"", None),
        (200, b'{"swarm": 1}', None),
        (200, b"[" * 100_000, None),
        (200, GOOD, len(GOOD) + 10),
        (302, b"", None),
        (403, b"<html>forbidden by a proxy</html>", None),
        (404, b"[" * 100_000, None),
        (404, b'{"error": 1, "code": []}', None),
        (500, b'{"error": "x", "code": "defect"}', None),
        (502, b"bad gateway", None),
        (503, b'{"error": "the database", "code": "unreachable"}', None),
    ],
)
def test_whatever_is_not_an_answer_means_later(status: int, body: bytes, length: int | None) -> None:
    with odd(answer(status, body, length)) as url, pytest.raises(Unreachable):
        Client(url, timeout_s=30).connect()


def test_a_refusal_is_told_with_its_code_and_not_at_any_length() -> None:
    body = json.dumps({"error": "n" * 100_000, "code": "token"}).encode()
    with odd(answer(409, body)) as url, pytest.raises(SwarmError) as told:
        Client(url, timeout_s=30).connect()
    assert told.value.code == "token" and not isinstance(told.value, Unreachable) and len(str(told.value)) == 1000


@pytest.mark.parametrize("where", ["at once", "in its headers", "in its body"])
def test_a_hub_that_drips_is_left_when_the_time_is_over(where: str) -> None:
    over = threading.Event()

    def drip(self: Odd) -> None:
        pieces = {
            "at once": [],
            "in its headers": [b"HTTP/1.1 200 OK\r\n", *(f"x-{at}: 1\r\n".encode() for at in range(90))],
            "in its body": [b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", *([b" "] * 9000)],
        }[where]
        self.close_connection = True
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()
            if over.wait(0.1):
                return
        over.wait(60)

    with odd(drip) as url:
        found = Client(url, timeout_s=0.5)
        ended = threading.Event()

        def call() -> None:
            with pytest.raises(Unreachable):
                found.connect()
            ended.set()

        threading.Thread(target=call, daemon=True).start()
        try:
            assert ended.wait(60), "it drips for longer than that"
            assert not over.is_set()
        finally:
            over.set()


def test_an_answer_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.swarm.client.MOST_BYTES", 100_000)
    with odd(answer(200, b" " * 200_000)) as url, pytest.raises(Unreachable, match="more than"):
        Client(url, timeout_s=30).connect()


def test_nobody_there_means_later() -> None:
    with pytest.raises(Unreachable):
        Client(f"http://127.0.0.1:{free_port()}", timeout_s=30).connect()
    with pytest.raises(Unreachable):
        Client("http://no-such-host.invalid", timeout_s=30).connect()


@pytest.mark.parametrize("url", ["ftp://x", "hub", "http://", "http://x:99999", "http://x:y", "file:///etc/passwd"])
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(SwarmError) as told:
        Client(url)
    assert told.value.code == "bounds"


def test_a_hub_behind_a_path_is_asked_under_it() -> None:
    asked: list[str] = []

    def script(self: Odd) -> None:
        asked.append(self.path)
        answer(200, GOOD if self.path.endswith("connect") else b"[]")(self)

    with odd(script) as url:
        assert Client(f"{url}/lab/", KeyPair.make(), 30).members() == []
    assert asked == ["/lab/v1/connect", "/lab/v1/members"]
