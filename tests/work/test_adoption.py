"""A repository of somebody's own becomes a session: it gets a branch and the session's files, and stays as it was."""

import os
import subprocess
from pathlib import Path

import pytest

from engine.session import settings
from engine.session.paths import all_sessions, find
from engine.work import adoption
from engine.work.creation import Created, CreationError, create
from engine.work.plumbing import GitTrouble
from engine.work.repo import Repo


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Op", "-c", "user.email=op@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout.rstrip("\n")


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody's repository: train.py, a benchmark and an ignore file of their own, and an untracked note."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    root = tmp_path / "their work"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "train.py").write_text("print('val_bpb: 1.0')\n")
    (root / "pyproject.toml").write_text("[project]\nname = 'theirs'\n")
    (root / ".gitignore").write_text("data/\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "theirs")
    (root / "untracked.txt").write_text("a note")
    return root


def adopted(theirs: Path) -> Created:
    return create("mine", theirs.parent / "sessions", from_dir=theirs)


def state(root: Path) -> tuple[str, ...]:
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if ".git/" not in f"{path}/")
    return git(root, "symbolic-ref", "HEAD"), git(root, "for-each-ref"), git(root, "status", "--porcelain"), *files


def test_it_gets_a_branch_and_the_sessions_files_and_nothing_else_changes(theirs: Path) -> None:
    before = git(theirs, "rev-parse", "main")
    made = adopted(theirs)
    assert git(theirs, "branch", "--show-current") == made.branch
    assert git(theirs, "rev-parse", "main") == before == git(theirs, "rev-parse", "HEAD~1")
    changed = git(theirs, "diff", "--name-status", "main", "HEAD").splitlines()
    assert changed == ["A\tautoresearch.sh", "A\tovernight.toml", "A\tprogram.md"]
    (theirs / "run.log").touch()
    (theirs / "autoresearch.jsonl").touch()
    assert git(theirs, "status", "--porcelain") == "?? untracked.txt"
    assert settings.load(made.paths.settings).scope.pinned == ["pyproject.toml", "autoresearch.sh"]
    assert any("git switch main" in note for note in made.notes) and made.tier is None


def test_it_is_found_by_its_name_and_works_through_its_link(theirs: Path) -> None:
    made = adopted(theirs)
    sessions = theirs.parent / "sessions"
    assert [paths.name for paths in all_sessions(sessions)] == ["mine"]
    root = find("mine", sessions).root
    repo = Repo(root, "mine")
    repo.check()
    champion = repo.head()
    commit = repo.commit_experiment(1, "two", {"train.py": "print('val_bpb: 0.5')\n"})
    (root / "program.md").write_text("more\n")
    assert repo.commit_session("program") is not None
    repo.revert_experiment(commit, champion, ["train.py"])
    assert repo.changed_names(champion, "HEAD") == ["program.md"]
    assert repo.dirty(["train.py"]) == [] and (theirs / "train.py").read_text() == "print('val_bpb: 1.0')\n"
    assert made.paths.private.is_dir()


def test_files_of_theirs_are_never_replaced(theirs: Path) -> None:
    (theirs / "autoresearch.sh").write_text("echo METRIC val_bpb=1\n")
    git(theirs, "add", "autoresearch.sh")
    git(theirs, "commit", "-qm", "bench")
    adopted(theirs)
    assert (theirs / "autoresearch.sh").read_text() == "echo METRIC val_bpb=1\n"


def test_a_second_adoption_on_the_same_day_gets_another_branch(theirs: Path) -> None:
    first = adopted(theirs)
    git(theirs, "switch", "-q", "main")
    (theirs.parent / "sessions" / "mine").unlink()
    for path in (first.paths.inbox, first.paths.runs, first.paths.private):
        (theirs / path.relative_to(first.paths.root)).rmdir()
    assert adopted(theirs).branch == first.branch + "-2"


def test_what_cannot_be_adopted_is_refused_and_left_alone(theirs: Path, tmp_path: Path) -> None:
    def refused(said: str, error: type[Exception] = CreationError) -> None:
        before = state(theirs)
        with pytest.raises(error, match=said):
            adopted(theirs)
        assert state(theirs) == before and not (tmp_path / "sessions").exists()

    (theirs / "train.py").write_text("edited\n")
    refused(r"changes that are not committed: train\.py; commit or stash")
    git(theirs, "add", "train.py")
    refused(r"not committed: train\.py")
    git(theirs, "reset", "-q", "--hard")
    (theirs / "overnight.toml").touch()
    refused("is a session already")
    (theirs / "overnight.toml").unlink()
    git(theirs, "checkout", "-q", "-b", "bare")
    git(theirs, "mv", "train.py", "main.py")
    git(theirs, "commit", "-qm", "moved")
    refused(r"has no train\.py of its own")
    git(theirs, "switch", "-q", "main")
    git(theirs, "tag", "there")
    head = git(theirs, "rev-parse", "HEAD")
    git(theirs, "checkout", "-q", "--detach")
    with pytest.raises(GitTrouble, match="detached"):
        adopted(theirs)
    assert git(theirs, "rev-parse", "HEAD") == head


def test_folders_that_are_no_repository_are_told(theirs: Path, tmp_path: Path) -> None:
    (theirs / "sub").mkdir()
    for folder, said in [(theirs / "sub", "not the top folder"), (tmp_path / "absent", "is not a folder")]:
        with pytest.raises(CreationError, match=said):
            create("s", tmp_path / "sessions", from_dir=folder)


def test_values_are_refused_with_from(theirs: Path) -> None:
    with pytest.raises(CreationError, match="own constants hold"):
        create("s", theirs.parent / "sessions", from_dir=theirs, tier="cpu")


@pytest.mark.parametrize("step", ["private_folders", "branches.ignore"])
def test_a_failure_midway_takes_everything_back(theirs: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = state(theirs)
    monkeypatch.setattr(adoption if "." not in step else adoption.branches, step.split(".")[-1], fail)
    with pytest.raises(OSError, match="No space left"):
        adopted(theirs)
    assert state(theirs) == before
    assert not os.path.lexists(theirs.parent / "sessions" / "mine")
