"""Where an agent works: a work tree of the champion's commit with a repository of its own.

The repository borrows the session's objects and shares nothing else with it: whatever the agent commits, stashes,
switches or configures there, the session's branches and references stay out of its reach. What it changed is found by
comparing every file, for neither read-only files (root writes them) nor its git (it may rewrite it) can be trusted.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import secrets
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from engine.work import worktree
from engine.work.change import MOST_BYTES
from engine.work.plumbing import GitTrouble, Plumbing, git_folders

HANDED_IN = "PROPOSAL.json"
"""The file in which an agent says what it did; part of no change."""

_READ_ONLY = 0o444
_LEFTOVERS = ("__pycache__", "*.pyc", ".pytest_cache", ".mypy_cache", ".ruff_cache", "*.orig", "*.swp", "*~")


class Replaced(Exception):
    """The work tree is gone, or another stands in its place; the message is for the operator."""


class Found(NamedTuple):
    """What an agent did to its work tree: new texts of editable files that differ from what it was given, tracked
    files that it had no business with, files that it added, and what cannot be taken as it is, in words."""

    files: dict[str, str]
    outside: list[str]
    added: list[str]
    unusable: list[str]


_Stamp = tuple[int, int, int, int, int]


class Workplace:
    """The work tree in `folder` of `session`'s `commit`, with `files` (texts by editable file's name) written over it.

    Made on entering and removed on leaving. `leaves`: patterns of what the agent's program leaves behind.
    Errors: GitTrouble, OSError.
    """

    def __init__(
        self,
        session: Path,
        commit: str,
        files: Mapping[str, str],
        editable: Collection[str],
        folder: Path,
        leaves: Collection[str] = (),
    ) -> None:
        self.session, self.commit, self.given, self.folder = session, commit, dict(files), folder
        self.editable = tuple(editable)
        self._leaves = (*leaves, *_LEFTOVERS)
        self._stamps: dict[str, _Stamp] = {}
        self._made: tuple[int, int] | None = None

    def __enter__(self) -> Workplace:
        remove(self.folder)
        try:
            self._make()
        except BaseException:
            remove(self.folder)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # an agent may have put something else in the folder's place, a link to the user's files, say
        if self.stands() or self.folder.is_symlink():
            remove(self.folder)

    def stands(self) -> bool:
        """Whether the folder is the one that was made: nothing is looked for, undone or removed in any other."""
        try:
            found = self.folder.lstat()
        except OSError:
            return False
        return stat.S_ISDIR(found.st_mode) and (found.st_dev, found.st_ino) == self._made

    def _same(self) -> None:
        if not self.stands():
            raise Replaced(
                f"the folder that the agent was given to work in was moved, removed or replaced ({self.folder});"
                " what stands there now was not looked at and not touched"
            )

    def _own_parents(self, path: Path) -> None:
        """Make every folder above `path` one of the work tree's own: through a link, foreign files would be changed."""
        for parent in [p for p in reversed(path.parents) if self.folder in p.parents]:
            if not parent.is_dir() or parent.is_symlink():
                parent.unlink(missing_ok=True)
                parent.mkdir()

    def _make(self) -> None:
        folders = git_folders(self.session)
        if folders is None:
            raise GitTrouble(f"{self.session} is not a git repository (of its own)")
        self.folder.mkdir(parents=True, mode=0o700)
        made = self.folder.lstat()
        self._made = (made.st_dev, made.st_ino)
        first = Plumbing(self.folder)
        first.run("init", "-q", "--template=")
        (self.folder / ".git/objects/info").mkdir(exist_ok=True)
        (self.folder / ".git/objects/info/alternates").write_bytes(os.fsencode(folders[1] / "objects") + b"\n")
        git = Plumbing(self.folder)
        git.run("-c", "advice.detachedHead=false", "checkout", "-q", "--detach", self.commit)
        self._start_over()
        (self.folder / HANDED_IN).unlink(missing_ok=True)
        for name in self._names():
            path = self.folder / name
            if name not in self.editable and not path.is_symlink():
                path.chmod(path.stat().st_mode & (_READ_ONLY | 0o111))
        self._note()

    def _start_over(self) -> None:
        for name, text in self.given.items():
            path = self.folder / name
            self._own_parents(path)
            if path.is_symlink() or path.is_dir():
                remove(path)
            if text:
                worktree.write_file(self.folder, name, text.encode("utf-8", "surrogateescape"))
            else:
                worktree.remove_file(self.folder, name)

    def look(self) -> Found:
        """What was changed so far; costs a look at each file's data sheet, and reads only what may have changed."""
        self._same()
        now = self._names()
        files, unusable = self._edited()
        outside = [name for name in sorted(self._stamps) if name not in self.editable and self._differs(name, now)]
        added = [name for name in sorted(now) if name not in self._stamps and not self._left(name)]
        return Found(files, outside, [name for name in added if name not in self.editable], unusable)

    def put_back(self, found: Found) -> None:
        """Undo what `found` has outside of the editable files, and these too where they cannot be used."""
        self._same()
        git = Plumbing(self.session)
        try:
            for name in found.added:
                remove(self.folder / name)
            for name in found.outside:
                path = self.folder / name
                self._own_parents(path)
                if path.is_dir() and not path.is_symlink():
                    remove(path)
                data = git.read(f"{self.commit}:{name}") or b""
                mode = self._stamps[name][0]
                worktree.write_file(self.folder, name, data, 0o120000 if stat.S_ISLNK(mode) else None)
                if not stat.S_ISLNK(mode):
                    path.chmod(stat.S_IMODE(mode))
        finally:
            git.close()
        if found.unusable:
            self._start_over()
        self._note(found.outside)

    def _edited(self) -> tuple[dict[str, str], list[str]]:
        files, unusable = {}, []
        for name in self.editable:
            path = self.folder / name
            if (size := _size(path)) > MOST_BYTES:
                unusable.append(f"{name} has grown to {size} bytes; it may have at most {MOST_BYTES}")
                continue
            found = worktree.read_file(self.folder, name)
            if found is None and (path.exists() or path.is_symlink()):
                unusable.append(f"{name} is no ordinary file any more")
            elif found is not None and (found[0] == 0o120000 or not self._inside(path)):
                unusable.append(f"{name} is a link, or lies behind one; it must be an ordinary file")
            else:
                text = found[1].decode("utf-8", "surrogateescape") if found else ""
                if text != self.given.get(name, ""):
                    files[name] = text
        return files, unusable

    def _inside(self, path: Path) -> bool:
        return self.folder.resolve() in path.resolve().parents

    def _differs(self, name: str, now: Mapping[str, _Stamp]) -> bool:
        before, after = self._stamps[name], now.get(name)
        if after == before:
            return False
        if after is None or stat.S_IFMT(after[0]) != stat.S_IFMT(before[0]) or after[1] != before[1]:
            return True
        # A changed data sheet is no changed file: a backup or a chmod touches it too.
        there = worktree.read_file(self.folder, name)
        git = Plumbing(self.session)
        try:
            was = git.read(f"{self.commit}:{name}")
        finally:
            git.close()
        return there is None or there[1] != was

    def _left(self, name: str) -> bool:
        parts = name.split("/")
        return name == HANDED_IN or any(fnmatch.fnmatch(part, mask) for part in parts for mask in self._leaves)

    def _note(self, names: Collection[str] | None = None) -> None:
        now = self._names()
        self._stamps = now if names is None else {**self._stamps, **{name: now[name] for name in names if name in now}}

    def _names(self) -> dict[str, _Stamp]:
        """Each file's data sheet by name; the change time in it cannot be set by a program."""
        found: dict[str, _Stamp] = {}
        waiting = [self.folder]
        while waiting:
            try:
                with os.scandir(waiting.pop()) as entries:
                    inside = list(entries)
            except OSError:  # closed, too deep or gone: what was there before is missing then
                continue
            for entry in inside:
                if entry.is_dir(follow_symlinks=False):
                    if Path(entry.path) != self.folder / ".git":
                        waiting.append(Path(entry.path))
                    continue
                sheet = entry.stat(follow_symlinks=False)
                name = Path(entry.path).relative_to(self.folder).as_posix()
                found[name] = (sheet.st_mode, sheet.st_size, sheet.st_mtime_ns, sheet.st_ctime_ns, sheet.st_ino)
        return found


