"""What an operator does at an awkward moment: to settings, to logs, to a run that is on."""

import os
import signal
from pathlib import Path

import pytest

from engine.session import events as ev
from engine.session import publiclog
from engine.session.journal import Journal
from tests.faults.scene import HANGS, at_rest, daemon, gone, in_run, seen, start, until, verb
from tests.loop.lab import BENCHMARK, Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "toy")


def best(lab: Lab) -> int:
    """The champion's run, at least the third of a session that has kept two changes."""
    champion = lab.state().champion
    assert champion is not None and champion.run > 1
    return champion.run


def test_a_broken_overnight_toml_stops_neither_a_running_engine_nor_a_word_to_it(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=BENCHMARK + "sleep 0.05\n")
    with daemon(lab):
        lab.wait(lambda s: len(s.experiments) > 1)
        lab.paths.settings.write_text("[gate\n")
        state = lab.wait(lambda s: s.troubles)
        assert "overnight.toml" in state.troubles[0][1] and "stay in force" in state.troubles[0][1]
        runs = len(state.experiments)
        lab.wait(lambda s: len(s.experiments) > runs + 1)
        for words in (["say", "try ALPHA=0.31"], ["pause"], ["resume"], ["note", "hm"], ["stop"]):
            assert verb(lab, *words).returncode == 0
        gone(lab)
    assert sum("stay in force" in text for _, text in lab.state().troubles) == 1
    for words in (["say", "try ALPHA=0.32"], ["pause"], ["note", "hm"], ["status"], ["log"], ["resume"]):
        assert verb(lab, *words).returncode == 0, words
    assert verb(lab, "edit", "gate.jump", "0").returncode == 4
    assert lab.paths.settings.read_text() == "[gate\n"


def test_a_file_added_to_the_scope_and_removed_again_measures_the_baseline_anew(lab: Lab) -> None:
    (lab.root / "model.py").write_text("GAMMA = 1\n")
    lab.git("add", "model.py")
    lab.git("commit", "-qm", "a second file")
    assert start(lab).returncode == 0
    for editable in ('["train.py", "model.py"]', '["train.py"]'):
        assert verb(lab, "edit", "scope.editable", editable).returncode == 0
        assert start(lab).returncode == 0
        at_rest(lab)
    state = lab.state()
    assert [s.editable for s in state.segments] == [("train.py",), ("train.py", "model.py"), ("train.py",)]
    assert [e.is_baseline for e in state.experiments] == [True, False] * 3


def test_a_researcher_with_nothing_left_ends_a_foreground_with_code_0_and_why(lab: Lab) -> None:
    (lab.root / "search_space.toml").write_text('[ALPHA]\nkind = "choice"\nvalues = [0.9, 0.5, 0.3]\n')
    done = start(lab, "--experiments", "50")
    assert done.returncode == 0 and "nothing left to try" in done.stderr, done.stderr
    ended = [e for e in lab.state().experiments if e.phase == "ended"]
    assert len(ended) == 3
    assert lab.git("status", "--porcelain", "train.py") == ""


def test_hours_end_an_engine(lab: Lab) -> None:
    done = verb(lab, "start", "--foreground", "--hours", "0.0002")
    assert done.returncode == 0 and "0.0002 hours" in done.stderr
    at_rest(lab)


def test_an_abort_during_the_checks_ends_them_and_the_experiment(lab: Lab) -> None:
    lab.paths.checks.write_text('test "$OVERNIGHT_RUN" = 1 || sleep 1000\n')
    with daemon(lab):
        lab.wait(lambda s: s.current is not None and s.current.run == 2 and s.current.checks == "running")
        assert verb(lab, "stop").returncode == 0 and verb(lab, "abort").returncode == 0
        gone(lab)
    second = lab.state().experiments[1]
    assert second.status == "crash" and "aborted" in second.flags
    at_rest(lab)


