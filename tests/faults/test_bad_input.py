"""What cannot be started is refused in a sentence with the right exit code, and costs nothing."""

import shutil
from pathlib import Path

import pytest

from tests.faults.scene import HANGS, at_rest, daemon, gone, in_run, seen, start, verb
from tests.loop.lab import BENCHMARK, SETTINGS, Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "toy")


def refused(lab: Lab, *words: str, code: int = 4) -> str:
    """What `start` says when it refuses, in the foreground and as a daemon alike; nothing is touched."""
    before = seen(lab)
    told = []
    for way in (("--foreground",), ()):
        done = verb(lab, "start", *way, *words)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr and done.stdout == ""
        told.append(done.stderr)
    assert told[0] == told[1]
    assert seen(lab) == before
    return told[0]


def test_a_folder_that_is_no_session_is_exit_code_3(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    shutil.rmtree(lab.paths.private)
    done = verb(lab, "start", "--foreground")
    assert done.returncode == 3 and str(lab.root) in done.stderr


def test_a_wrong_command_line_is_exit_code_2(lab: Lab) -> None:
    before = seen(lab)
    for words in (["start", "--experiments", "-3"], ["start", "--hours", "nan"], ["begin"], ["revert", "x"]):
        done = verb(lab, *words)
        assert done.returncode == 2 and "overnight" in done.stderr and "Traceback" not in done.stderr
    assert seen(lab) == before


def test_a_folder_without_its_own_repository_is_refused_also_inside_another(tmp_path: Path) -> None:
    outer = Lab(tmp_path / "outer")
    inner = Lab(outer.root / "toy")
    shutil.rmtree(inner.root / ".git")
    before = outer.git("rev-parse", "HEAD")
    for way in (("--foreground",), ()):
        done = verb(inner, "start", *way)
        assert done.returncode == 4 and "not a git repository" in done.stderr and str(inner.root) in done.stderr
    assert outer.git("rev-parse", "HEAD") == before and not inner.paths.journal.exists()


def test_a_detached_head_is_refused_with_the_way_back(lab: Lab) -> None:
    lab.git("checkout", "-q", "--detach")
    told = refused(lab)
    assert "HEAD is detached" in told and "git switch" in told


def test_a_dirty_editable_file_is_refused_with_three_ways_on(lab: Lab) -> None:
    (lab.root / "train.py").write_text("ALPHA = 0.2\nBETA = 0.2\n")
    told = refused(lab)
    assert "train.py" in told and "--dirty" in told and "checkout -- train.py" in told


def test_a_staged_editable_file_is_dirty_too(lab: Lab) -> None:
    (lab.root / "train.py").write_text("ALPHA = 0.2\nBETA = 0.2\n")
    lab.git("add", "train.py")
    assert "train.py" in refused(lab)


def test_dirt_beside_the_editable_files_is_no_reason_to_refuse(lab: Lab) -> None:
    (lab.root / "program.md").write_text("Lower it still more.\n")
    (lab.root / "mine.txt").write_text("a person's own\n")
    assert start(lab).returncode == 0
    assert lab.git("show", "HEAD:program.md") == "Lower it still more.\n"
    assert "mine.txt" in lab.git("status", "--porcelain") and (lab.root / "mine.txt").read_text() == "a person's own\n"
    at_rest(lab)


BAD = {
    "no TOML": ("[gate\n", ("not TOML", "line 1")),
    "an unknown section": ("\n[gates]\n", ("line 2", "gates", "gate")),
    "an unknown key": ("[gate]\nkinds = 1\n", ("line 2", "gate.kinds", "equal_within")),
    "an unknown word": ('[gate]\nkind = "generous"\n', ("line 2", "gate.kind", "'generous'", "greedy", "confirm")),
    "a wrong type": ('[run]\n\ntimeout_s = "long"\n', ("line 3", "run.timeout_s", "'long'", "number")),
    "too small": ("[run]\ntimeout_s = -1\n", ("line 2", "run.timeout_s", "-1", "at least")),
    "not a number": ("[run]\ntimeout_s = nan\n", ("line 2", "run.timeout_s", "nan")),
    "infinite": ("[gate]\njump = inf\n", ("line 2", "gate.jump", "finite")),
    "no command": ('[run]\ncommand = " "\n', ("line 2", "run.command", "command")),
    "a metric no METRIC line can carry": ('[metric]\nname = "val bpb"\n', ("line 2", "metric.name", "METRIC")),
    "a way out of the session": ('[scope]\neditable = ["../x.py"]\n', ("line 2", "scope.editable", "../x.py")),
    "nothing to edit": ("[scope]\neditable = []\n", ("line 2", "scope.editable", "at least one")),
    "a table that is none": ("gate = 3\n", ("line 1", "gate", "[gate]")),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_overnight_toml_is_refused_with_file_line_key_and_what_is_allowed(lab: Lab, name: str) -> None:
    text, words = BAD[name]
    lab.paths.settings.write_text(text)
    before = seen(lab)
    done = verb(lab, "start", "--foreground")
    assert done.returncode == 4 and "Traceback" not in done.stderr
    for word in ("overnight.toml", *words):
        assert word in done.stderr
    assert seen(lab) == before


def test_overnight_toml_in_bytes_that_are_no_text_is_refused_as_a_daemon_too(lab: Lab) -> None:
    lab.paths.settings.write_bytes(b'[gate]\nkind = "\xff"\n')
    assert "overnight.toml" in refused(lab)


def test_an_editable_file_that_is_not_there_is_refused(lab: Lab) -> None:
    lab.paths.settings.write_text('[scope]\neditable = ["model.py"]\n')
    told = refused(lab)
    assert "model.py" in told and "scope.editable" in told


def test_a_gpu_that_is_not_there_is_refused(lab: Lab) -> None:
    lab.paths.settings.write_text("[gpu]\nindex = 97\n")
    assert "97" in refused(lab)


def test_a_second_start_is_refused_and_told_who_holds_the_session(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=HANGS)
    with daemon(lab) as pid:
        in_run(lab, 2)
        told = refused(lab)
        assert str(pid) in told and "overnight attach toy" in told and "overnight stop toy" in told
        assert verb(lab, "stop").returncode == 0 and verb(lab, "abort").returncode == 0
        gone(lab)
    at_rest(lab)


BROKEN = {
    "no METRIC": ("echo all is well\n", "val_bpb"),
    "another METRIC": ("echo METRIC val_loss=1.5\n", "val_loss"),
    "nan": ("echo METRIC val_bpb=nan\n", "nan"),
    "inf": ("echo METRIC val_bpb=inf\n", "inf"),
    "a word": ("echo METRIC val_bpb=good\n", "val_bpb"),
    "a failure": ("echo METRIC val_bpb=1.0; exit 7\n", "7"),
    "no such script": ("", ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_baseline_without_a_number_ends_a_foreground_with_code_1_and_why(tmp_path: Path, name: str) -> None:
    script, word = BROKEN[name]
    lab = Lab(tmp_path / "toy", benchmark=script)
    if name == "no such script":
        lab.paths.settings.write_text('[run]\ncommand = "bash nowhere.sh"\n')
    done = start(lab)
    assert done.returncode == 1 and word in done.stderr and "baseline" in done.stderr
    state = lab.state()
    assert [e.status for e in state.experiments] == ["crash"] and state.champion is None
    assert '"metric":0,' in lab.public()[1] and '"status":"crash"' in lab.public()[1]
    assert lab.git("status", "--porcelain", "train.py") == ""


@pytest.mark.parametrize("name", ["no METRIC", "nan", "a failure"])
def test_an_experiment_without_a_number_is_a_crash_and_the_loop_goes_on(tmp_path: Path, name: str) -> None:
    script, word = BROKEN[name]
    lab = Lab(tmp_path / "toy", benchmark=f'if [ "$OVERNIGHT_RUN" = 2 ]; then\n{script}exit\nfi\n{BENCHMARK}')
    assert start(lab, "--experiments", "2").returncode == 0
    state = lab.state()
    assert [e.status == "crash" for e in state.experiments] == [False, True, False]
    assert word in state.experiments[1].reason and state.experiments[1].metric is None
    at_rest(lab)


def test_a_mended_benchmark_goes_on_at_the_next_start(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark="echo nothing\n")
    assert start(lab).returncode == 1
    (lab.root / "autoresearch.sh").write_text(BENCHMARK)
    assert start(lab).returncode == 0
    assert [e.status for e in lab.state().experiments][:2] == ["crash", "keep"]
    at_rest(lab)


UNRULY = {
    "ignores SIGTERM and never ends": 'trap "" TERM INT HUP\nwhile :; do sleep 1; done\n',
    "double-forks": "(setsid sleep 999 &); (setsid bash -c 'trap \"\" TERM; while :; do sleep 1; done' &); sleep 999\n",
}


@pytest.mark.parametrize("name", UNRULY)
def test_a_run_that_does_not_end_is_killed_with_all_it_started(tmp_path: Path, name: str) -> None:
    unruly = BENCHMARK + f'if [ "$OVERNIGHT_RUN" = 2 ]; then\n{UNRULY[name]}fi\n'
    lab = Lab(tmp_path / "toy", benchmark=unruly, settings=SETTINGS + "[run]\ntimeout_s = 1\n")
    done = start(lab, "--experiments", "2")
    assert done.returncode == 0, done.stderr
    second = lab.state().experiments[1]
    assert second.status == "crash" and second.trials[0].outcome == "timeout" and "limit" in second.reason
    assert second.trials[0].killed
    at_rest(lab)


def test_daemons_that_hold_the_output_open_are_killed_and_the_result_counts(tmp_path: Path) -> None:
    holders = "(setsid sleep 1000 &)\nsetsid sleep 1000 &\n"
    lab = Lab(tmp_path / "toy", benchmark=BENCHMARK + holders)
    assert start(lab).returncode == 0
    for experiment in lab.state().experiments:
        assert experiment.trials[0].outcome == "ok" and experiment.trials[0].killed
    at_rest(lab)


def test_a_flood_of_output_costs_neither_the_result_nor_the_disk(tmp_path: Path) -> None:
    flood = 'test "$OVERNIGHT_RUN" = 1 || head -c 200000000 /dev/zero | tr "\\0" "x"\necho\n'
    lab = Lab(tmp_path / "toy", benchmark=flood + BENCHMARK)
    assert start(lab).returncode == 0
    assert [e.trials[0].outcome for e in lab.state().experiments] == ["ok", "ok"]
    kept = sum(path.stat().st_size for path in lab.paths.run(2).rglob("*") if path.is_file())
    assert kept < 10_000_000
    at_rest(lab)
