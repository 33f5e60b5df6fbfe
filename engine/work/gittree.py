"""Git's tree objects: finding a file's entry in a commit, and a tree that differs from another in a few files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from engine.work.plumbing import GitTrouble, Plumbing

FILE, EXECUTABLE, LINK, FOLDER = 0o100644, 0o100755, 0o120000, 0o40000


class Entry(NamedTuple):
    """One line of a tree: the mode and the object's id."""

    mode: int
    oid: str


def read_tree(plumbing: Plumbing, tree: str) -> dict[str, Entry]:
    """The entries of one tree object, by name (bytes that are no UTF-8 as surrogates)."""
    data = plumbing.read(tree) or b""
    entries, at = {}, 0
    while at < len(data):
        space, zero = data.index(b" ", at), data.index(b"\0", at)
        name = data[space + 1 : zero].decode("utf-8", "surrogateescape")
        entries[name] = Entry(int(data[at:space], 8), data[zero + 1 : zero + 21].hex())
        at = zero + 21
    return entries


def entry_at(plumbing: Plumbing, commit: str, path: str) -> Entry | None:
    """The entry of the file `path` in a commit; None where there is no such file."""
    *folders, name = path.split("/")
    tree = f"{commit}:{'/'.join(folders)}"
    if plumbing.resolve(tree) is None:
        return None
    found = read_tree(plumbing, tree).get(name)
    return found if found and found.mode in (FILE, EXECUTABLE, LINK, 0o100664) else None


def changed_tree(plumbing: Plumbing, tree: str, changes: Mapping[str, Entry | None]) -> str:
    """The id of a tree like `tree` (an id or a revision; "" = empty) but for `changes`; None removes a file."""
    entries = read_tree(plumbing, tree) if tree else {}
    below: dict[str, dict[str, Entry | None]] = {}
    for path, entry in changes.items():
        head, _, rest = path.partition("/")
        if rest:
            below.setdefault(head, {})[rest] = entry
        elif entry is None:
            entries.pop(head, None)
        else:
            entries[head] = entry
    for folder, inside in below.items():
        old = entries.get(folder)
        if old and old.mode != FOLDER:
            if all(entry is None for entry in inside.values()):
                continue
            raise GitTrouble(f"{plumbing.root / folder} is a file, and {next(iter(inside))} is to be inside it")
        made = changed_tree(plumbing, old.oid if old else "", inside)
        if read_tree(plumbing, made):
            entries[folder] = Entry(FOLDER, made)
        else:
            entries.pop(folder, None)
    return plumbing.store("tree", _encoded(entries))


def _encoded(entries: Mapping[str, Entry]) -> bytes:
    lines = []
    for name, (mode, oid) in entries.items():
        raw = name.encode("utf-8", "surrogateescape")
        # Git sorts a folder as if its name ended in a slash.
        lines.append((raw + b"/" * (mode == FOLDER), b"%o %s\0" % (mode, raw) + bytes.fromhex(oid)))
    return b"".join(line for _, line in sorted(lines))
