"""Files of a work tree as git would store them: read and written whole, byte for byte."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from engine.work.gittree import EXECUTABLE, FILE, LINK
from engine.work.plumbing import GitTrouble


def place(root: Path, name: str) -> Path:
    """The path of `name` in the work tree. Errors: GitTrouble where it would lead out of it or into .git."""
    parts = name.split("/")
    if name.startswith("/") or not all(parts) or {".", ".."} & set(parts) or parts[0] == ".git" or "\n" in name:
        raise GitTrouble(f"{name!r} is not the name of a file inside {root}")
    return root / name


def read_file(root: Path, name: str) -> tuple[int, bytes] | None:
    """Mode and content of a file as git has them (a link's content is its target); None where there is none."""
    path = place(root, name)
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            return LINK, os.fsencode(path.readlink())
        if not stat.S_ISREG(found.st_mode):
            return None
        return (EXECUTABLE if found.st_mode & 0o100 else FILE), path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def write_file(root: Path, name: str, content: bytes, mode: int | None = None) -> None:
    """Put `content` in place of the file at once; `mode` None leaves an existing file's permissions."""
    path = place(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    try:
        if mode == LINK:
            temporary.symlink_to(os.fsdecode(content))
        else:
            with temporary.open("xb") as file:
                file.write(content)
                os.fchmod(file.fileno(), _permissions(path, mode, os.fstat(file.fileno()).st_mode))
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_file(root: Path, name: str) -> None:
    """Remove a file if it is there."""
    try:
        place(root, name).unlink()
    except (FileNotFoundError, NotADirectoryError):
        pass


def _permissions(path: Path, mode: int | None, fresh: int) -> int:
    try:
        found = path.lstat().st_mode
    except OSError:
        found = fresh
    kept = stat.S_IMODE(found if stat.S_ISREG(found) else fresh)
    if mode == EXECUTABLE:
        return kept | (kept & 0o444) >> 2
    return kept & ~0o111 if mode == FILE else kept
