"""A session as an example that others can open: what a console shows of it, without git, weights and caches.

The diffs go along as `change.patch`; names of the machine, its folders and its GPU's serial are taken out,
and the logs' progress lines are thinned.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

from engine.session.paths import PATCH, SessionPaths
from engine.session.state import State

FILES = (
    *("train.py", "overnight.toml", "search_space.toml", "program.md", "autoresearch.md", "autoresearch.jsonl"),
    *("run.log", ".overnight/journal.jsonl", ".overnight/search.json"),
)
OF_RUN = ("run.log", "benchmark.out", "telemetry.jsonl", "samples.json", "provenance.json", PATCH)


UUID = re.compile(r"GPU-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
EVERY = 20
"""Of a log's progress lines, one in so many goes along."""


def thinned(log: str) -> str:
    """A run.log with fewer progress lines: the first and the last, and of those between one in `EVERY`."""
    found = []
    for line in log.split("\n"):
        parts = line.split("\r")
        last = len(parts) - 2 if not parts[-1] else len(parts) - 1
        found.append("\r".join(part for at, part in enumerate(parts) if at % EVERY == 0 or at >= last))
    return "\n".join(found)


def without_serials(text: str, own: str) -> str:
    """Each GPU's UUID replaced: 0 for the session's own, 1 and more for the others in the order of their UUIDs."""
    others = sorted(set(UUID.findall(text)) - {own})
    number = {uuid: at for at, uuid in enumerate([own, *others])}
    return UUID.sub(lambda found: f"GPU-00000000-0000-0000-0000-{number[found[0]]:012d}", text)


def pack(paths: SessionPaths, state: State, target: Path) -> None:
    """Write the archive of a session that no engine holds."""
    for one in state.experiments:
        command = [sys.executable, "-m", "engine.cli.front", "show", str(one.run), str(paths.root), "--json"]
        shown = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if shown.returncode == 0:
            paths.run(one.run).joinpath(PATCH).write_text(json.loads(shown.stdout)["diff"])
        else:
            print(f"run {one.run} has no diff: {shown.stderr}", flush=True)
    names = [paths.root / name for name in FILES]
    names += [paths.run(one.run) / name for one in state.experiments for name in OF_RUN]
    engine = state.engine
    replaced = {str(paths.root): f"sessions/{paths.name}", str(Path.home()): "~", sys.prefix: "/usr"}
    replaced |= {str(paths.root.parent): "sessions"}
    if engine is not None and engine.host:
        replaced[f'"{engine.host}"'] = '"gpu-box"'
    replaced[os.uname().release] = os.uname().release.split("-")[0]
    with tarfile.open(target, "w:gz") as archive:
        for path in names:
            if path.is_file():
                text = path.read_bytes().decode("utf-8", "replace")
                for old in sorted(replaced, key=len, reverse=True):
                    text = text.replace(old, replaced[old])
                text = without_serials(text, engine.device if engine is not None else "")
                text = thinned(text) if path.name == "run.log" else text
                data, entry = text.encode(), tarfile.TarInfo(f"{paths.name}/{path.relative_to(paths.root)}")
                entry.size, entry.mtime = len(data), int(path.stat().st_mtime)
                archive.addfile(entry, io.BytesIO(data))
    print(f"{target}: {target.stat().st_size} bytes", flush=True)
