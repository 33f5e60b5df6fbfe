"""A server on loopback that speaks the protocols of OpenAI, Anthropic and Google, streamed, and plays a script."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-loopback-0123456789"
USAGE = (1000, 50)
"""Input and output tokens that each whole answer reports."""

Play = dict[str, Any]
"""One answer: {"answer": object} by the tool, {"look": arguments} by the tool history, {"text": str}, {"refusal": str},
{"arguments": str} raw by the tool, {"status": int, "headers": {}, "body": {}}, {"stall": True}, {"cut": object} (half
of it, then the connection ends), {"endless": True}. With "pieces" the answer comes in so many parts."""
Part = Play | Callable[[dict[str, Any]], Play]
"""A play, or one made from the request's body."""


class FakeApi:
    """Plays `plays` in order, then repeats the last. `requests` are the bodies, `headers` the headers received."""

    def __init__(self, plays: list[Part]) -> None:
        self.plays, self.requests, self.headers = plays, list[dict[str, Any]](), list[dict[str, str]]()
        self.released, self.asked = threading.Event(), threading.Event()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                api.serve(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def serve(self, to: BaseHTTPRequestHandler) -> None:
        body = json.loads(to.rfile.read(int(to.headers["Content-Length"])))
        part = self.plays[min(len(self.requests), len(self.plays) - 1)]
        play = part(body) if callable(part) else part
        self.headers.append({name.lower(): value for name, value in to.headers.items()})
        self.requests.append(body)
        self.asked.set()
        keys = (self.headers[-1].get(name) for name in ("x-api-key", "x-goog-api-key"))
        key = next(filter(None, keys), "") or self.headers[-1].get("authorization", "").removeprefix("Bearer ")
        if play.get("key", key) != key:
            play = {"status": 401, "body": {"error": {"message": f"wrong key {key}", "type": "authentication_error"}}}
        to.close_connection = True
        if "status" in play:
            return self._plain(to, play)
        to.send_response(200)
        to.send_header("Content-Type", "text/event-stream")
        to.send_header("Connection", "close")
        to.send_header("Transfer-Encoding", "chunked")
        to.end_headers()
        speak = _anthropic if to.path.endswith("/messages") else _google if ":stream" in to.path else _openai
        events = speak(play)
        try:
            for event in events:
                data = event.encode()
                to.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                to.wfile.flush()
                if play.get("stall"):
                    self.released.wait(60)
                    return None
            if "cut" not in play:
                to.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass  # the client went away, as it should of an endless answer
        return None

    def _plain(self, to: BaseHTTPRequestHandler, play: Play) -> None:
        data = json.dumps(play.get("body", {"error": {"message": "as the script wants", "type": "error"}})).encode()
        to.send_response(play["status"])
        for name, value in play.get("headers", {}).items():
            to.send_header(name, value)
        to.send_header("Content-Type", "application/json")
        to.send_header("Content-Length", str(len(data)))
        to.end_headers()
        to.wfile.write(data)


@contextmanager
def fake_api(*plays: Part) -> Iterator[FakeApi]:
    """A running server."""
    api = FakeApi(list(plays))
    thread = threading.Thread(target=api.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        api.released.set()
        api.server.shutdown()
        thread.join()
        api.server.server_close()


def _parts(play: Play) -> tuple[str, list[str]]:
    """What is streamed ("tool", "text", "refusal") in which pieces."""
    kind = "text" if "text" in play else "refusal" if "refusal" in play else "tool"
    whole = play.get("text") or play.get("refusal") or play.get("arguments")
    whole = whole or json.dumps(play.get("answer", play.get("look", play.get("cut", {}))))
    if "cut" in play:
        return kind, [whole[: len(whole) // 2]]
    size = max(1, -(-len(whole) // play.get("pieces", 1)))
    return kind, [whole[at : at + size] for at in range(0, len(whole), size)]


def _tool(play: Play) -> str:
    return "history" if "look" in play else "propose"


def _endless(play: Play, piece: Callable[[str], str]) -> Iterator[str]:
    while play.get("endless"):
        yield piece("x" * 200_000)


def _openai(play: Play) -> Iterator[str]:
    kind, pieces = _parts(play)

    def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "toy", "choices": [choice]}
        return f"data: {json.dumps({**head, **more})}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    yield from _endless(play, lambda text: chunk({"content": text}))
    for number, text in enumerate(pieces):
        if kind != "tool":
            yield chunk({"content" if kind == "text" else "refusal": text})
        elif number == 0:
            call = {"index": 0, "id": "t1", "type": "function", "function": {"name": _tool(play), "arguments": text}}
            yield chunk({"tool_calls": [call]})
        else:
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": text}}]})
    if "cut" in play:
        return
    finish = {"text": "stop", "tool": "tool_calls", "refusal": "content_filter"}[kind]
    yield chunk({}, finish)
    used = {"prompt_tokens": USAGE[0], "completion_tokens": USAGE[1], "total_tokens": sum(USAGE)}
    yield chunk({}, None, choices=[], usage=used)
    yield "data: [DONE]\n\n"


def _anthropic(play: Play) -> Iterator[str]:
    kind, pieces = _parts(play)

    def event(name: str, **body: Any) -> str:
        return f"event: {name}\ndata: {json.dumps({'type': name, **body})}\n\n"

    message: dict[str, Any] = {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "toy",
        "content": [],
        "stop_reason": None,
    }
    yield event("message_start", message={**message, "usage": {"input_tokens": USAGE[0], "output_tokens": 1}})
    tool = {"type": "tool_use", "id": "t1", "name": _tool(play), "input": {}}
    yield event("content_block_start", index=0, content_block=tool if kind == "tool" else {"type": "text", "text": ""})
    part = ("input_json_delta", "partial_json") if kind == "tool" else ("text_delta", "text")
    yield from _endless(
        play, lambda text: event("content_block_delta", index=0, delta={"type": part[0], part[1]: text})
    )
    for text in pieces:
        yield event("content_block_delta", index=0, delta={"type": part[0], part[1]: text})
    if "cut" in play:
        return
    yield event("content_block_stop", index=0)
    stop = {"text": "end_turn", "tool": "tool_use", "refusal": "refusal"}[kind]
    yield event("message_delta", delta={"stop_reason": stop}, usage={"output_tokens": USAGE[1]})
    yield event("message_stop")


def _google(play: Play) -> Iterator[str]:
    kind, pieces = _parts(play)
    used = {"promptTokenCount": USAGE[0], "candidatesTokenCount": USAGE[1], "totalTokenCount": sum(USAGE)}

    def chunk(part: dict[str, Any], finish: str | None = None) -> str:
        candidate = {"index": 0, "content": {"role": "model", "parts": [part]}}
        body = {"candidates": [{**candidate, **({"finishReason": finish} if finish else {})}], "modelVersion": "toy"}
        return f"data: {json.dumps({**body, 'usageMetadata': used})}\r\n\r\n"

    yield from _endless(play, lambda text: chunk({"text": text}))
    if "cut" in play:
        yield chunk({"text": "I would"})[:-20]
    elif kind == "tool" and "arguments" not in play:  # this protocol's arguments are no text that could be malformed
        yield chunk({"functionCall": {"name": _tool(play), "args": json.loads("".join(pieces))}}, "STOP")
    else:
        for text in pieces:
            yield chunk({"text": text})
        yield chunk({"text": ""}, "SAFETY" if kind == "refusal" else "STOP")
