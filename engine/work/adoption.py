"""An existing repository with its own train.py becomes a session: a branch and the session's files, and no more."""

from __future__ import annotations

from pathlib import Path

from engine.session.assets import assets_dir
from engine.session.paths import SessionPaths
from engine.session.settings import Scope, Settings
from engine.work import branches
from engine.work.creation import IGNORED, Created, CreationError, branch_name, free_place, private_folders
from engine.work.plumbing import Plumbing, git_folders
from engine.work.repo import Repo
from engine.work.settingsfile import render

EDITABLE = "train.py"
PINNABLE = ("prepare.py", "corpus.py", "device.py", "attention.py", "fused.py", "pyproject.toml", "autoresearch.sh")
MISSING = ("autoresearch.sh", "program.md")
"""Files that a session needs and that are taken from the template where the repository has none of its own."""


def adopt(name: str, sessions: Path, folder: Path) -> Created:
    """Make the repository in `folder` the session `name`: it stays where it is, and `sessions` gets a link to it.

    Errors: CreationError, GitTrouble, OSError; then the repository is as it was.
    """
    link, root = free_place(name, sessions), folder.absolute()
    repo, plumbing = Repo(root, name), Plumbing(root)
    try:
        _check(repo, root)
        before, branch = repo.branch(), _free_branch(plumbing, name)
        written: list[str] = []
        try:
            branches.switch_to_new(plumbing, branch)
            repo.check()  # from here on this is the branch that must not change
            for file, text in _texts(root).items():
                written.append(file)
                (root / file).write_bytes(text)
                if file.endswith(".sh"):
                    (root / file).chmod(0o755)
            private_folders(SessionPaths(root))
            repo.commit_session(name, names=written, only=())
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(root, target_is_directory=True)
            branches.ignore(plumbing, IGNORED)
        except BaseException:
            _undo(plumbing, link, before, branch, written)
            raise
    finally:
        repo.close()
        plumbing.close()
    notes = [f"the work tree of {root} is on branch {branch} now; stop the session before `git switch {before}`"]
    if "autoresearch.sh" in written:
        notes.append("autoresearch.sh is the template's: make it print a METRIC line for what your train.py measures")
    return Created(SessionPaths(link), branch, None, None, notes)


def _check(repo: Repo, root: Path) -> None:
    if not root.is_dir():
        raise CreationError(f"{root} is not a folder")
    if git_folders(root) is None:
        raise CreationError(f"{root} is not the top folder of a git repository; `git init` and a first commit make one")
    repo.check()
    if (root / ".overnight").exists() or (root / "overnight.toml").exists():
        raise CreationError(f"{root} is a session already (it has overnight.toml or .overnight)")
    train = root / EDITABLE
    if repo.text_at("HEAD", EDITABLE) is None or train.is_symlink() or not train.is_file():
        raise CreationError(f"{root} has no {EDITABLE} of its own in its last commit; a researcher changes that file")
    changed = repo.changed_files()
    if changed:
        shown = ", ".join(changed[:5]) + (" …" if len(changed) > 5 else "")
        raise CreationError(f"{root} has changes that are not committed: {shown}; commit or stash them first")


def _free_branch(plumbing: Plumbing, name: str) -> str:
    first = branch_name(name)
    for number in range(1, 1000):
        branch = first if number == 1 else f"{first}-{number}"
        if not branches.exists(plumbing, branch):
            return branch
    raise CreationError(f"a thousand branches are called {first}; remove some")


def _texts(root: Path) -> dict[str, bytes]:
    texts = {file: (assets_dir() / file).read_bytes() for file in MISSING if not (root / file).exists()}
    pinned = [file for file in PINNABLE if (root / file).is_file() or file in texts]
    settings = Settings(scope=Scope(editable=[EDITABLE], pinned=pinned))
    return {**texts, "overnight.toml": render(settings).encode()}


def _undo(plumbing: Plumbing, link: Path, before: str, branch: str, written: list[str]) -> None:
    if link.is_symlink():
        link.unlink()
    paths = SessionPaths(plumbing.root)
    for part in (paths.inbox, paths.runs, paths.private):
        if part.is_dir():
            part.rmdir()
    branches.leave(plumbing, branch, before, written)
    for file in written:
        (paths.root / file).unlink(missing_ok=True)
