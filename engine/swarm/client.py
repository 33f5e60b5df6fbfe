"""A hub as seen by a member: `api.Swarm` over HTTP. Whatever is not an answer in order is Unreachable."""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from engine.swarm import calls
from engine.swarm.api import Claimed, Lease, Member, Row, Stored, SwarmError, Unreachable, Welcome
from engine.swarm.keys import KeyPair
from engine.swarm.records import Change, Klass, Record

MOST_BYTES = 48 << 20
"""An answer: 500 rows of the largest records, and some."""
MOST_ROWS = 500
LONGEST = 1000
"""Characters of a refusal that are told on."""


class Client:
    """Calls a hub at `url` (http or https). Each call ends within `timeout_s` seconds. `key` signs reads."""

    def __init__(self, url: str, key: KeyPair | None = None, timeout_s: float = 10.0, swarm: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SwarmError(f"{url}: a hub's address is http://HOST:PORT or https://HOST", "bounds")
        try:
            self._port = parts.port
        except ValueError as error:
            raise SwarmError(f"{url}: {error}", "bounds") from error
        self.url, self._parts, self.key, self.timeout_s, self._swarm = url, parts, key, timeout_s, swarm
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None

    # one exchange

    def _call(self, method: str, name: str, gives: Any, query: dict[str, Any] | None = None, body: Any = None) -> Any:
        path = f"{self._parts.path.rstrip('/')}/v1/{name}"
        asked = urlencode({k: _written(v) for k, v in (query or {}).items()})
        headers = {"accept": "application/json", "content-type": "application/json"}
        if method == "GET" and name != "connect" and self.key is not None:
            headers["authorization"] = self._signed(f"/v1/{name}", asked)
        data = None if body is None else _encoded(body)
        if data is not None and len(data) > calls.MOST_BYTES:
            raise SwarmError(f"the call has {len(data)} bytes; the most is {calls.MOST_BYTES}", "size")
        status, answer = self._exchange(method, f"{path}?{asked}" if asked else path, data, headers)
        if status == 200:
            try:
                return msgspec.json.decode(answer, type=gives)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Unreachable(f"{self.url} answers in another way than a hub: {error}") from error
        raise _refusal(self.url, status, answer)

    def _signed(self, path: str, query: str) -> str:
        assert self.key is not None
        at = repr(time.time())
        said = calls.reading(self._swarm or self.connect().swarm, self.key.member, at, path, query)
        return f"Overnight {self.key.member}:{at}:{self.key.sign(said)}"

    def _exchange(self, method: str, target: str, data: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = self._connection()
        # Limits of single reads do not end a call whose other side drips: the connection is cut when its time is over.
        cut = threading.Timer(self.timeout_s, _cut, [connection])
        cut.daemon = True
        cut.start()
        try:
            connection.request(method, target, data, headers)
            response = connection.getresponse()
            found = bytearray()
            while part := response.read1(1 << 16):
                found += part
                if len(found) > MOST_BYTES:
                    raise Unreachable(f"{self.url} answers with more than {MOST_BYTES} bytes")
            if response.length:  # of a chunked answer http.client itself says that it broke off
                raise Unreachable(f"{self.url} broke off in the middle of its answer")
            return response.status, bytes(found)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"{self.url} does not answer: {error or type(error).__name__}") from error
        finally:
            cut.cancel()
            connection.close()

    def _connection(self) -> "_Plain | _Secure":
        host = self._parts.hostname or ""
        if self._tls is not None:
            return _Secure(host, self._port, timeout=self.timeout_s, context=self._tls)
        return _Plain(host, self._port, timeout=self.timeout_s)

    # the calls

    def connect(self) -> Welcome:
        """See Swarm."""
        found: Welcome = self._call("GET", "connect", Welcome)
        self._swarm = found.swarm
        return found

    def join(
        self, invitation: str, name: str, key: str, proof: str, email: str = "", machine: str = ""
    ) -> Member | None:
        """See Swarm."""
        body = {"invitation": invitation, "name": name, "key": key, "proof": proof, "email": email, "machine": machine}
        found: _Joined = self._call("POST", "join", _Joined, body=body)
        return found.member

    def verify(self, member: str, code: str) -> Member:
        """See Swarm."""
        found: Member = self._call("POST", "verify", Member, body={"member": member, "code": code})
        return found

    def claim(self, member: str, change: Change, klass: Klass, signature: str, id: str, at: float) -> Claimed:
        """See Swarm."""
        body = {"member": member, "change": change, "klass": klass, "signature": signature, "id": id, "at": at}
        found: Claimed = self._call("POST", "claim", Claimed, body=body)
        return found

    def renew(self, member: str, claim: str, token: int, signature: str, at: float) -> float:
        """See Swarm."""
        body = {"member": member, "claim": claim, "token": token, "signature": signature, "at": at}
        found: dict[str, float] = self._call("POST", "renew", dict[str, float], body=body)
        return found.get("until", 0.0)

    def release(self, member: str, claim: str, token: int, signature: str, at: float) -> None:
        """See Swarm."""
        body = {"member": member, "claim": claim, "token": token, "signature": signature, "at": at}
        self._call("POST", "release", dict[str, Any], body=body)

    def publish(self, record: Record, code: dict[str, str] | None = None) -> Stored:
        """See Swarm."""
        found: Stored = self._call("POST", "publish", Stored, body={"record": record, "code": code})
        return found

    def code(self, hash: str) -> dict[str, str]:
        """See Swarm."""
        found: dict[str, str] = self._call("GET", "code", dict[str, str], {"hash": hash})
        return found

    def result(self, id: str) -> Row | None:
        """See Swarm."""
        try:
            found: Row = self._call("GET", "result", Row, {"id": id})
        except SwarmError as error:
            if error.code == "missing":
                return None
            raise
        return found

    def best(self, klass: Klass | None = None, tier: str = "", member: str = "") -> list[Row]:
        """See Swarm."""
        return self._rows("best_result", klass, tier=tier, member=member)

    def results(self, klass: Klass | None = None, state: str = "", member: str = "", limit: int = 50) -> list[Row]:
        """See Swarm."""
        return self._rows("results", klass, state=state, member=member, limit=limit)

    def hypotheses(self, klass: Klass | None = None, state: str = "open", limit: int = 50) -> list[Row]:
        """See Swarm."""
        return self._rows("hypotheses", klass, state=state, limit=limit)

    def insights(self, topic: str = "", klass: Klass | None = None, limit: int = 50) -> list[Row]:
        """See Swarm."""
        return self._rows("insights", klass, topic=topic, limit=limit)

    def ask(self, text: str, limit: int = 20) -> list[Row]:
        """See Swarm."""
        return self._rows("ask", None, text=text, limit=limit)

    def queue(self, klass: Klass) -> list[Row]:
        """See Swarm."""
        return self._rows("queue", klass)

    def claims(self, contract: str = "", live: bool = True) -> list[Lease]:
        """See Swarm."""
        found: list[Lease] = self._call("GET", "claims", list[Lease], {"contract": contract, "live": live})
        return found

    def leaderboard(self, klass: Klass | None = None) -> list[dict[str, Any]]:
        """See Swarm."""
        found: list[dict[str, Any]] = self._call("GET", "leaderboard", list[dict[str, Any]], _class(klass))
        return found

    def feed(self, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """See Swarm."""
        query = {"after": after, "limit": _bounded(limit)}
        found: list[dict[str, Any]] = self._call("GET", "feed", list[dict[str, Any]], query)
        return found

    def members(self) -> list[Member]:
        """See Swarm."""
        found: list[Member] = self._call("GET", "members", list[Member])
        return found

    def _rows(self, name: str, klass: Klass | None, **query: Any) -> list[Row]:
        if "limit" in query:
            query["limit"] = _bounded(query["limit"])
        found: list[Row] = self._call("GET", name, list[Row], {**_class(klass), **query})
        return found


class _Plain(http.client.HTTPConnection):
    opened: "socket.socket | None" = None
    """The one that was opened: http.client forgets its own once the answer's headers are read."""

    def connect(self) -> None:
        super().connect()
        self.opened = self.sock


class _Secure(http.client.HTTPSConnection):
    opened: "socket.socket | None" = None

    def connect(self) -> None:
        super().connect()
        self.opened = self.sock


def _cut(connection: _Plain | _Secure) -> None:
    if connection.opened is not None:
        with contextlib.suppress(OSError):
            connection.opened.shutdown(socket.SHUT_RDWR)


class _Refused(msgspec.Struct, frozen=True):
    error: str
    code: str


class _Joined(msgspec.Struct, frozen=True):
    member: Member | None = None


def _class(klass: Klass | None) -> dict[str, Any]:
    return {} if klass is None else {"contract": klass.contract, "gpu": klass.gpu}


def _encoded(body: Any) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError as error:
        raise SwarmError(f"half of a surrogate pair in a text: {error}", "bounds") from error


def _bounded(limit: int) -> int:
    """As the store does by itself: a hub refuses other numbers."""
    return min(max(limit, 1), MOST_ROWS)


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refusal(url: str, status: int, answer: bytes) -> SwarmError:
    try:
        said = msgspec.json.decode(answer, type=_Refused)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Unreachable(f"{url} answers {status}, not as a hub does")
    if status >= 500:
        return Unreachable(f"{url}: {said.error[:LONGEST]}")
    return SwarmError(said.error[:LONGEST], said.code[:40])
