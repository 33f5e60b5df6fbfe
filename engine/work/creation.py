"""Making a session from the template: its files, its data, its own repository; all of it or nothing."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from engine.session.assets import assets_dir
from engine.session.naming import NAME_HINT, can_be_a_name
from engine.session.paths import SessionPaths
from engine.session.settings import Gate, Run, Scope, Settings
from engine.work import tiers
from engine.work.branches import begin
from engine.work.constants import ConstantError, read_constants, set_constants
from engine.work.preparation import PreparationError, pin_data, prepare
from engine.work.settingsfile import render

TEMPLATE = {
    "train.py": "train.py",
    "prepare.py": "prepare.py",
    "corpus.py": "corpus.py",
    "device.py": "device.py",
    "attention.py": "attention.py",
    "fused.py": "fused.py",
    "program.md": "program.md",
    "autoresearch.sh": "autoresearch.sh",
    "pyproject.toml": "session-pyproject.toml",
    "search_space.toml": "search_space.toml",
    "gpu-training-guide.md": "gpu-training-guide.md",
}
"""A session's file → the asset it is made from."""

IGNORED = (
    ".overnight/",
    "autoresearch.jsonl",
    "run.log",
    "grow.yaml",
    "__pycache__/",
    "*.pyc",
    ".venv/",
    "*.pt",
    "*.ckpt",
    "*.safetensors",
)
TOKENIZERS = ("bpe", "byte", "char")


class CreationError(Exception):
    """The session cannot be made; the message says why. Nothing is left behind."""


class Created(msgspec.Struct):
    """A new session. `params_M`: millions of parameters, None where constants of one's own change it.

    `tier` is None for an adopted repository, which brings its own constants. `notes` are sentences for the operator.
    """

    paths: SessionPaths
    branch: str
    tier: tiers.Tier | None
    params_M: float | None
    notes: list[str]


def check_name(name: str) -> None:
    """Errors: CreationError where `name` cannot be a folder, a part of a branch's name and an argument."""
    if not can_be_a_name(name):
        raise CreationError(f"{name!r} cannot be a session's name: {NAME_HINT}")


def free_place(name: str, sessions: Path) -> Path:
    """Where the session will be. Errors: CreationError for a bad name or one that is taken."""
    check_name(name)
    root = sessions.absolute() / name
    if os.path.lexists(root):
        what = "there is a session" if SessionPaths(root).exists else "there is something else"
        raise CreationError(f"{what} called {name} in {sessions}; choose another name")
    return root


def create(
    name: str,
    sessions: Path,
    *,
    tier: str = "auto",
    data: str = "demo",
    tokenizer: str | None = None,
    from_dir: Path | None = None,
    overrides: Mapping[str, str] | None = None,
    prepared: bool = True,
    on_progress: Callable[[str], None] = lambda line: None,
) -> Created:
    """Make the session `name` in the folder `sessions`.

    `tier`: a row of tiers.toml or "auto". `data`: "demo", "climbmix" or a path. `overrides`: constants of train.py and
    prepare.py as source text. `prepared`: run prepare.py and pin the data that it finds. `from_dir`: adopt that
    repository instead, with the constants it has. Errors: CreationError, TierError, PreparationError, GitTrouble,
    OSError.
    """
    if from_dir is not None:
        from engine.work.adoption import adopt

        if overrides or tokenizer or data != "demo" or tier != "auto":
            raise CreationError("with --from the repository's own constants hold: leave tier, data and values out")
        return adopt(name, sessions, from_dir)
    root = free_place(name, sessions)
    row = tiers.choose(tier, tiers.read())
    texts = _texts(row, data, tokenizer, overrides or {})
    # Made under a name that no listing shows, and renamed at the end: a failure leaves nothing behind.
    building = root.parent / f".{name}.{secrets.token_hex(4)}"
    root.parent.mkdir(parents=True, exist_ok=True)
    try:
        building.mkdir()
        for file, text in texts.items():
            (building / file).write_bytes(text.encode())
        (building / "autoresearch.sh").chmod(0o755)
        private_folders(SessionPaths(building))
        if prepared:
            on_progress(f"preparing the data ({data})")
            made = prepare(building, python=sys.executable, on_progress=on_progress)
            if not made.get("data_hash"):
                raise PreparationError("prepare.py did not say what data it made (no JSON line with data_hash)")
            pin_data(building, str(made["data_hash"]))
        branch = branch_name(name)
        begin(building, branch, sorted(texts), f"session: {name}")
        building.rename(root)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    params = None if overrides or tokenizer not in (None, "bpe") else row.params_M
    return Created(SessionPaths(root), branch, row, params, [])


def _texts(row: tiers.Tier, data: str, tokenizer: str | None, overrides: Mapping[str, str]) -> dict[str, str]:
    """Every tracked file of the session and its text."""
    assets = assets_dir()
    texts = {file: (assets / asset).read_bytes().decode() for file, asset in TEMPLATE.items()}
    train, fixed = tiers.constants(row.train), tiers.constants(row.prepare)
    fixed["DATA"] = _literal(data if data in ("demo", "climbmix") else str(_data_path(data)))
    if tokenizer is not None:
        if tokenizer not in TOKENIZERS:
            raise CreationError(f"there is no tokenizer {tokenizer!r}; there are: {', '.join(TOKENIZERS)}")
        fixed["TOKENIZER"] = _literal(tokenizer)
    own = read_constants(texts["train.py"])
    for key, source in overrides.items():
        (train if key in own else fixed)[key] = source
    try:
        for file, values in (("train.py", train), ("prepare.py", fixed)):
            texts[file] = set_constants(texts[file], values)
    except ConstantError as error:
        raise CreationError(f"{error} (train.py has: {', '.join(own)})") from error
    settings = Settings(run=Run(timeout_s=row.timeout_s), gate=Gate(jump=row.jump), scope=Scope())
    texts["overnight.toml"] = render(settings)
    texts[".gitignore"] = "\n".join(IGNORED) + "\n"
    return texts


def _data_path(data: str) -> Path:
    path = Path(data).expanduser().absolute()
    if not path.exists():
        raise CreationError(f'there is no data at {path}; expected "demo", "climbmix", or a file or folder')
    return path


def _literal(text: str) -> str:
    return f'"{text}"' if text.isprintable() and '"' not in text and "\\" not in text else repr(text)


def branch_name(name: str) -> str:
    """The branch of a session that begins today."""
    return f"autoresearch/{name}-{time.strftime('%Y-%m-%d')}"


def private_folders(paths: SessionPaths) -> None:
    """The private folder and its parts, for this user only."""
    for folder in (paths.private, paths.inbox, paths.runs):
        folder.mkdir(mode=0o700)