def test_an_abort_while_the_champion_is_run_again_brings_its_files_back(tmp_path: Path) -> None:
    counted = BENCHMARK + 'test "$OVERNIGHT_SEED" = 1337 || sleep 1000\n'
    lab = Lab(tmp_path / "toy", benchmark=counted, settings='[gate]\nkind = "confirm"\njump = 0\n')
    with daemon(lab):
        lab.wait(lambda s: s.current is not None and len(s.current.trials) > 1)
        assert verb(lab, "stop").returncode == 0 and verb(lab, "abort").returncode == 0
        gone(lab)
    second = lab.state().experiments[1]
    assert second.trials[1].of == "champion" and second.status == "crash" and "aborted" in second.flags
    at_rest(lab)


def test_an_abort_while_a_change_is_awaited_ends_the_experiment_without_one(lab: Lab) -> None:
    hook = lab.root / "hooks" / "before"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\ntouch waiting\nsleep 1000\n")
    hook.chmod(0o755)
    with daemon(lab):
        until((lab.root / "waiting").exists, "the hook")
        assert verb(lab, "stop").returncode == 0 and verb(lab, "abort").returncode == 0
        gone(lab)
    second = lab.state().experiments[1]
    assert second.status == "crash" and "aborted" in second.flags and not second.commit
    at_rest(lab)


def test_a_run_on_a_champion_that_was_withdrawn_is_discarded_and_undo_brings_it_back(tmp_path: Path) -> None:
    waits = BENCHMARK + "while test -e wait; do sleep 0.05; done\n"
    lab = Lab(tmp_path / "toy", benchmark=waits)
    assert start(lab, "--experiments", "6").returncode == 0
    champion, count = best(lab), len(lab.state().experiments)
    (lab.root / "wait").touch()
    with daemon(lab):
        in_run(lab, count + 1)
        assert verb(lab, "revert", str(champion)).returncode == 0
        (lab.root / "wait").unlink()
        state = lab.wait(lambda s: len(s.experiments) > count and s.experiments[count].phase == "ended")
        assert state.experiments[count].status == "discard" and "base_withdrawn" in state.experiments[count].flags
        assert verb(lab, "stop").returncode == 0
        gone(lab)
    at_rest(lab)
    standing = lab.state().champion
    if standing is not None and standing.run < champion:
        assert verb(lab, "undo").returncode == 0
        assert best(lab) == champion
    at_rest(lab)


def test_a_decision_whose_tree_a_crash_left_as_it_was_is_carried_out_by_the_next_start(lab: Lab) -> None:
    assert start(lab, "--experiments", "6").returncode == 0
    line = lab.state().segments[-1].line
    journal = Journal(lab.paths.journal)
    fallen = line[-1]
    journal.append(
        [
            ev.CommandQueued(at=1.0, id="x", kind="revert", args={"run": str(fallen)}, by="tester"),
            ev.Overridden(
                at=1.0,
                command="x",
                kind="revert",
                run=fallen,
                line=tuple(line[:-1]),
                statuses={fallen: "discard"},
                withdrawn=(),
                by="tester",
            ),
        ]
    )
    journal.close()
    assert start(lab).returncode == 0
    at_rest(lab)
    state = lab.state()
    assert state.experiments[fallen - 1].status == "discard" and state.experiments[6 + 1].champion == line[-2]
    assert [o.run for o in publiclog.read_log(lab.paths.public_log).overrides] == [fallen]


def test_a_run_that_rewrites_its_own_source_gains_nothing_by_it(tmp_path: Path) -> None:
    """Where the system can keep it from writing, the true source is measured; elsewhere it is not believed."""
    cheat = 'test "$OVERNIGHT_RUN" = 1 || printf "ALPHA = 0.3\\nBETA = 0.6\\n" > train.py\n' + BENCHMARK
    lab = Lab(tmp_path / "toy", benchmark=cheat)
    assert start(lab).returncode == 0
    second = lab.state().experiments[1]
    assert second.metric != 1.0 or ("editable_changed" in second.flags and second.status == "discard")
    at_rest(lab)


