"""The template as a test needs it: imported from assets/ or copied into a session, with a cache of its own."""

import importlib
import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.assets.template import ASSETS, rewrite, run_python


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """prepare.py as a module, with an empty cache and nothing opened."""
    monkeypatch.setenv("OVERNIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(ASSETS))
    module = importlib.import_module("prepare")
    module._opened.clear()
    yield module
    module._opened.clear()


@pytest.fixture
def corpus(prepare: ModuleType) -> ModuleType:
    return sys.modules["corpus"]


@pytest.fixture
def load_train(prepare: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Load train.py as a module, constants of it and of prepare.py rewritten; it does not run."""

    def load(train: dict[str, Any], of_prepare: dict[str, Any]) -> ModuleType:
        for name, value in of_prepare.items():
            assert hasattr(prepare, name)
            monkeypatch.setattr(prepare, name, value)
        file = tmp_path / "train.py"
        shutil.copy(ASSETS / "train.py", file)
        rewrite(file, train)
        spec = importlib.util.spec_from_file_location("train_under_test", file)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "train_under_test", module)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def session(tmp_path: Path, cache: Path) -> Callable[..., Path]:
    """A folder with the template, small, its data prepared by a real `python prepare.py`."""

    def make(train: dict[str, Any] | None = None) -> Path:
        folder = tmp_path / "session"
        folder.mkdir()
        for name in ("train.py", "prepare.py", "corpus.py", "device.py", "attention.py", "fused.py", "autoresearch.sh"):
            shutil.copy(ASSETS / name, folder)
        rewrite(folder / "prepare.py", {"MAX_SEQ_LEN": 64, "EVAL_TOKENS": 1024, "VOCAB_SIZE": 512})
        small = {"DEPTH": 2, "ASPECT_RATIO": 16, "HEAD_DIM": 16, "TOTAL_BATCH_SIZE": 512, "DEVICE_BATCH_SIZE": 4}
        rewrite(folder / "train.py", {**small, **(train or {})})
        if not (cache / "tokens").exists():
            made = run_python(folder, "prepare.py", cache)
            assert made.returncode == 0, made.stderr
        return folder

    return make
