"""A commit's files in a folder of their own, byte for byte, and beside them what the session has that git has not."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from engine.work.gittree import EXECUTABLE, FILE, FOLDER, LINK, read_tree
from engine.work.plumbing import GitTrouble, Plumbing
from engine.work.worktree import write_file

OWN = frozenset({".git", ".overnight", "run.log", "autoresearch.jsonl", "__pycache__", "hooks"})
"""Of a session, what another tree of its files does not share."""


def export(plumbing: Plumbing, commit: str, folder: Path) -> set[str]:
    """Write every file of the commit below `folder`; their names. Errors: GitTrouble, OSError."""
    if plumbing.resolve(f"{commit}^{{commit}}") is None:
        raise GitTrouble(f"{plumbing.root}: commit {commit[:12]} is not in this repository any more")
    names: set[str] = set()
    waiting = [(f"{commit}^{{tree}}", "")]
    while waiting:
        tree, above = waiting.pop()
        for name, entry in read_tree(plumbing, tree).items():
            path = f"{above}{name}"
            if entry.mode == FOLDER:
                waiting.append((entry.oid, f"{path}/"))
            elif entry.mode in (FILE, EXECUTABLE, LINK, 0o100664):
                write_file(folder, path, plumbing.read(entry.oid) or b"", entry.mode)
                names.add(path)
    return names


def link_rest(session: Path, folder: Path, tracked: Collection[str]) -> None:
    """Link what lies in the session and is not git's (data, an environment) into `folder`. `tracked`: HEAD's files."""
    folders = {name[: at + 1] for name in tracked for at, letter in enumerate(name) if letter == "/"}

    def link(above: str) -> None:
        for path in (session / above).iterdir():
            name = f"{above}{path.name}"
            target = folder / name
            if path.name in OWN or name in tracked:
                continue
            if f"{name}/" in folders and path.is_dir() and not path.is_symlink():
                if target.is_dir():
                    link(f"{name}/")
            elif not target.exists() and not target.is_symlink():
                target.symlink_to(path.absolute())

    link("")
