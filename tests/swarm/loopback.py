"""A hub in a thread of this process, on loopback: the real server, the real client, and the store within reach."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.swarm.client import Client
from engine.swarm.hub import serving
from engine.swarm.hub.app import app
from engine.swarm.hub.desk import Desk
from engine.swarm.keys import KeyPair
from engine.swarm.store.database import connect
from engine.swarm.store.store import Limits, Store
from tests.swarm.actor import Actor

PLENTY = Limits(rate=1e5, burst=1e5)


class Loopback:
    """A hub that runs."""

    def __init__(self, store: Store, url: str) -> None:
        self.store, self.url = store, url

    def client(self, key: KeyPair | None = None, timeout_s: float = 60.0) -> Client:
        """A member's view of it."""
        return Client(self.url, key, timeout_s)

    def member(self, name: str) -> Actor:
        """A new member, who speaks HTTP."""
        key = KeyPair.make()
        actor = Actor(self.client(key), name, key)
        actor.join(self.store.invite())
        return actor

    def raw(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of a call that no client of ours would make."""
        host, port = self.url.removeprefix("http://").rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


@contextmanager
def hub(
    folder: Path,
    url: str = "",
    limits: Limits = PLENTY,
    rate: float = 1e5,
    burst: float = 1e5,
    desk: Desk | None = None,
    mail: Any = None,
    open_reads: bool = False,
    lease_s: float = 900.0,
) -> Iterator[Loopback]:
    """A hub over a fresh swarm in `folder` (or in the database `url`), until the end of the block."""
    store = Store(connect(url or f"sqlite:///{folder / 'swarm.db'}"), limits, mail)
    store.create("tests", lease_s)
    server = serving.server(app(store, "0", open_reads, rate, burst, desk))
    listening = serving.listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Loopback(store, serving.address_of(listening))
    finally:
        server.should_exit = True
        thread.join(60)
        store.engine.dispose()
