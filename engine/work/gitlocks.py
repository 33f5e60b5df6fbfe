"""Locks that a killed git leaves behind, told from those of a git that runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

from engine.work.plumbing import GitTrouble, Plumbing

YOUNG_S = 2.0  # an editor's built-in git holds a lock for milliseconds and is no process of that name


def clear_stale(plumbing: Plumbing, refs: str) -> bool:
    """Remove the index's, HEAD's, the branch's and our references' stale locks; whether there was one.

    Errors: GitTrouble while a git process runs in this repository.
    """
    locks = _locks(plumbing, refs)
    give_up = time.monotonic() + YOUNG_S
    while locks and any(_age(lock) < YOUNG_S for lock in locks) and time.monotonic() < give_up:
        time.sleep(0.05)
        locks = [lock for lock in locks if lock.exists()]
    if not locks:
        return False
    if pid := _git_at_work(plumbing):
        raise GitTrouble(f"{locks[0]} is held by a git command that runs (process {pid}); let it end, or end it")
    for lock in locks:
        lock.unlink(missing_ok=True)
    return True


def _locks(plumbing: Plumbing, refs: str) -> list[Path]:
    names = [plumbing.git_dir / "index.lock", plumbing.git_dir / "HEAD.lock", plumbing.common_dir / "packed-refs.lock"]
    branch = plumbing.run("symbolic-ref", "-q", "HEAD", allowed=(0, 1)).decode("utf-8", "surrogateescape").strip()
    if branch:
        names.append(plumbing.common_dir / f"{branch}.lock")
    return [name for name in names if name.exists()] + sorted((plumbing.common_dir / refs).rglob("*.lock"))


def _age(lock: Path) -> float:
    try:
        return abs(time.time() - lock.stat().st_mtime)
    except OSError:
        return YOUNG_S


def _git_at_work(plumbing: Plumbing) -> int:
    here = {str(plumbing.root.resolve()), str(plumbing.git_dir), str(plumbing.common_dir)}
    for process in psutil.process_iter(["name", "cmdline", "ppid"]):
        name, command = process.info["name"] or "", process.info["cmdline"] or []
        if not name.startswith("git") or "cat-file" in command:  # readers take no locks
            continue
        try:
            folder = process.cwd()
            directory = process.environ().get("GIT_DIR", "")
        except psutil.Error:
            continue
        inside = any(folder == place or folder.startswith(place + os.sep) for place in here)
        if (inside or directory in here) and process.status() != psutil.STATUS_ZOMBIE:
            return int(process.pid)
    return 0