def _size(path: Path) -> int:
    """Of a file, links not followed, in bytes; 0 where there is none."""
    try:
        found = path.lstat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def clear(folder: Path) -> None:
    """Remove what earlier agents left in the folder of workplaces, when an engine was killed; what cannot go stays."""
    if folder.is_dir() and not folder.is_symlink():
        with contextlib.suppress(OSError):
            for stale in folder.iterdir():
                remove(stale)


def remove(path: Path) -> None:
    """Remove a file or a folder with everything in it, whatever its permissions and depth; what cannot go stays."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    number, left = 0, -1
    while left and (folders := _emptied(path)) and len(folders) != left:
        left = len(folders)
        for folder in folders:
            for inner in _emptied(folder):  # lifted, for a path may be too long to be named
                number += 1
                with contextlib.suppress(OSError):
                    inner.rename(path / f".{number}-{secrets.token_hex(4)}")
                    left = -1
            with contextlib.suppress(OSError):
                folder.rmdir()
    with contextlib.suppress(OSError):
        path.rmdir()


def _emptied(folder: Path) -> list[Path]:
    """The folders in it, after all that is no folder was removed."""
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
    folders = []
    try:
        with os.scandir(folder) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    with contextlib.suppress(OSError):
                        Path(entry.path).unlink()
    except OSError:
        pass
    return folders
