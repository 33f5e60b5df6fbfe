"""overnight journal: a page on the disk, pictures beside it, a person's words kept."""

import json
from pathlib import Path

import pytest

from engine.reports import pictures

needs_pictures = pytest.mark.skipif(not pictures.available(), reason="matplotlib is not installed")


def log(story, run: int, start: float) -> None:
    folder = story.paths.run(run)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"step {step:05d} ({step / 80:.1%}) | loss: {start - step / 40:.6f} | lrm: 1.00\r" for step in range(80)]
    (folder / "run.log").write_text("".join(lines) + "\n---\n")


def written(story) -> str:
    return (story.root / "autoresearch.journal" / "journal.md").read_text()


@needs_pictures
def test_it_writes_a_page_with_pictures_that_git_does_not_see(overnight, story) -> None:
    story.night()
    for run in (1, 2, 5):
        log(story, run, 6 - run / 10)
    before = story.git("status", "--porcelain", "--untracked-files=all")
    said = overnight("journal")
    assert said.code == 0, said.err
    assert "3 versions, 4 pictures" in said.out
    text = written(story)
    assert "### v0.0.2 · ALPHA 0.9→0.5" in text or "### v0.0.2 · ALPHA 0.2→0.5" in text
    assert "| `ALPHA` | `0.2` | `0.5` |" in text
    folder = story.root / "autoresearch.journal"
    for name in ("run-0001", "run-0002", "run-0005", "segment-0"):
        assert f"(journal-pictures/{name}.svg)" in text
        assert (folder / "journal-pictures" / f"{name}.svg").read_text().startswith("<?xml")
    assert story.git("status", "--porcelain", "--untracked-files=all") == before
    stamps = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert overnight("journal").code == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == stamps


def test_without_matplotlib_the_curve_is_drawn_in_characters_and_it_is_said(overnight, story, monkeypatch) -> None:
    story.night()
    log(story, 1, 6.0)
    log(story, 2, 5.5)
    monkeypatch.setattr(pictures, "available", lambda: False)
    said = overnight("journal")
    assert said.code == 0 and "matplotlib is not installed" in said.err
    text = written(story)
    assert "█" in text and "![" not in text


def test_a_person_s_words_and_notes_stay_when_it_is_made_again(overnight, story) -> None:
    story.night()
    assert overnight("note", "the fan is loud").code == 0
    assert overnight("note", "--run", "2", "repeat this one").code == 0
    assert overnight("journal").code == 0
    text = written(story)
    assert "the fan is loud" in text and "repeat this one" in text
    mine = "\nThis is where it turned, I think.\n"
    end = "<!-- /overnight:v0_0_1 -->\n"
    (story.root / "autoresearch.journal" / "journal.md").write_text(text.replace(end, end + mine))
    story.experiment("keep", 1.7, "ALPHA 0.5→0.6")
    assert overnight("journal").code == 0
    again = written(story)
    assert end + mine in again and "### v0.0.3" in again


def test_json_tells_versions_and_open_ends_and_out_goes_elsewhere(overnight, story, tmp_path: Path) -> None:
    story.night()
    file = tmp_path / "docs.md"
    found = overnight("journal", "--json", "--out", str(file)).json
    assert [one["name"] for one in found["versions"]] == ["v0.0.0", "v0.0.1", "v0.0.2"]
    assert found["file"] == str(file) and file.read_text().startswith("# Journal of s1")
    assert not (story.root / "autoresearch.journal").exists() and not (tmp_path / ".gitignore").exists()
    printed = overnight("journal", "--out", "-")
    assert printed.out.startswith("# Journal of s1") and "v0.0.2" in printed.out


def test_a_file_that_is_no_journal_is_not_touched(overnight, story, tmp_path: Path) -> None:
    file = tmp_path / "thesis.md"
    file.write_text("# My thesis\n")
    said = overnight("journal", "--out", str(file))
    assert said.code == 4 and "choose another file" in said.err
    assert file.read_text() == "# My thesis\n"
    said = overnight("journal", "--out", str(tmp_path))
    assert said.code == 4 and "is a folder" in said.err
    said = overnight("journal", "--out", str(tmp_path / "nowhere" / "x.md"))
    assert said.code == 4 and "is no folder; make it first" in said.err and not (tmp_path / "nowhere").exists()


def test_a_session_with_nothing_but_a_baseline_has_a_journal_without_pictures(story) -> None:
    done = story.overnight("journal", str(story.root), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pictures"] == 0
