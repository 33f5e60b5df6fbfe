"""A commit's files in a folder of their own: byte for byte, with links to what the session has that git has not."""

import os
from pathlib import Path

import pytest

from engine.work.repo import GitTrouble, Repo
from tests.loop.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "toy")
    (lab.root / "src" / "deep").mkdir(parents=True)
    (lab.root / "src" / "deep" / "ü m.py").write_bytes(b"caf\xe9\r\n\0")
    (lab.root / "src" / "old.py").write_text("old\n")
    (lab.root / "run.me").write_text("#!/bin/sh\n")
    (lab.root / "run.me").chmod(0o755)
    (lab.root / "link").symlink_to("src/old.py")
    lab.git("add", "-A")
    lab.git("commit", "-qm", "all kinds")
    return lab


def exported(lab: Lab, commit: str, into: Path) -> Path:
    into.mkdir()
    Repo(lab.root, "toy").export(lab.git("rev-parse", commit).strip(), into)
    return into


def test_every_kind_of_file_comes_out_as_it_went_in(lab: Lab, tmp_path: Path) -> None:
    out = exported(lab, "HEAD", tmp_path / "out")
    assert (out / "src" / "deep" / "ü m.py").read_bytes() == b"caf\xe9\r\n\0"
    assert (out / "link").readlink() == Path("src/old.py")
    assert os.access(out / "run.me", os.X_OK) and not os.access(out / "train.py", os.X_OK)
    for name in lab.git("ls-files", "-z").split("\0")[:-1]:
        assert (out / name).is_symlink() or (out / name).read_bytes() == (lab.root / name).read_bytes()


def test_what_is_not_gits_is_linked_and_what_is_private_is_not(lab: Lab, tmp_path: Path) -> None:
    for name in ("data", "src/cache"):
        (lab.root / name).mkdir()
        (lab.root / name / "big").write_text("big")
    for name in ("run.log", "autoresearch.jsonl", "src/loose.txt"):
        (lab.root / name).write_text("x")
    out = exported(lab, "HEAD", tmp_path / "out")
    assert (out / "data").is_symlink() and (out / "data" / "big").read_text() == "big"
    assert (out / "src" / "cache").is_symlink() and (out / "src" / "loose.txt").read_text() == "x"
    assert not (out / "src").is_symlink() and not (out / "src" / "old.py").is_symlink()
    for name in (".git", ".overnight", "run.log", "autoresearch.jsonl"):
        assert not (out / name).exists()


def test_a_file_that_came_after_the_commit_is_not_in_it(lab: Lab, tmp_path: Path) -> None:
    (lab.root / "later.py").write_text("later\n")
    (lab.root / "newer").mkdir()
    (lab.root / "newer" / "a.py").write_text("a\n")
    lab.git("rm", "-q", "src/old.py")
    lab.git("add", "-A")
    lab.git("commit", "-qm", "later")
    out = exported(lab, "HEAD~1", tmp_path / "out")
    assert not (out / "later.py").exists() and not (out / "newer").exists()
    assert (out / "src" / "old.py").read_text() == "old\n"


def test_a_commit_that_is_gone_is_told(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(GitTrouble, match="is not in this repository any more"):
        Repo(lab.root, "toy").export("1" * 40, tmp_path)