def test_a_gate_loosened_behind_the_engines_back_is_told(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=BENCHMARK + "sleep 0.05\n")
    with daemon(lab):
        lab.wait(lambda s: len(s.experiments) > 1)
        lab.paths.settings.write_text("[gate]\njump = 5\n")
        lab.wait(lambda s: any("overnight.toml" in text and "gate.jump 0" in text for _, text in s.troubles))
        assert verb(lab, "stop").returncode == 0
        gone(lab)
    at_rest(lab)


@pytest.mark.parametrize("keep", [0, 1, 2], ids=["removed", "cut to its config", "cut"])
def test_a_public_log_that_was_cut_is_completed_from_the_journal(lab: Lab, keep: int) -> None:
    assert start(lab, "--experiments", "2").returncode == 0
    whole = lab.public()
    lab.paths.public_log.write_text("".join(f"{line}\n" for line in whole[:keep]))
    if not keep:
        lab.paths.public_log.unlink()
    assert start(lab).returncode == 0
    assert lab.public()[: len(whole)] == whole
    at_rest(lab)


def test_a_public_log_removed_while_the_engine_runs_is_written_again(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=HANGS)
    with daemon(lab):
        in_run(lab, 2)
        until(lab.public, "the baseline's line")
        whole = lab.public()
        lab.paths.public_log.unlink()
        assert verb(lab, "stop").returncode == 0 and verb(lab, "abort").returncode == 0
        gone(lab)
    assert lab.public()[: len(whole)] == whole
    at_rest(lab)


def test_a_log_kept_by_hand_is_not_mixed_with_an_engines(lab: Lab) -> None:
    words = ["--status", "keep", "--description", "by hand", "--value", "1.5", "--log", str(lab.paths.public_log)]
    lab.overnight("record", *words)
    by_hand = lab.paths.public_log.read_bytes()
    assert by_hand
    before = seen(lab)
    for way in (("--foreground",), ()):
        done = verb(lab, "start", *way)
        assert (
            done.returncode == 4 and "autoresearch.jsonl, line" in done.stderr and "Move the file away" in done.stderr
        )
    assert seen(lab) == before
    lab.paths.public_log.rename(lab.root / "autoresearch.mine.jsonl")
    assert start(lab).returncode == 0
    assert (lab.root / "autoresearch.mine.jsonl").read_bytes() == by_hand
    at_rest(lab)


def test_a_result_appended_by_a_stranger_is_refused_at_the_next_start(lab: Lab) -> None:
    assert start(lab).returncode == 0
    with lab.paths.public_log.open("a") as file:
        file.write('{"run":3,"metric":0.5,"status":"keep"}\n')
    done = verb(lab, "start")
    assert done.returncode == 4 and "line 4" in done.stderr


def test_a_journal_with_a_line_of_rubbish_is_told_with_its_line_and_left_alone(lab: Lab) -> None:
    assert start(lab).returncode == 0
    lines = lab.paths.journal.read_bytes().splitlines(keepends=True)
    lab.paths.journal.write_bytes(b"".join([*lines[:3], b"rubbish\n", *lines[3:]]))
    before = seen(lab)
    for words in (["start"], ["start", "--foreground"], ["status"], ["say", "hello"], ["log"]):
        done = verb(lab, *words)
        assert done.returncode == (4 if words[0] == "start" else 1)
        assert "journal.jsonl, line 4" in done.stderr and "Traceback" not in done.stderr
    assert seen(lab) == before


def test_killed_in_the_middle_of_a_stop_the_next_start_goes_on(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=HANGS)
    with daemon(lab) as pid:
        in_run(lab, 2)
        assert verb(lab, "stop").returncode == 0
        os.kill(pid, signal.SIGKILL)
        gone(lab)
    (lab.root / "autoresearch.sh").write_text(BENCHMARK)
    assert start(lab).returncode == 0
    assert len(lab.state().experiments) >= 2
    at_rest(lab)
