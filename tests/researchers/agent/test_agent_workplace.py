"""The folder that an agent works in may be taken away or exchanged: nothing outside of it is ever touched."""

from pathlib import Path

import pytest

from engine.researchers.base import ResearcherFailed
from tests.researchers.agent.playing import Stage

SWAP = """
import shutil
put("ALPHA = 0.9", "ALPHA = 0.8")
os.chdir("/")
shutil.rmtree(here, ignore_errors=True)
"""


def _valued(tmp_path: Path) -> Path:
    """Somebody's folder, with files that no agent put there."""
    folder = tmp_path / "valued"
    (folder / "inner").mkdir(parents=True)
    (folder / "thesis.txt").write_text("ten years")
    (folder / "inner" / "notes.txt").write_text("more")
    (folder / "train.py").write_text("mine")
    return folder


def _kept(folder: Path) -> bool:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    there = names == ["inner", "inner/notes.txt", "thesis.txt", "train.py"]
    return there and (folder / "train.py").read_text() == "mine"


def test_a_folder_exchanged_for_a_link_to_another_is_neither_read_nor_cleaned(tmp_path: Path) -> None:
    valued = _valued(tmp_path)  # this once emptied the folder behind the link
    stage = Stage(tmp_path, SWAP + f"os.symlink({str(valued)!r}, here)\n")
    with pytest.raises(ResearcherFailed, match="moved, removed or replaced"):
        stage.agent.propose(stage.brief())
    assert _kept(valued)
    assert stage.untouched()


def test_a_parent_exchanged_for_a_link_to_another_is_neither_read_nor_cleaned(tmp_path: Path) -> None:
    valued = _valued(tmp_path)
    script = f"""
put("ALPHA = 0.9", "ALPHA = 0.8")
os.chdir("/")
other = pathlib.Path({str(tmp_path / "other")!r})
other.mkdir()
os.rename({str(valued)!r}, other / here.name)
os.rename(here.parent, str(here.parent) + ".gone")
os.symlink(other, here.parent)
"""
    stage = Stage(tmp_path, script)
    with pytest.raises(ResearcherFailed, match="moved, removed or replaced"):
        stage.agent.propose(stage.brief())
    moved = list((tmp_path / "other").iterdir())
    assert len(moved) == 1 and _kept(moved[0])


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path, SWAP)
    with pytest.raises(ResearcherFailed, match="moved, removed or replaced"):
        stage.agent.propose(stage.brief())
    assert stage.untouched()
