"""Where the template's files are: beside the packages in a checkout, inside `engine` in an installed wheel."""

from pathlib import Path


def assets_dir() -> Path:
    """The folder of assets. Errors: FileNotFoundError when the installation is broken."""
    engine = Path(__file__).resolve().parent.parent
    for folder in (engine / "assets", engine.parent / "assets"):
        if (folder / "train.py").is_file():
            return folder
    raise FileNotFoundError(f"the template's files are neither in {engine} nor beside it; reinstall overnight")
