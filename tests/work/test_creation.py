"""A new session is complete, pinned, committed and private; whatever fails leaves nothing behind."""

import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from engine.session import settings
from engine.work import creation
from engine.work.constants import read_constants
from engine.work.creation import CreationError, create
from engine.work.preparation import PreparationError
from engine.work.repo import Repo
from engine.work.tiers import TierError


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an empty home: no identity, no configuration, no cache."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / "config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("OVERNIGHT_CACHE", str(tmp_path / "cache"))


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True).stdout


def test_a_session_is_a_repository_with_its_files_and_the_tiers_values(tmp_path: Path) -> None:
    made = create("mar5", tmp_path / "sessions", tier="24", prepared=False)
    root = made.paths.root
    assert root == tmp_path / "sessions" / "mar5" and made.paths.exists
    assert made.branch == git(root, "branch", "--show-current").strip() == time.strftime("autoresearch/mar5-%Y-%m-%d")
    assert git(root, "log", "--format=%s|%an").splitlines() == ["session: mar5|overnight"]
    assert git(root, "status", "--porcelain") == ""
    assert sorted(git(root, "ls-files").split()) == sorted([*creation.TEMPLATE, "overnight.toml", ".gitignore"])
    train = read_constants((root / "train.py").read_text())
    assert (train["DEPTH"], train["DEVICE_BATCH_SIZE"]) == ("8", "64")
    fixed = read_constants((root / "prepare.py").read_text())
    assert (fixed["MAX_SEQ_LEN"], fixed["BUDGET"], fixed["BUDGET_UNIT"]) == ("2048", "300", "'seconds'")
    assert made.tier is not None and made.tier.id == "vram-24" and made.params_M == made.tier.params_M
    loaded = settings.load(made.paths.settings)
    assert (loaded.run.timeout_s, loaded.gate.jump) == (made.tier.timeout_s, made.tier.jump)
    assert all((root / name).is_file() for name in loaded.scope.pinned)
    Repo(root, "mar5").check()


def test_private_folders_are_private_and_the_benchmark_can_be_run(tmp_path: Path) -> None:
    paths = create("s", tmp_path, tier="cpu", prepared=False).paths
    for folder in (paths.private, paths.inbox, paths.runs):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert os.access(paths.root / "autoresearch.sh", os.X_OK)
    (paths.root / "run.log").touch()
    paths.public_log.touch()
    paths.journal.touch()
    assert git(paths.root, "status", "--porcelain") == ""


def test_data_tokenizer_and_constants_of_ones_own_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my data").mkdir()
    monkeypatch.chdir(tmp_path)
    made = create(
        "s",
        tmp_path / "sessions",
        tier="cpu",
        data="my data",
        tokenizer="byte",
        overrides={"DEPTH": "3", "BUDGET": "7"},
        prepared=False,
    )
    fixed = read_constants((made.paths.root / "prepare.py").read_text())
    assert fixed["DATA"] == f'"{tmp_path}/my data"' and fixed["TOKENIZER"] == '"byte"' and fixed["BUDGET"] == "7"
    assert read_constants((made.paths.root / "train.py").read_text())["DEPTH"] == "3"
    assert made.params_M is None


def test_the_data_is_prepared_and_its_hash_pinned(tmp_path: Path) -> None:
    for module in ("torch", "tiktoken"):
        pytest.importorskip(module)
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"Document {n}: " + "the night is long and the loss is low. " * 40 for n in range(200)))
    said: list[str] = []
    made = create("s", tmp_path, tier="cpu", data=str(text), tokenizer="byte", on_progress=said.append)
    pinned = read_constants((made.paths.root / "prepare.py").read_text())["DATA_HASH"]
    assert len(pinned) > 10 and said[0].startswith("preparing the data")
    assert git(made.paths.root, "status", "--porcelain") == ""
    assert (tmp_path / "cache").is_dir()


@pytest.mark.parametrize(
    "name", ["", ".x", "-x", "a/b", "..", "a b", "x.lock", "a..b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "x."]
)
def test_a_name_that_git_or_a_shell_would_trip_over_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CreationError, match="cannot be a session's name"):
        create(name, tmp_path, prepared=False)


@pytest.mark.parametrize("name", ["mar5", "Größe-2", "a.b_c", "2026"])
def test_ordinary_names_are_fine(tmp_path: Path, name: str) -> None:
    assert create(name, tmp_path, tier="cpu", prepared=False).paths.name == name


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    create("s", tmp_path, tier="cpu", prepared=False)
    with pytest.raises(CreationError, match="there is a session called s"):
        create("s", tmp_path, tier="cpu", prepared=False)
    (tmp_path / "t").symlink_to("nowhere")
    with pytest.raises(CreationError, match="something else called t"):
        create("t", tmp_path, tier="cpu", prepared=False)


def test_whatever_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = tmp_path / "sessions"
    attempts = [
        (TierError, {"tier": "no"}),
        (CreationError, {"data": "absent.txt"}),
        (CreationError, {"tokenizer": "words"}),
        (CreationError, {"overrides": {"NO_SUCH": "1"}}),
        (CreationError, {"overrides": {"DEPTH": "import os"}}),
    ]
    for error, given in attempts:
        with pytest.raises(error):
            create("s", sessions, **{"tier": "cpu", "prepared": False, **given})  # type: ignore[arg-type]
    monkeypatch.setattr(creation.sys, "executable", "/nonexistent")
    with pytest.raises(PreparationError):
        create("s", sessions, tier="cpu")
    assert not sessions.exists() or list(sessions.iterdir()) == []


def test_a_session_inside_another_repository_is_its_own(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "outer")
    made = create("s", tmp_path / "sessions", tier="cpu", prepared=False)
    assert git(made.paths.root, "rev-parse", "--show-toplevel").strip() == str(made.paths.root)
    assert git(tmp_path, "branch", "--show-current").strip() == "outer"
