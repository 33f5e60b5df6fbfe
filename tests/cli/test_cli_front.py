"""The front: verbs are found, help is cheap, mistakes are sentences with the right exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli import front
from engine.cli.verbs import VERBS

ISSUE = [
    *("demo", "new", "prepare", "start", "status", "log", "show", "pause", "resume", "stop", "abort", "say", "revert"),
    *("keep", "undo", "edit", "note", "metrics", "record", "doctor"),
]


def test_every_promised_verb_is_there() -> None:
    assert set(ISSUE) <= set(VERBS)


@pytest.mark.parametrize("verb", ISSUE)
def test_each_verb_has_help_with_json(overnight, verb: str) -> None:
    said = overnight(verb, "--help")
    assert said.code == 0
    assert f"overnight {verb}" in said.out
    assert "--json" in said.out


def test_help_lists_every_verb_and_loads_nothing_heavy() -> None:
    script = (
        "import sys; from engine.cli.front import main; main(['--help']);"
        "heavy = {'torch', 'git', 'rich', 'msgspec', 'textual', 'argparse', 'tui'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"\n  {verb} " in done.stdout for verb in VERBS)


def test_an_unknown_verb_is_wrong_usage_and_the_nearest_is_named(overnight) -> None:
    said = overnight("stauts")
    assert said.code == 2
    assert "did you mean status?" in said.err


def test_a_wrong_option_is_wrong_usage_in_json_too(overnight) -> None:
    said = overnight("status", "--nonsense", "--json")
    assert said.code == 2
    assert said.json["code"] == 2
    assert "--nonsense" in said.json["error"]


@pytest.mark.parametrize("verb", ["status", "pause", "log", "start", "undo", "prepare"])
def test_no_such_session_is_exit_3_and_says_what_there_is(overnight, story, verb: str) -> None:
    said = overnight(verb, "nowhere", "--json")
    assert said.code == 3
    assert "nowhere" in said.err and "s1" in said.err
    assert said.json == {"error": said.json["error"], "code": 3}


def test_no_sessions_at_all_names_the_verb_that_makes_one(overnight) -> None:
    said = overnight("status")
    assert said.code == 3
    assert "overnight new NAME" in said.err


def test_sessions_folder_may_stand_before_or_after_the_verb(overnight, story, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert overnight("--sessions", str(empty), "status").code == 3
    assert overnight("status", "--sessions", str(empty)).code == 3
    assert overnight(f"--sessions={story.root.parent}", "status", "s1").code == 0
    assert overnight("--sessions").code == 2


def test_a_session_may_stand_after_options(overnight, story) -> None:
    story.night()
    assert overnight("show", "2", "--json", "s1").json["run"] == 2
    assert overnight("show", "-s", "s1", "2", "--json").json["run"] == 2
    assert overnight("status", "s1", "-s", "s2").code == 2


def test_a_broken_journal_is_told_with_file_and_line(overnight, story) -> None:
    with story.paths.journal.open("a") as file:
        file.write('{"type":"from_the_future","at":1}\n')
    said = overnight("status")
    assert said.code == 1
    lines = story.paths.journal.read_text().count("\n")
    assert f"journal.jsonl, line {lines}" in said.err
    assert "Traceback" not in said.err


def test_a_reader_who_has_seen_enough_is_no_error(story) -> None:
    story.night()
    words = [sys.executable, "-m", "engine.cli.front", "show", "2", str(story.root)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""


def test_interruption_is_130(overnight, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.cli import doctor

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "run", interrupted)
    assert overnight("doctor").code == 130


def test_without_a_verb_the_console_takes_over_with_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[list[str]] = []

    class Gone(Exception):
        pass

    def execv(program: str, command: list[str]) -> None:
        taken.append(command)
        raise Gone

    monkeypatch.setattr(front.os, "execv", execv)
    for words, expected in (
        ([], []),
        (["--sessions", "d", "attach", "s1", "--read-only"], ["attach", "s1", "--read-only", "--sessions", "d"]),
        (["--read-only"], ["--read-only"]),
        (["watch", "d"], ["watch", "d"]),
    ):
        with pytest.raises(Gone):
            front.main(words)
        assert taken[-1] == [sys.executable, "-P", "-m", "tui", *expected]


def test_json_is_one_document_even_for_bytes_that_are_no_text(overnight, story) -> None:
    story.night()
    (story.root / "train.py").write_bytes(b"ALPHA = 0.1  # \xff\n")
    story.git("commit", "-qam", "experiment: odd bytes")
    story.begin()
    from engine.session import events as ev

    story.write(
        ev.ChangeAccepted(at=story.tick(), run=story.runs, description="odd bytes", asi={}),
        ev.ChangeCommitted(at=story.tick(), run=story.runs, commit=story.git("rev-parse", "HEAD").strip()),
    )
    said = overnight("show", "current", "--json")
    assert said.code == 0
    assert json.loads(said.out)["after"]["train.py"].startswith("ALPHA = 0.1")
