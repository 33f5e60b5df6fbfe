"""status, log, show: what they say is what the journal holds."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from engine.cli import standing
from engine.session import events as ev
from engine.session.locking import Holder
from engine.session.runlog import Progress
from engine.session.standing import pace

ENGINE = Holder(4242, "box", "first")


def test_status_names_champion_gain_and_counts(overnight, story) -> None:
    story.night().stop()
    found = overnight("status", "--json").json
    assert found["session"] == "s1"
    assert found["branch"] == "autoresearch/toy"
    assert found["champion"]["run"] == 5 and found["champion"]["metric"] == 1.8
    assert found["gain"] == pytest.approx(0.2) and found["experiments"] == 5
    assert found["counts"] == {"keep": 2, "discard": 1, "crash": 1}
    assert found["confidence"] == pytest.approx(4.0) and found["confidence_means"] == "likely real"
    assert found["engine"] is None and found["engine_gone_since"] is None
    text = overnight("status", "s1").out
    assert "stopped: the limit of 4 experiments is reached" in text
    assert "run 5  val_bpb 1.800000" in text and "+0.200000 over the baseline's" in text
    assert "5 experiments: 1 crash, 1 discard, 2 keep" in text


def test_status_of_an_engine_that_left_without_a_word_says_since_when(overnight, story) -> None:
    story.night()
    found = overnight("status", "--json").json
    assert found["engine_gone_since"] == pytest.approx(story.state().last_at)
    assert "gone since" in overnight("status").out


def test_status_of_a_running_engine_reads_the_progress_of_its_trial(overnight, story) -> None:
    story.begin()
    story.accept("ALPHA 0.9→0.2")
    story.trial()
    with story.hold():
        story.paths.run_log.write_bytes(
            b"step 00001 (1.0%) | loss: 9.0 | remaining: 99s\r"
            b"step 00042 (33.3%) | loss: 5.1 | dt: 125ms | remaining: 12s"
        )
        found = overnight("status", "--json").json
        assert found["state"] == "training run 2: 33%, 12 s left"
        assert found["running"]["progress"]["step"] == 42
        assert found["engine"]["start_id"] == "first"
        assert found["experiments"] == 1, "the one under way is not counted as one more"
        assert "1 experiment, run 2 training" in overnight("status").out
    assert "1 experiment, run 2 unfinished" in overnight("status").out


def test_an_older_run_log_is_not_taken_for_the_trial_under_way(story) -> None:
    story.begin()
    story.accept("ALPHA 0.9→0.2")
    story.paths.run_log.write_bytes(b"step 00042 (99.0%) | loss: 5.1 | remaining: 1s\n")
    story.now = time.time() + 100
    story.trial()
    assert standing.progress_of(story.paths, story.state()) is None


def test_the_state_in_words_follows_the_experiment(story) -> None:
    def words(progress: Progress | None = None) -> str:
        return standing.phrase(story.state(), ENGINE, progress)

    assert words() == "between two experiments"
    story.begin()
    assert words() == "proposing run 2"
    story.write(ev.ProposalRefused(at=story.tick(), run=2, attempt=1, reason="does not parse"))
    assert words() == "proposing run 2, after 1 refused"
    story.accept("x")
    assert words() == "preparing run 2"
    story.trial()
    assert words() == "training run 2"
    assert words(Progress(120, 100.0, 2.0)) == "evaluating run 2"
    story.write(ev.PauseSet(at=story.tick(), paused=True, by="ada", reason="lunch"))
    assert words() == "training run 2; pausing after it (paused by ada: lunch)"
    story.write(ev.StopAsked(at=story.tick(), by="ada"))
    assert words() == "training run 2; stopping after it"
    story.write(ev.AbortAsked(at=story.tick(), run=2, by="ada"))
    assert words().startswith("aborting run 2")


def test_a_pause_that_ended_the_engine_is_told_once(story) -> None:
    story.write(ev.PauseSet(at=story.tick(), paused=True, by="engine", reason="the GPU is gone"))
    story.write(ev.EngineStopped(at=story.tick(), reason="the GPU is gone", failed=True))
    assert standing.phrase(story.state(), None) == "failed: the GPU is gone; paused by engine"


def test_the_state_in_words_is_what_is_waited_for(story) -> None:
    story.begin()
    story.accept("x")
    story.write(ev.Delayed(at=story.tick(), text="GPU 0 has 43.9 GiB in use by python (pid 7)", trouble=True))
    assert standing.phrase(story.state(), ENGINE) == "GPU 0 has 43.9 GiB in use by python (pid 7)"
    story.trial()
    assert standing.phrase(story.state(), ENGINE) == "training run 2"


def test_the_rate_counts_this_engines_experiments_only(story) -> None:
    story.night()
    before = pace(story.state())
    assert before is not None and before.of == 5
    at_work = sum(e.ended_at - e.began_at for e in story.state().experiments)
    assert before.per_hour == pytest.approx(5 * 3600 / at_work)
    story.write(ev.EngineStarted(at=story.tick(), pid=1, host="box", start_id="second"))
    assert pace(story.state()) is None


def test_log_shows_each_experiment_against_the_champion_of_its_moment(overnight, story) -> None:
    story.night()
    found = overnight("log", "--json").json
    assert [e["status"] for e in found["experiments"]] == ["keep", "keep", "discard", "crash", "keep"]
    assert [e["champion"] for e in found["experiments"]] == [None, 1, 2, 2, 2]
    changes = [e["change"] for e in found["experiments"]]
    assert changes == [None, pytest.approx(-0.1), pytest.approx(0.05), None, pytest.approx(-0.1)]
    lines = overnight("log", "s1").out.splitlines()
    assert len(lines) == 6
    assert lines[5].split()[0] == "5*" and "-0.100000" in lines[5] and "45,060" in lines[5]
    assert "\x1b" not in "".join(lines)
    assert [e["run"] for e in overnight("log", "--last", "2", "--json").json["experiments"]] == [4, 5]
    assert overnight("log", "--segment", "3", "--json").json["experiments"] == []
    assert overnight("log", "--last", "0").code == 2


def test_log_reads_other_peoples_tables_and_names_bad_lines(overnight, tmp_path: Path) -> None:
    table = tmp_path / "results.tsv"
    table.write_text(
        "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
        "abc1234\t0.997900\t44.0\tkeep\tbaseline\n"
        "def5678\tnothing\t44.0\tkeep\tbroken row\n"
        "0000000\t0.000000\t0.0\tcrash\ttoo big\n"
    )
    said = overnight("log", str(table))
    assert said.code == 0
    assert "0.997900" in said.out and "45,056" in said.out
    assert f"{table}, line 3:" in said.err
    found = overnight("log", str(table), "--json").json
    assert [e["status"] for e in found["experiments"]] == ["keep", "crash"]
    assert found["problems"][0]["line_number"] == 3


def test_log_makes_hostile_descriptions_harmless(overnight, story) -> None:
    story.experiment("discard", 1.95, "evil \x1b]0;title\x07\x1b[2J text")
    out = overnight("log").out
    assert "\x1b" not in out and "\x07" not in out
    assert "text" in out


def test_show_tells_reason_asi_and_the_difference_from_its_champion(overnight, story) -> None:
    story.night()
    found = overnight("show", "3", "--json", "s1").json
    assert found["status"] == "discard" and found["reason"] == "worse than the champion"
    assert found["champion"] == {
        "run": 2,
        "metric": 1.9,
        "commit": found["champion"]["commit"],
        "description": "ALPHA 0.9→0.2",
    }
    assert found["change"] == pytest.approx(0.05)
    assert found["asi"]["hypothesis"] == "idea 3"
    assert "-ALPHA = 0.2  # first\n+ALPHA = 0.3  # first" in found["diff"]
    assert found["before"]["train.py"].count("ALPHA = 0.2  # first") == 1
    assert found["after"]["train.py"].count("ALPHA = 0.3  # first") == 1
    text = overnight("show", "3").out
    assert "idea 3" in text and "+ALPHA = 0.3" in text
    assert overnight("show", "3", "--diff").out.startswith("diff --git a/train.py b/train.py")


def test_a_shown_difference_applies_with_git(overnight, story) -> None:
    story.night()
    patch = story.root.parent / "three.patch"
    patch.write_text(overnight("show", "3", "--diff").out)
    story.git("checkout", "-q", story.state().experiments[1].commit)
    done = subprocess.run(["git", "apply", str(patch)], cwd=story.root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ALPHA = 0.3" in (story.root / "train.py").read_text()


def test_show_current_tells_a_change_before_its_commit(overnight, story) -> None:
    assert overnight("show", "current").code == 4
    story.begin()
    assert overnight("show", "current", "--json").json["diff"] == ""
    story.write(ev.ChangeAccepted(at=story.tick(), run=2, description="ALPHA 0.9→0.7", asi={}))
    folder = story.paths.run(2)
    folder.mkdir(parents=True)
    text = (story.root / "train.py").read_text().replace("ALPHA = 0.9", "ALPHA = 0.7")
    (folder / "proposal.json").write_text(json.dumps({"files": {"train.py": text}}))
    found = overnight("show", "current", "--json").json
    assert "+ALPHA = 0.7" in found["diff"]
    assert found["phase"] == "accepted"


def test_a_run_that_is_not_there_is_refused_with_what_there_is(overnight, story) -> None:
    story.night()
    said = overnight("show", "9")
    assert said.code == 4 and "1 to 5" in said.err
    assert overnight("show", "nine").code == 2
    assert overnight("show", "#3", "--json").json["run"] == 3
    assert overnight("show", "champion", "--json").json["run"] == 5
