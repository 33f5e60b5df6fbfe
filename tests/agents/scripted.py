"""A scripted model behind a server on loopback: it reads the prompt, edits train.py with tools, hands in, and stops.

One turn a request, told by what the conversation holds already: read, edit, write PROPOSAL.json, last words.
The protocols (tests/agents/dialects.py) put these steps into an API's events and an agent's own tools.
"""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.agents import dialects
from tests.agents.steps import Step, Steps

REFUSALS = {
    401: ("authentication_error", "UNAUTHENTICATED", "this key is not valid"),
    429: ("rate_limit_error", "RESOURCE_EXHAUSTED", "slow down"),
}
"""How the known services put it: type, status (in Google's words), message."""


class Script:
    """Which constant is changed next: a walk towards the toy's optimum, read off the prompt's own train.py."""

    GOALS = {"ALPHA": 0.3, "BETA": 0.6}

    def steps(self, prompt: str) -> Steps:
        """The steps of the answer to a prompt that shows train.py."""
        values = {name: float(re.findall(rf"^{name} = ([0-9.]+)", prompt, re.MULTILINE)[-1]) for name in self.GOALS}
        name = max(values, key=lambda each: abs(values[each] - self.GOALS[each]))
        old = values[name]
        new = round(old + max(-0.1, min(0.1, self.GOALS[name] - old)), 3)
        if abs(new - old) < 1e-9:
            new = round(old + 0.01, 3)
        handed = {
            "description": f"{name} {old:g} to {new:g}",
            "asi": {"hypothesis": f"{name} is too far from its best"},
            "answers": dict.fromkeys(re.findall(r"say-[0-9a-f]+", prompt), "done as you said"),
        }
        return Steps(
            [
                Step("read", "train.py"),
                Step("edit", "train.py", f"{name} = {old:g}", f"{name} = {new:g}"),
                Step("write", "PROPOSAL.json", new=json.dumps(handed)),
            ],
            f"I changed {name}.",
        )


class Server:
    """Serves on loopback while it is entered. `requests` counts what was asked, `refuse` answers with that status."""

    def __init__(self, refuse: int = 0) -> None:
        self.requests: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.refuse = refuse
        self.script = Script()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self._send(200, "application/json", [json.dumps({"data": [], "models": []}).encode()])

            def do_HEAD(self) -> None:
                self._send(200, "text/plain", [])

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = json.loads(body or b"{}")
                outer.requests.append(self.path)
                if outer.refuse:
                    kind, status, text = REFUSALS[outer.refuse]
                    error = {"type": kind, "code": outer.refuse, "status": status, "message": text}
                    told = {"type": "error", "error": error}
                    self._send(outer.refuse, "application/json", [json.dumps(told).encode()], {"Retry-After": "7"})
                    return
                outer.bodies.append(asked)
                kind, pieces = outer.answer(self.path, asked)
                self._send(200, kind, pieces)

            def _send(
                self,
                status: int,
                kind: str,
                pieces: "list[bytes] | Iterator[bytes]",
                headers: dict[str, str] | None = None,
            ) -> None:
                whole = b"".join(pieces)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(whole)))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(whole)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path: str, asked: dict[str, Any]) -> tuple[str, list[bytes]]:
        """Content type and body for a request, by the protocol that its path names."""
        for dialect in dialects.ALL:
            if dialect.path.search(path):
                return dialect.answer(path, asked, self.script.steps)
        return "application/json", [b"{}"]

    def __enter__(self) -> "Server":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
