"""What a session holds fixed: the hashes of its pinned files, and the modules that its pyproject.toml allows."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import tomllib
from collections.abc import Collection
from pathlib import Path

MODULES = {
    "beautifulsoup4": ("bs4",),
    "flash-attn": ("flash_attn", "flash_attn_2_cuda"),
    "flash-attn-3": ("flash_attn_interface", "flash_attn_3"),
    "opencv-python": ("cv2",),
    "pillow": ("PIL",),
    "protobuf": ("google",),
    "python-dateutil": ("dateutil",),
    "pyyaml": ("yaml",),
    "scikit-image": ("skimage",),
    "scikit-learn": ("sklearn",),
    "torch": ("torch", "triton"),  # its Linux wheels bring triton, and kernels are a researcher's business
}
"""Modules of distributions whose names differ, for machines where they are not installed."""


def hashes(root: Path, names: Collection[str]) -> dict[str, str]:
    """SHA-256 (hex) of those of the files that are there."""
    found = {}
    for name in names:
        try:
            found[name] = hashlib.sha256((root / name).read_bytes()).hexdigest()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            continue
    return found


def allowed_imports(session: Path) -> frozenset[str] | None:
    """Top-level modules that an editable file may import besides the standard library: dependencies, local modules.

    None, no restriction, where the session has no readable pyproject.toml with a list of dependencies.
    """
    try:
        data = tomllib.loads((session / "pyproject.toml").read_text(encoding="utf-8"))
        listed = data["project"]["dependencies"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    modules = _local_modules(session)
    for requirement in listed if isinstance(listed, list) else ():
        found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", str(requirement).strip())
        if found:
            modules |= _modules_of(re.sub(r"[-_.]+", "-", found[0]).lower())
    return frozenset(modules)


def _local_modules(session: Path) -> set[str]:
    files = {path.stem for path in session.glob("*.py")}
    return files | {path.parent.name for path in session.glob("*/*.py") if not path.parent.name.startswith(".")}


def _modules_of(distribution: str) -> set[str]:
    modules = {distribution.replace("-", "_"), *MODULES.get(distribution, ())}
    try:
        listed = importlib.metadata.distribution(distribution).read_text("top_level.txt") or ""
    except importlib.metadata.PackageNotFoundError:
        listed = ""
    return modules | {line.strip() for line in listed.splitlines() if line.strip().isidentifier()}
