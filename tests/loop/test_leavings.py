"""Weights stay for the last champions only, samples with their run, and neither can harm a run."""

import hashlib
from pathlib import Path

import pytest

from engine.loop import byhand
from engine.loop.leavings import digest, settle
from engine.loop.main import run
from engine.session import inbox, samples
from engine.session.paths import SessionPaths
from engine.session.samples import Sample
from engine.session.settings import Limits
from tests.loop.lab import BENCHMARK, OUTSIDE, Lab
from tests.session.story import Story

LEAVES = """test -z "$OVERNIGHT_WEIGHTS" || echo "weights of $OVERNIGHT_RUN" > "$OVERNIGHT_WEIGHTS"
printf '[{"prompt": "Once", "text": "Once upon %s"}]' "$OVERNIGHT_RUN" > "$OVERNIGHT_SAMPLES"
"""


def kept(paths: SessionPaths) -> list[str]:
    return sorted(path.name for path in paths.weights.iterdir())


def night(root: Path, count: int, keep: str = "", benchmark: str = LEAVES + BENCHMARK) -> Lab:
    lab = Lab(root, benchmark=benchmark, settings=f"[gate]\njump = 0\n{keep}{OUTSIDE}")
    run(lab.paths, limits=Limits(experiments=count))
    return lab


def test_the_champions_weights_stay_and_those_of_all_others_go(tmp_path: Path) -> None:
    lab = night(tmp_path / "toy", 5)
    champion = lab.state().champion
    assert champion is not None and champion.run > 1
    assert kept(lab.paths) == [f"{champion.run:04d}.pt"]
    assert (lab.paths.weights / kept(lab.paths)[0]).read_text() == f"weights of {champion.run}\n"
    assert digest(lab.paths, champion.run) == hashlib.sha256(b"weights of %d\n" % champion.run).hexdigest()
    assert digest(lab.paths, 1) == "", "these are not kept"
    assert not list(lab.paths.runs.glob("*/final")), "nothing is left in the runs' folders"


def test_the_bound_is_the_settings_and_0_asks_for_none(tmp_path: Path) -> None:
    lab = night(tmp_path / "two", 6, "\n[keep]\ncheckpoints = 2\n")
    line = lab.state().segments[-1].line
    assert kept(lab.paths) == [f"{run:04d}.pt" for run in line[-2:]]
    none = night(tmp_path / "none", 1, "\n[keep]\ncheckpoints = 0\n")
    assert not none.paths.weights.exists()


def test_a_withdrawn_champions_weights_go(tmp_path: Path) -> None:
    lab = night(tmp_path / "toy", 6, "\n[keep]\ncheckpoints = 2\n")
    line = lab.state().segments[-1].line
    assert byhand.send(lab.paths, inbox.request("revert", {"run": str(line[-1])}, "anna")).status == "done"
    run(lab.paths, jobs_only=True)
    assert kept(lab.paths) == [f"{line[-2]:04d}.pt"]


def test_what_a_killed_engines_trial_left_goes_at_the_next_start(tmp_path: Path) -> None:
    lab = night(tmp_path / "toy", 1)
    left = [lab.paths.run(2) / "final", lab.paths.run(2) / "trial-3" / "final"]
    for folder in left:
        folder.mkdir(parents=True)
        (folder / "weights.pt").write_bytes(b"gigabytes")
    run(lab.paths, jobs_only=True)
    assert not any(folder.exists() for folder in left)


def test_every_runs_samples_stay_with_it(tmp_path: Path) -> None:
    lab = night(tmp_path / "toy", 2)
    for experiment in lab.state().experiments:
        assert samples.load(lab.paths.run(experiment.run)) == [Sample("Once", f"Once upon {experiment.run}")]


@pytest.mark.parametrize("garbage", ["not json", "[1, 2]", '{"prompt": 1}', ""])
def test_samples_that_are_none_cost_nothing(tmp_path: Path, garbage: str) -> None:
    writes = f"printf '%s' '{garbage}' > \"$OVERNIGHT_SAMPLES\"\nln -s /etc/passwd \"$OVERNIGHT_WEIGHTS\"\n"
    lab = night(tmp_path / "toy", 1, benchmark=writes + BENCHMARK)
    assert [e.trials[0].outcome for e in lab.state().experiments] == ["ok", "ok"]
    assert samples.load(lab.paths.run(1)) == [] and not (lab.paths.run(1) / samples.FILE).exists()
    assert not lab.paths.weights.exists() or not kept(lab.paths), "a link is no weights"


def test_a_disk_that_fails_harms_no_run(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=LEAVES + BENCHMARK)
    lab.paths.weights.write_text("a file where the folder would be")
    run(lab.paths, limits=Limits(experiments=1))
    assert [e.trials[0].outcome for e in lab.state().experiments] == ["ok", "ok"]


def test_what_is_under_way_and_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    paths, story = SessionPaths(tmp_path), Story()
    paths.weights.mkdir(parents=True)
    story.ran("keep", 1.0)
    story.began()
    for name in ("0001.new", "0002.new", "0007.pt", "mine.pt"):
        (paths.weights / name).touch()
    settle(paths, story.state, 1)
    assert kept(paths) == ["0001.pt", "0002.new", "mine.pt"]
