"""A session's repository: experiments are commits, discarding cannot conflict, nothing of the operator's is lost."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from engine.work.repo import GitTrouble, Repo, ref_name

A, B = "x = 1\n", "x = 2\n"


def git(root: Path, *arguments: str) -> str:
    """Plain git as an operator would type it, with an identity."""
    identity = ["-c", "user.name=Op", "-c", "user.email=op@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True, env=clean_environment()
    )
    return done.stdout.strip()


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with train.py, notes and a nested file, under a path with a space and an umlaut; no identity."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    folder = tmp_path / "my sessiön"
    (folder / "src").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "train.py").write_text(A)
    (folder / "notes.md").write_text("notes\n")
    (folder / "src" / "model.py").write_text("m = 1\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


@pytest.fixture
def repo(root: Path) -> Repo:
    return Repo(root, "mar5")


def test_an_experiment_commits_its_files_and_nothing_else(root: Path, repo: Repo) -> None:
    before = repo.head()
    (root / "notes.md").write_text("edited, not committed\n")
    (root / "staged.txt").write_text("staged by the operator\n")
    git(root, "add", "staged.txt")
    commit = repo.commit_experiment(7, "raise the\nrate", {"train.py": B, "src/model.py": "m = 2\n"})
    assert repo.head() == commit == git(root, "rev-parse", "refs/overnight/mar5/runs/0007")
    assert git(root, "log", "-1", "--format=%B") == "experiment: raise the rate\n\nOvernight-Run: 7"
    assert git(root, "log", "-1", "--format=%an <%ae>") == "overnight <overnight@localhost>"
    assert git(root, "rev-parse", "HEAD~1") == before
    assert sorted(repo.changed_names(before, commit)) == ["src/model.py", "train.py"]
    assert sorted(git(root, "status", "--porcelain").split("\n")) == ["A  staged.txt", "M notes.md"]
    assert repo.run_of(commit) == 7 and repo.run_of(before) is None
    assert git(root, "fsck", "--strict") == ""


def test_the_identity_that_is_configured_is_used(root: Path) -> None:
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.org")
    Repo(root, "s").commit_experiment(1, "x", {"train.py": B})
    assert git(root, "log", "-1", "--format=%an <%ae> %cn") == "Ada <ada@example.org> Ada"


def test_an_unchanged_tree_is_still_a_commit(repo: Repo) -> None:
    before = repo.head()
    commit = repo.commit_experiment(1, "nothing", {"train.py": A})
    assert commit != before and repo.changed_names(before, commit) == []


def test_discarding_restores_editable_files_and_leaves_all_others_as_head_has_them(root: Path, repo: Repo) -> None:
    champion = repo.head()
    experiment = repo.commit_experiment(1, "two", {"train.py": B, "new.py": "n = 1\n", "src/model.py": ""})
    assert not (root / "src" / "model.py").exists()
    (root / "notes.md").write_text("meanwhile\n")
    assert repo.commit_session("notes", exclude=["train.py"]) is not None
    names = ["train.py", "new.py", "src/model.py"]
    reverted = repo.revert_experiment(experiment, champion, names)
    assert git(root, "log", "-1", "--format=%B") == (f'Revert "experiment: two"\n\nThis reverts commit {experiment}.')
    assert repo.changed_names(champion, reverted) == ["notes.md"]
    assert (root / "train.py").read_text() == A and not (root / "new.py").exists()
    assert (root / "src" / "model.py").read_text() == "m = 1\n"
    assert git(root, "status", "--porcelain") == "" and repo.dirty(names) == []


def test_restoring_what_is_there_already_makes_no_commit_but_mends_the_work_tree(root: Path, repo: Repo) -> None:
    head = repo.head()
    (root / "train.py").write_text("half written")
    git(root, "add", "train.py")
    assert repo.restore(head, ["train.py"], "session: restore", "") == head
    assert (root / "train.py").read_text() == A and git(root, "status", "--porcelain") == ""


def test_bytes_are_kept_whatever_the_attributes_say(root: Path, repo: Repo) -> None:
    (root / ".gitattributes").write_text("* text=auto eol=lf\n")
    repo.commit_session("attributes", names=[".gitattributes"])
    champion = repo.head()
    text = "x = 1\r\ny = '\udce9'\r\n"
    commit = repo.commit_experiment(1, "crlf", {"train.py": text})
    assert repo.text_at(commit, "train.py") == text
    assert (root / "train.py").read_bytes() == b"x = 1\r\ny = '\xe9'\r\n"
    assert repo.dirty(["train.py"]) == []
    other = repo.commit_experiment(2, "other", {"train.py": B})
    repo.revert_experiment(other, commit, ["train.py"])
    assert (root / "train.py").read_bytes() == b"x = 1\r\ny = '\xe9'\r\n"
    repo.restore(champion, ["train.py"], "session: back", "")
    assert repo.dirty(["train.py"]) == []


def test_dirty_names_what_differs_in_the_work_tree_or_the_index(root: Path, repo: Repo) -> None:
    names = ["train.py", "notes.md", "src/model.py", "later.py"]
    assert repo.dirty(names) == []
    (root / "train.py").write_text(B)
    (root / "src" / "model.py").unlink()
    (root / "later.py").write_text("new\n")
    assert repo.dirty(names) == ["train.py", "src/model.py", "later.py"]
    git(root, "checkout", "--", "src/model.py")
    git(root, "add", "train.py")
    (root / "train.py").write_text(A)
    assert repo.dirty(names) == ["train.py", "later.py"]


def test_a_touched_file_is_not_dirty(root: Path, repo: Repo) -> None:
    os.utime(root / "train.py", (1, 1))
    assert repo.dirty(["train.py"]) == []


def test_rescue_keeps_the_work_tree_and_the_staged_text_and_touches_nothing(root: Path, repo: Repo) -> None:
    assert repo.rescue(["train.py"], "nothing") is None
    (root / "train.py").write_text("staged = 1\n")
    git(root, "add", "train.py")
    (root / "train.py").write_text("edited = 1\n")
    status, head = git(root, "status", "--porcelain"), repo.head()
    ref = repo.rescue(["train.py", "notes.md"], "found at start")
    assert ref is not None and ref.startswith("refs/overnight/mar5/rescue/")
    assert git(root, "show", f"{ref}:train.py") == "edited = 1"
    assert git(root, "show", f"{ref}^2:train.py") == "staged = 1"
    assert git(root, "log", "-1", "--format=%s", ref) == "rescue: found at start"
    assert (git(root, "status", "--porcelain"), repo.head()) == (status, head)
    assert repo.rescue(["train.py"], "again") != ref


def test_session_edits_are_committed_without_the_editable_files(root: Path, repo: Repo) -> None:
    assert repo.commit_session("nothing") is None
    (root / "train.py").write_text(B)
    (root / "notes.md").write_text("more\n")
    (root / "src" / "model.py").unlink()
    (root / "untracked.txt").write_text("mine\n")
    (root / ".git" / "info").mkdir(exist_ok=True)
    (root / ".git" / "info" / "exclude").write_text("autoresearch.md\n")
    (root / "autoresearch.md").write_text("ours\n")
    before = repo.head()
    commit = repo.commit_session("by hand", names=["autoresearch.md", "absent.md"], exclude=["train.py"])
    assert commit is not None
    assert git(root, "log", "-1", "--format=%s") == "session: by hand"
    assert sorted(repo.changed_names(before, commit)) == ["autoresearch.md", "notes.md", "src/model.py"]
    assert git(root, "status", "--porcelain").split("\n") == ["M train.py", "?? untracked.txt"]


def test_removals_and_renames_that_were_staged_are_committed_as_they_are(root: Path, repo: Repo) -> None:
    git(root, "rm", "-q", "notes.md")
    git(root, "mv", "src/model.py", "src/net.py")
    commit = repo.commit_session("tidied", exclude=["train.py"])
    assert commit is not None
    assert sorted(repo.changed_names(f"{commit}~1", commit)) == ["notes.md", "src/model.py", "src/net.py"]
    assert git(root, "status", "--porcelain") == ""


def test_anothers_lock_is_waited_for(root: Path, repo: Repo) -> None:
    lock = root / ".git" / "index.lock"
    lock.touch()
    tried = threading.Event()
    first = repo._git._once

    def once(arguments: tuple[str, ...], stdin: bytes | None) -> tuple[int, bytes, str]:
        result = first(arguments, stdin)
        if result[0]:
            tried.set()
        return result

    repo._git._once = once  # type: ignore[method-assign]

    def release() -> None:
        tried.wait(60)
        lock.unlink()

    thread = threading.Thread(target=release)
    thread.start()
    commit = repo.commit_experiment(1, "x", {"train.py": B})
    thread.join(60)
    assert tried.is_set() and repo.head() == commit


def test_pinned_files_are_put_back_and_unknown_ones_left_alone(root: Path, repo: Repo) -> None:
    (root / "notes.md").write_text("hacked\n")
    git(root, "add", "notes.md")
    (root / "mine.txt").write_text("mine\n")
    repo.put_back(["notes.md", "mine.txt"])
    assert (root / "notes.md").read_text() == "notes\n" and (root / "mine.txt").exists()
    assert repo.dirty(["notes.md"]) == []


def test_hooks_signing_and_outer_variables_take_no_part(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hook in ("pre-commit", "commit-msg", "post-commit", "reference-transaction", "pre-auto-gc"):
        path = root / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\necho hook >> hooked\nexit 1\n")
        path.chmod(0o755)
    git_config = Path(os.environ["HOME"]) / ".gitconfig"
    git_config.write_text("[commit]\n\tgpgsign = true\n\ttemplate = /nonexistent\n[core]\n\tautocrlf = true\n")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nonexistent")
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    repo = Repo(root, "s")
    repo.check()
    first = repo.head()
    repo.revert_experiment(repo.commit_experiment(1, "x", {"train.py": B}), first, ["train.py"])
    (root / "notes.md").write_text("edited\n")
    assert repo.commit_session("edit") is not None
    repo.collect()
    assert not (root / "hooked").exists()


def test_a_session_inside_another_repository_is_its_own(root: Path) -> None:
    inner = root / "sessions" / "inner"
    inner.mkdir(parents=True)
    with pytest.raises(GitTrouble, match="not a git repository"):
        Repo(inner, "inner").check()


def test_a_linked_worktree_works(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "linked"
    git(root, "worktree", "add", "-q", "-b", "side", str(other))
    repo = Repo(other, "linked")
    repo.check()
    champion = repo.head()
    commit = repo.commit_experiment(1, "side", {"train.py": B})
    assert git(root, "rev-parse", "side") == commit and git(root, "rev-parse", "main") == champion
    repo.revert_experiment(commit, champion, ["train.py"])
    assert git(other, "status", "--porcelain") == git(root, "status", "--porcelain") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a repository away")
def test_root_may_run_a_session_of_another_owner(root: Path, repo: Repo) -> None:
    for path in [root, *root.rglob("*")]:
        os.chown(path, 12345, 12345)
    repo.check()
    repo.commit_experiment(1, "x", {"train.py": B})
    assert repo.commit_session("nothing") is None


def test_check_tells_each_trouble_and_its_mend(root: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(GitTrouble, match=r"empty is not a git repository"):
        Repo(empty, "empty").check()
    git(empty, "init", "-q", "-b", "main")
    with pytest.raises(GitTrouble, match="main has no commit yet"):
        Repo(empty, "empty").check()
    git(root, "checkout", "-q", "--detach")
    with pytest.raises(GitTrouble, match=r"detached.*git switch"):
        Repo(root, "s").check()
    git(root, "checkout", "-q", "main")
    (root / ".git" / "MERGE_HEAD").write_text(git(root, "rev-parse", "HEAD"))
    with pytest.raises(GitTrouble, match=r"merge is in progress.*git merge --abort"):
        Repo(root, "s").check()


def test_a_missing_git_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(GitTrouble, match="git is not installed"):
        Repo(root, "s").check()


def test_a_head_that_moved_meanwhile_is_not_overwritten(
    root: Path, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = repo.head()
    git(root, "commit", "-q", "--allow-empty", "-m", "the operator's")
    theirs = git(root, "rev-parse", "HEAD")
    monkeypatch.setattr(repo, "head", lambda: stale)
    with pytest.raises(GitTrouble, match="update-ref"):
        repo.commit_experiment(1, "x", {"train.py": B})
    assert git(root, "rev-parse", "HEAD") == theirs


def test_a_stale_lock_is_removed_and_a_live_one_is_not(root: Path, repo: Repo) -> None:
    lock = root / ".git" / "index.lock"
    assert repo.clear_stale_lock() is False
    lock.touch()
    os.utime(lock, (1, 1))
    # A git that waits for its input, as one in the midst of a commit waits for an editor.
    with subprocess.Popen(
        ["git", "hash-object", "--stdin"], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        with pytest.raises(GitTrouble, match=f"process {child.pid}"):
            repo.clear_stale_lock()
        assert child.stdin is not None
        child.stdin.close()
    assert lock.exists()
    assert repo.clear_stale_lock() is True
    assert not lock.exists()
    repo.commit_experiment(1, "x", {"train.py": B})


def test_reading_survives_the_death_of_its_process(root: Path, repo: Repo) -> None:
    import psutil

    head = repo.head()
    assert repo.text_at(head, "train.py") == A
    for child in psutil.Process().children():
        try:
            if "cat-file" in child.cmdline():
                child.kill()
                child.wait(60)
        except psutil.Error:
            continue  # a child of another test's that is already gone
    assert repo.head() == head and repo.text_at(head, "train.py") == A


def test_reading_a_commit(repo: Repo) -> None:
    head = repo.head()
    assert repo.files_at(head, ["train.py", "src/model.py", "absent.py", "no such/file name.py"]) == {
        "train.py": A,
        "src/model.py": "m = 1\n",
    }
    later = repo.commit_experiment(1, "x", {"train.py": B, "bin": "\0"})
    assert repo.numstat(head, later) == {"train.py": (1, 1), "bin": (0, 0)}
    assert "-x = 1\n+x = 2\n" in repo.diff(head, later, ["train.py"])
    assert repo.diff(head, later, ["notes.md"]) == ""
    assert repo.branch() == "main"


def test_packing_keeps_every_run(root: Path, repo: Repo) -> None:
    first = repo.head()
    commits = [repo.commit_experiment(run, f"{run}", {"train.py": f"x = {run}\n"}) for run in range(1, 6)]
    repo.restore(first, ["train.py"], "session: back", "")
    git(root, "gc", "-q", "--prune=now")
    assert [repo.text_at(commit, "train.py") for commit in commits] == [f"x = {run}\n" for run in range(1, 6)]
    assert repo.text_at("refs/overnight/mar5/runs/0003", "train.py") == "x = 3\n"
    repo.set_run_ref(3, commits[0])
    assert git(root, "rev-parse", "refs/overnight/mar5/runs/0003") == commits[0]


@pytest.mark.parametrize("name", ["../out.py", "/etc/x", ".git/config", "a//b", "a/../b", "line\nbreak"])
def test_no_file_outside_the_session_is_written(repo: Repo, name: str) -> None:
    with pytest.raises(GitTrouble, match="not the name of a file"):
        repo.write({name: "x"})


def test_permissions_stay_as_they_were(root: Path, repo: Repo) -> None:
    (root / "train.py").chmod(0o755)
    commit = repo.commit_experiment(1, "x", {"train.py": B})
    assert (root / "train.py").stat().st_mode & 0o777 == 0o755
    assert git(root, "ls-tree", commit, "train.py").startswith("100755")


@pytest.mark.parametrize("name", ["mar5", "a b", "..", "x.lock", "é~^:", "-a", ".hidden", "a@{b"])
def test_any_folder_name_makes_a_valid_reference(root: Path, name: str) -> None:
    git(root, "check-ref-format", f"refs/overnight/{ref_name(name)}/runs/0001")
