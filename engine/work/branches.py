"""Repositories and branches for new sessions: begun, switched to and, when something fails, left as if never made."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from engine.work.plumbing import Plumbing


def begin(root: Path, branch: str, names: Collection[str], message: str) -> None:
    """Make a repository in the folder `root` whose first commit, on `branch`, holds `names`. Errors: GitTrouble."""
    plumbing = Plumbing(root)
    try:
        plumbing.check_version()
        # No template: neither the user's hooks nor the samples of git.
        plumbing.run("init", "-q", "--template=", "--object-format=sha1", "-b", branch)
        plumbing.people()
        plumbing.run("add", "-f", "--", *names)
        plumbing.run("commit", "-q", "--no-verify", "--cleanup=verbatim", "-F", "-", stdin=message.encode())
    finally:
        plumbing.close()


def exists(plumbing: Plumbing, branch: str) -> bool:
    """Whether there is a branch of that name."""
    return plumbing.resolve(f"refs/heads/{branch}") is not None


def switch_to_new(plumbing: Plumbing, branch: str) -> None:
    """Make `branch` at HEAD and go on there; no file changes."""
    plumbing.run("switch", "-q", "-c", branch)


def leave(plumbing: Plumbing, branch: str, before: str, added: Collection[str]) -> None:
    """Go back to the branch `before` and remove `branch`, whose commits only added the files `added`."""
    if added:
        plumbing.run("rm", "-q", "-f", "--ignore-unmatch", "--", *added)
    plumbing.run("symbolic-ref", "HEAD", f"refs/heads/{before}")
    if exists(plumbing, branch):
        plumbing.run("branch", "-q", "-D", branch)


def ignore(plumbing: Plumbing, patterns: Collection[str]) -> None:
    """Let git ignore `patterns` in this copy of the repository only, not by a file in its tree."""
    path = plumbing.common_dir / "info" / "exclude"
    path.parent.mkdir(exist_ok=True)
    text = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else ""
    new = [pattern for pattern in patterns if pattern not in text.splitlines()]
    if new:
        text += "" if text.endswith("\n") or not text else "\n"
        path.write_bytes((text + "\n".join(new) + "\n").encode("utf-8", "surrogateescape"))
