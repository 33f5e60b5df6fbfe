"""climbmix, with the hub's own client, against a stand-in on loopback that serves small shards."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.assets.template import ASSETS


class Hub(ThreadingHTTPServer):
    """Shards by file name; those in `damaged` are sent with a byte changed, under the hash of the whole."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, bytes] = {}
        self.damaged: set[str] = set()
        self.sent: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        match = re.fullmatch(r"/datasets/karpathy/climbmix-400b-shuffle/resolve/main/(shard_\d{5}\.parquet)", self.path)
        content = self.server.files.get(match[1]) if match else None
        if match is None or content is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        etag = hashlib.sha256(content).hexdigest()
        start = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, 0])[1])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if body:
            self.server.sent.append(match[1])
            wrong = content[:-1] + bytes([content[-1] ^ 1]) if match[1] in self.server.damaged else content
            self.wfile.write(wrong[start:])


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    for number in (0, 1, 6542):
        texts = [f"shard {number} document {i} " + f"some words {i * 31 % 101} " * 20 for i in range(60)]
        out = io.BytesIO()
        pq.write_table(pa.table({"text": texts}), out)
        server.files[f"shard_{number:05d}.parquet"] = out.getvalue()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def prepare(hub: Hub, cache: Path, home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "OVERNIGHT_CACHE": str(cache)}
    env |= {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    command = [sys.executable, str(ASSETS / "prepare.py"), "--data", "climbmix", "--tokenizer", "byte", *args]
    return subprocess.run(command, env=env, text=True, capture_output=True, timeout=240)


def test_shards_are_fetched_once_and_the_last_validates(hub: Hub, tmp_path: Path) -> None:
    first = prepare(hub, tmp_path / "cache", tmp_path / "hf", "--shards", "2")
    assert first.returncode == 0, first.stderr
    made = json.loads(first.stdout)
    assert (made["train_docs"], made["val_docs"]) == (120, 60)
    assert sorted(hub.sent) == ["shard_00000.parquet", "shard_00001.parquet", "shard_06542.parquet"]
    hub.files.clear()  # what is there and checked is not asked for again
    again = prepare(hub, tmp_path / "cache", tmp_path / "hf", "--shards", "2")
    assert json.loads(again.stdout) == made, again.stderr


def test_a_damaged_shard_is_removed_and_fetched_anew(hub: Hub, tmp_path: Path) -> None:
    hub.damaged.add("shard_06542.parquet")
    refused = prepare(hub, tmp_path / "cache", tmp_path / "hf", "--shards", "1")
    assert refused.returncode == 1 and "arrived damaged" in refused.stderr and "Traceback" not in refused.stderr
    assert not (tmp_path / "cache" / "climbmix" / "shard_06542.parquet").exists()
    hub.damaged.clear()
    mended = prepare(hub, tmp_path / "cache", tmp_path / "hf", "--shards", "1")
    assert mended.returncode == 0, mended.stderr
    assert hub.sent.count("shard_00000.parquet") == 1, "what had arrived whole was kept"


def test_a_hub_without_the_shard_is_told_in_a_sentence(hub: Hub, tmp_path: Path) -> None:
    hub.files.pop("shard_00001.parquet")
    refused = prepare(hub, tmp_path / "cache", tmp_path / "hf", "--shards", "2")
    assert refused.returncode == 1
    assert "could not download shard_00001.parquet" in refused.stderr and "Traceback" not in refused.stderr
