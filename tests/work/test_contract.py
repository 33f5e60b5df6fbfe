"""What a session pins, and what its pyproject.toml lets a change import."""

import hashlib
from pathlib import Path

from engine.work.contract import allowed_imports, hashes


def test_hashes_are_those_of_the_bytes_and_of_files_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x\r\n")
    (tmp_path / "folder").mkdir()
    assert hashes(tmp_path, ["a.py", "folder", "absent", "a.py/b"]) == {"a.py": hashlib.sha256(b"x\r\n").hexdigest()}


def test_dependencies_under_their_import_names_and_local_modules_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "s"\ndependencies = ["torch>=2.9", "Scikit-Learn ; python_version>\'3\'", "msgspec[toml]"]\n'
    )
    (tmp_path / "prepare.py").touch()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "gpt.py").touch()
    allowed = allowed_imports(tmp_path)
    assert allowed is not None
    assert {"torch", "triton", "sklearn", "msgspec", "prepare", "models"} <= allowed
    assert "numpy" not in allowed


def test_without_a_list_of_dependencies_anything_is_allowed(tmp_path: Path) -> None:
    assert allowed_imports(tmp_path) is None
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\n")
    assert allowed_imports(tmp_path) is None
    (tmp_path / "pyproject.toml").write_text("[project\n")
    assert allowed_imports(tmp_path) is None
