"""Git at its lowest: one repository, its objects read and written, and commands run free of the user's surroundings.

Commands go through GitPython with GIT_DIR and its kin set outright, so that neither variables of the caller's shell,
nor a repository around this one, nor hooks, signing or line-end conversion of the user's configuration take part.
Objects are read through one `git cat-file` that stays, and written as loose objects here: that costs no process.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
import time
import zlib
from pathlib import Path

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # a missing git is told by check(), not by an import error
from git.cmd import Git
from git.exc import GitCommandNotFound

OLDEST = (2, 30)
LOCK_PATIENCE_S = 5.0
NAME, EMAIL = "overnight", "overnight@localhost"
CONFIG = {
    "core.hooksPath": "/dev/null",
    "commit.gpgSign": "false",
    "gc.auto": "0",  # never in the middle of a night's experiment; collect() does it at start
    "maintenance.auto": "false",
    "core.autocrlf": "false",
    "core.safecrlf": "false",
    "core.fsmonitor": "false",
    "core.quotePath": "false",
    "color.ui": "false",
}


class GitTrouble(Exception):
    """Git cannot do what was asked; the message is for the operator."""


def git_folders(root: Path) -> tuple[Path, Path] | None:
    """The git directory of the work tree at `root` and what it shares with linked ones; None: not a repository."""
    git_dir = root / ".git"
    try:
        if git_dir.is_file():  # a linked worktree or a submodule
            text = git_dir.read_text("utf-8", "surrogateescape").strip()
            git_dir = root / text.removeprefix("gitdir:").strip()
        if not (git_dir / "HEAD").is_file() and not (git_dir / "HEAD").is_symlink():
            return None
        shared = git_dir / "commondir"
        common = git_dir / shared.read_text("utf-8", "surrogateescape").strip() if shared.is_file() else git_dir
        return git_dir.resolve(), common.resolve()
    except OSError:
        return None


class Plumbing:
    """Commands and objects of the repository whose work tree is `root`; one caller at a time, any thread."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.git_dir, self.common_dir = git_folders(self.root) or (self.root / ".git", self.root / ".git")
        self._lock = threading.RLock()
        self._git = Git(str(self.root))
        self._git.update_environment(**self._environment())
        self._people: tuple[str, str] | None = None

    def _environment(self) -> dict[str, str]:
        given = os.environ.get("GIT_CONFIG_COUNT", "")
        first = int(given) if given.isdigit() else 0
        environment = {
            "GIT_DIR": str(self.git_dir),
            "GIT_WORK_TREE": str(self.root),
            "GIT_COMMON_DIR": str(self.common_dir),
            "GIT_INDEX_FILE": str(self.git_dir / "index"),
            "GIT_OBJECT_DIRECTORY": str(self.common_dir / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
            "GIT_NAMESPACE": "",
            "GIT_CONFIG_PARAMETERS": "",
            "GIT_CEILING_DIRECTORIES": str(self.root.parent),
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": str(first + len(CONFIG)),
        }
        for number, (key, value) in enumerate(CONFIG.items(), first):
            environment[f"GIT_CONFIG_KEY_{number}"] = key
            environment[f"GIT_CONFIG_VALUE_{number}"] = value
        return environment

    def run(self, *arguments: str, stdin: bytes | None = None, allowed: tuple[int, ...] = (0,)) -> bytes:
        """What `git ARGUMENTS` prints; waits a while for another's lock. Errors: GitTrouble."""
        give_up = time.monotonic() + LOCK_PATIENCE_S
        while True:
            status, out, error = self._once(arguments, stdin)
            if status in allowed:
                return out
            locked = "File exists" in error and ".lock" in error
            if not locked or time.monotonic() > give_up:
                break
            time.sleep(0.05)
        if locked:
            error += "\nAnother git command seems to run here; end it, or delete that file when there is none."
        told = error.strip() or out.decode("utf-8", "replace").strip() or f"it ended with status {status}"
        raise GitTrouble(f"git {arguments[0]} failed in {self.root}: {told}")

    def _once(self, arguments: tuple[str, ...], stdin: bytes | None) -> tuple[int, bytes, str]:
        with tempfile.TemporaryFile() as given:
            if stdin is not None:
                given.write(stdin)
                given.seek(0)
            try:
                status, out, error = self._git.execute(
                    ["git", *arguments],
                    istream=given,
                    with_extended_output=True,
                    with_exceptions=False,
                    stdout_as_string=False,
                    strip_newline_in_stdout=False,
                )
            except GitCommandNotFound as missing:
                raise GitTrouble(f"git is not installed, or not on PATH; install git {_dotted(OLDEST)} or newer") from (
                    missing
                )
        return int(status), bytes(out), str(error)

    def version(self) -> tuple[int, ...]:
        """Git's own version. Errors: GitTrouble."""
        found = re.search(rb"(\d+)\.(\d+)(?:\.(\d+))?", self.run("version"))
        return tuple(int(part or 0) for part in found.groups()) if found else (0,)

    def check_version(self) -> None:
        """Errors: GitTrouble where git is missing or older than OLDEST."""
        version = self.version()
        if version < OLDEST:
            raise GitTrouble(f"git {_dotted(version)} is too old; {_dotted(OLDEST)} or newer is needed")

    def resolve(self, name: str) -> str | None:
        """The object's id that a revision (`HEAD`, `abc123:train.py`, a reference) names, or None."""
        if "\n" in name:
            return None
        with self._lock:
            for attempt in (1, 2):
                try:
                    oid: str | bytes = self._git.get_object_header(name)[0]  # declared str; bytes when it comes
                    return oid.decode() if isinstance(oid, bytes) else oid
                except (BrokenPipeError, ValueError) as error:
                    if attempt == 2 or (isinstance(error, ValueError) and "SHA is empty" not in str(error)):
                        return None
                    self._git.clear_cache()  # the reader was killed; another takes its place
        return None

    def read(self, name: str) -> bytes | None:
        """The content of the object that a revision names, or None."""
        with self._lock:
            oid = self.resolve(name)
            if oid is None:
                return None
            for attempt in (1, 2):
                try:
                    return bytes(self._git.get_object_data(oid)[3])
                except (BrokenPipeError, ValueError):
                    if attempt == 2:
                        break
                    self._git.clear_cache()
        raise GitTrouble(f"{self.root}: object {oid} ({name}) cannot be read; `git fsck` tells more")

    def store(self, kind: str, data: bytes) -> str:
        """Write an object of `kind` (blob, tree, commit) and return its id. Errors: GitTrouble."""
        oid, whole = object_id(kind, data)
        folder = self.common_dir / "objects" / oid[:2]
        path = folder / oid[2:]
        if path.exists():
            return oid
        try:
            folder.mkdir(exist_ok=True)
            # The name git gives its own unfinished objects: `git gc` clears one that a crash leaves behind.
            handle, temporary = tempfile.mkstemp(prefix="tmp_obj_", dir=folder)
            with os.fdopen(handle, "wb") as file:
                file.write(zlib.compress(whole, 1))
                os.fchmod(file.fileno(), 0o444)
            Path(temporary).rename(path)
        except OSError as error:
            raise GitTrouble(f"cannot write to the repository in {self.root}: {error}") from error
        return oid

    def people(self) -> tuple[str, str]:
        """Author and committer as `Name <mail>`: the user's, and ours where none is configured."""
        if self._people is None:
            listed = self.run("config", "--name-only", "--get-regexp", r"^user\.(name|email)$", allowed=(0, 1))
            configured = set(listed.decode().split())
            ours = {}
            for key, part, value in (("user.name", "NAME", NAME), ("user.email", "EMAIL", EMAIL)):
                for role in ("AUTHOR", "COMMITTER"):
                    variable = f"GIT_{role}_{part}"
                    if key not in configured and not os.environ.get(variable):
                        ours[variable] = value
            self._git.update_environment(**ours)
            author, committer = (
                self.run("var", f"GIT_{role}_IDENT").decode("utf-8", "replace").rsplit(">", 1)[0] + ">"
                for role in ("AUTHOR", "COMMITTER")
            )
            self._people = author, committer
        return self._people

    def commit_object(self, tree: str, parents: list[str], message: str) -> str:
        """Write a commit and return its id; no reference moves. Errors: GitTrouble."""
        author, committer = self.people()
        now = time.time()
        when = f"{int(now)} {time.strftime('%z', time.localtime(now))}"
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        lines += [f"author {author} {when}", f"committer {committer} {when}", "", message.strip() + "\n"]
        return self.store("commit", "\n".join(lines).replace("\0", "").encode("utf-8", "replace"))

    def close(self) -> None:
        """End the reading process."""
        with self._lock:
            self._git.clear_cache()


def object_id(kind: str, data: bytes) -> tuple[str, bytes]:
    """The id git gives to an object, and what is hashed and stored: `kind size NUL data`."""
    whole = f"{kind} {len(data)}\0".encode() + data
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest(), whole


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
