"""Whatever git's configuration and the operator's own git commands look like, the session's history stays right."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.faults.scene import HANGS, at_rest, daemon, gone, in_run, seen, start, verb
from tests.loop.lab import BENCHMARK, ENV, Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "toy")


def home(tmp_path: Path, config: str = "") -> dict[str, str]:
    """The environment of a user whose ~/.gitconfig holds `config`, and who has no identity."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gitconfig").write_text(config)
    bare = {name: value for name, value in ENV.items() if not name.startswith("GIT_")}
    return {**bare, "HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "home")}


def test_a_lock_that_a_killed_git_left_is_removed(lab: Lab) -> None:
    lock = lab.root / ".git" / "index.lock"
    lock.touch()
    os.utime(lock, (1e9, 1e9))
    assert start(lab).returncode == 0
    assert not lock.exists()
    at_rest(lab)


def test_failing_hooks_signing_without_a_key_and_a_global_ignore_do_not_reach_the_session(
    lab: Lab, tmp_path: Path
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in (
        "pre-commit",
        "commit-msg",
        "post-commit",
        "reference-transaction",
        "post-checkout",
        "prepare-commit-msg",
    ):
        for folder in (hooks, lab.root / ".git" / "hooks"):
            folder.mkdir(exist_ok=True)
            (folder / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/called\nexit 1\n")
            (folder / name).chmod(0o755)
    (tmp_path / "ignored").write_text("*.md\n*.py\n*.toml\n")
    config = f"[core]\n\thooksPath = {hooks}\n\texcludesFile = {tmp_path}/ignored\n\tautocrlf = true\n"
    config += "[commit]\n\tgpgsign = true\n[user]\n\tsigningkey = NOBODY\n[gpg]\n\tprogram = /bin/false\n"
    config += "[core]\n\tpager = false\n[diff]\n\texternal = /bin/false\n\tnoprefix = true\n[status]\n\tshort = true\n"
    done = start(lab, env=home(tmp_path, config))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "called").exists()
    assert "autoresearch.md" in lab.git("ls-files")
    at_rest(lab)


def test_without_any_identity_commits_bear_our_own_name(lab: Lab, tmp_path: Path) -> None:
    bare = {**home(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", "EMAIL": ""}
    done = start(lab, env=bare)
    assert done.returncode == 0, done.stderr
    assert "overnight <overnight@localhost>" in lab.git("log", "--format=%an <%ae>", "-3")
    at_rest(lab)


def test_variables_of_a_git_that_calls_us_do_not_lead_astray(lab: Lab, tmp_path: Path) -> None:
    other = Lab(tmp_path / "other")
    before = seen(other)
    astray = {"GIT_DIR": str(other.root / ".git"), "GIT_WORK_TREE": str(other.root), "GIT_INDEX_FILE": "/nowhere/index"}
    done = start(lab, env={**ENV, **astray})
    assert done.returncode == 0, done.stderr
    assert seen(other) == before
    at_rest(lab)


def merging(lab: Lab) -> None:
    """A merge with a conflict in program.md, left where it stopped."""
    branch = lab.git("branch", "--show-current").strip()
    lab.git("switch", "-qc", "mine")
    (lab.root / "program.md").write_text("mine\n")
    lab.git("commit", "-qam", "mine")
    lab.git("switch", "-q", branch)
    (lab.root / "program.md").write_text("theirs\n")
    lab.git("commit", "-qam", "theirs")
    done = subprocess.run(["git", "merge", "mine"], cwd=lab.root, env=ENV, capture_output=True, check=False)
    assert done.returncode != 0


def test_a_merge_in_progress_is_refused_with_the_way_out(lab: Lab) -> None:
    merging(lab)
    before = seen(lab)
    for way in (("--foreground",), ()):
        done = verb(lab, "start", *way)
        assert done.returncode == 4 and "merge is in progress" in done.stderr and "git merge --abort" in done.stderr
    assert seen(lab) == before
    lab.git("merge", "--abort")
    assert start(lab).returncode == 0
    at_rest(lab)


def test_a_decision_by_hand_during_a_merge_is_refused_and_changes_nothing(lab: Lab) -> None:
    assert start(lab, "--experiments", "3").returncode == 0
    merging(lab)
    other = next(e.run for e in lab.state().experiments if e.status != "keep")
    before = seen(lab)
    done = verb(lab, "keep", str(other))
    assert done.returncode in (1, 4) and "merge is in progress" in done.stderr
    assert seen(lab) == before
    assert verb(lab, "note", "a merge is on").returncode == 0, "what needs no tree is taken all the same"


def test_the_operators_commit_of_train_py_between_experiments_is_a_new_start(lab: Lab) -> None:
    assert start(lab).returncode == 0
    text = (lab.root / "train.py").read_text() + "# mine\n"
    (lab.root / "train.py").write_text(text)
    lab.git("commit", "-qam", "a change of my own")
    mine = lab.git("rev-parse", "HEAD").strip()
    assert start(lab).returncode == 0
    state = lab.state()
    assert len(state.segments) == 2 and mine[:7] in state.segments[1].reason and state.experiments[2].is_baseline
    assert lab.git("show", f"{state.experiments[2].commit}:train.py") == text
    at_rest(lab)


def test_the_operators_commit_of_another_file_changes_nothing_of_the_segment(lab: Lab) -> None:
    assert start(lab).returncode == 0
    (lab.root / "mine.txt").write_text("mine\n")
    lab.git("add", "mine.txt")
    lab.git("commit", "-qm", "notes of my own")
    assert start(lab).returncode == 0
    assert len(lab.state().segments) == 1 and lab.git("show", "HEAD:mine.txt") == "mine\n"
    at_rest(lab)


def test_a_reset_to_an_older_commit_is_seen_and_nothing_is_lost(lab: Lab) -> None:
    assert start(lab, "--experiments", "4").returncode == 0
    commits = [e.commit for e in lab.state().experiments]
    lab.git("reset", "-q", "--hard", commits[0])
    assert start(lab).returncode == 0
    for run, commit in enumerate(commits[1:], 2):
        assert lab.git("rev-parse", f"refs/overnight/toy/runs/{run:04d}").strip() == commit
    at_rest(lab)


def test_another_branch_than_the_sessions_is_refused_with_the_way_back(lab: Lab) -> None:
    assert start(lab).returncode == 0
    branch = lab.git("branch", "--show-current").strip()
    lab.git("switch", "-qc", "mine")
    before = seen(lab)
    done = verb(lab, "start")
    assert done.returncode == 4 and f"switch {branch}" in done.stderr
    assert seen(lab) == before
    lab.git("switch", "-q", branch)
    assert start(lab).returncode == 0
    at_rest(lab)


def test_a_commit_of_train_py_while_a_run_is_on_is_told_and_the_next_segment_starts_from_it(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=BENCHMARK + 'test "$OVERNIGHT_RUN" != 2 || sleep 1000\n')
    with daemon(lab):
        in_run(lab, 2)
        text = (lab.root / "train.py").read_text() + "# mine\n"
        (lab.root / "train.py").write_text(text)
        lab.git("commit", "-qam", "a change of my own")
        mine = lab.git("rev-parse", "HEAD").strip()
        assert verb(lab, "abort").returncode == 0
        state = lab.wait(lambda s: len(s.experiments) > 2 and s.experiments[2].phase == "ended")
        assert verb(lab, "stop").returncode == 0
        gone(lab)
    assert any(mine[:7] in trouble and "train.py" in trouble for _, trouble in state.troubles)
    assert len(state.segments) == 2 and state.experiments[2].is_baseline
    assert lab.git("show", f"{mine}:train.py") == lab.git("show", f"{state.experiments[2].commit}:train.py") == text
    lab.git("merge-base", "--is-ancestor", mine, "HEAD")
    at_rest(lab)


@pytest.mark.parametrize(
    ("words", "told"), [(("checkout", "--detach"), "detached"), (("switch", "-c", "own"), "on own")]
)
def test_a_head_moved_while_a_run_is_on_ends_the_engine_with_the_way_back(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    lab = Lab(tmp_path / "toy", benchmark=HANGS)
    branch = lab.git("branch", "--show-current").strip()
    with daemon(lab):
        in_run(lab, 2)
        lab.git(words[0], "-q", *words[1:])
        head = lab.git("rev-parse", "HEAD")
        assert verb(lab, "abort").returncode == 0
        gone(lab)
    engine = lab.state().engine
    assert engine is not None and engine.failed and f"HEAD is {told}" in engine.stop_reason
    assert f"git switch {branch}" in engine.stop_reason and lab.git("rev-parse", "HEAD") == head
    lab.git("switch", "-q", branch)
    (lab.root / "autoresearch.sh").write_text(BENCHMARK)
    assert start(lab).returncode == 0
    at_rest(lab)
