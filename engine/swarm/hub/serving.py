"""Running the hub: a socket that listens where it was told to, and connections that may not dawdle."""

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from engine.swarm.api import SwarmError

HEAD_S = 10.0
"""How often a connection is looked at: one without a call between two looks is closed."""
LOOKS = 6
"""Looks after which a call that still has not ended (an answer that nobody reads) is cut off."""
CONNECTIONS, BACKLOG = 256, 512


class Impatient(H11Protocol):
    """HTTP/1.1 for callers who get on with it. uvicorn itself waits for ever for a call's first line."""

    _seen: Any = None
    _looks = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection."""
        super().connection_made(transport)
        self.loop.call_later(HEAD_S, self._look)

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not self._seen:
            self._seen, self._looks = cycle, 0
        elif cycle is None or cycle.response_complete:
            self.transport.close()
            return
        self._looks += 1
        if self._looks > LOOKS:
            self.transport.abort()
            return
        self.loop.call_later(HEAD_S, self._look)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host`; port 0 = a free one. Errors: SwarmError("address")."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        found = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise SwarmError(f"cannot listen on {host}, port {port}: {error}; choose others by --host and --port",
                         "address") from error  # fmt: skip
    found.set_inheritable(False)
    return found


def address_of(found: socket.socket, secure: bool = False) -> str:
    """The address that members are given."""
    host, port = found.getsockname()[:2]
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def server(service: Starlette, certificate: str = "", key: str = "", proxies: str = "") -> uvicorn.Server:
    """A server that is ready to run. `proxies`: addresses of reverse proxies whose X-Forwarded-For is believed.

    Errors: SwarmError("tls").
    """
    config = uvicorn.Config(
        service,
        http=Impatient,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,  # what is asked for is the members' own
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies or None,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=32 << 10,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        ssl_certfile=certificate or None,
        ssl_keyfile=key or None,
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError too
        raise SwarmError(f"{certificate}: no certificate with its key that can be used: {error}", "tls") from error
    return uvicorn.Server(config)


def serve(found: uvicorn.Server, listening: socket.socket, ready: Callable[[], object] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT; calls under way are ended first. `ready` is called when it is about to begin."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        ready()
        found.run(sockets=[listening])  # raises the signal once more at its end: it means us no more
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
