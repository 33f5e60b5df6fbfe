"""Queued work on the real template: the same digits again, a profile that adds up, text from kept weights."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from engine.loop import byhand
from engine.loop.main import run
from engine.session import inbox, profiles, samples
from engine.session.settings import Limits
from engine.session.state import Job, State
from tests.assets.template import ASSETS, environment, rewrite
from tests.loop.lab import Lab

SMALL = {"DEPTH": 2, "ASPECT_RATIO": 16, "HEAD_DIM": 16, "TOTAL_BATCH_SIZE": 512, "DEVICE_BATCH_SIZE": 4}
ONE_CHOICE = '[MATRIX_LR]\nkind = "choice"\nvalues = [0.03, 0.02]\nfamily = "rate"\n'


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A session of the small template with a baseline and one experiment, in a sandbox where there is one."""
    root = tmp_path_factory.mktemp("template")
    lab = Lab(root / "toy", settings='[gate]\njump = 0\n\n[guard]\nsandbox = "auto"\n')
    for path in (*ASSETS.glob("*.py"), ASSETS / "autoresearch.sh"):
        (lab.root / path.name).write_bytes(path.read_bytes())
    (lab.root / "search_space.toml").write_text(ONE_CHOICE)
    rewrite(lab.root / "prepare.py", {"MAX_SEQ_LEN": 64, "EVAL_TOKENS": 1024, "VOCAB_SIZE": 512, "BUDGET": 3})
    rewrite(lab.root / "train.py", SMALL)
    lab.git("add", "-A")
    lab.git("commit", "-qm", "the template")
    made = subprocess.run(
        [sys.executable, "prepare.py"], cwd=lab.root, env=environment(root / "cache"), capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVERNIGHT_CACHE", str(root / "cache"))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        run(lab.paths, limits=Limits(experiments=1))
        assert [e.trials[0].outcome for e in lab.state().experiments] == ["ok", "ok"]
        yield lab


def work(lab: Lab, kind: str, **args: str) -> tuple[State, Job]:
    """Ask for it, and have it done."""
    request = inbox.request(kind, args, "tester")
    assert byhand.send(lab.paths, request).status == "queued"
    run(lab.paths, jobs_only=True)
    state = lab.state()
    assert state.jobs and state.jobs[-1].command == request.id, state.commands[request.id].answer
    return state, state.jobs[-1]


def test_a_rerun_gives_the_same_to_the_last_digit(lab: Lab) -> None:
    state, job = work(lab, "rerun", run="2")
    assert job.metric == state.experiments[1].metric and job.metric is not None
    assert job.metrics["val_loss"] == state.experiments[1].metrics["val_loss"]
    assert "the same to the last digit" in state.commands[job.command].answer
    assert (lab.paths.job(job.command) / "run.log").is_file() and "run.log" in job.files


def test_a_profile_splits_the_step_into_parts_that_add_up(lab: Lab) -> None:
    state, job = work(lab, "profile", steps="4")
    assert job.outcome == "ok", job.detail
    found = profiles.load(lab.paths.job(job.command) / profiles.FILE)
    assert found is not None and state.champion is not None
    assert (found.run, found.commit, found.steps) == (state.champion.run, state.champion.commit, 4)
    assert sum(found.phases.values()) == pytest.approx(found.step_ms, rel=1e-6)
    for phase in ("data", "forward", "backward", "optimizer"):
        assert found.phases[phase] > 0, phase
    assert found.phases["gaps"] < 0.5 * found.step_ms, "most of a step is accounted for"
    assert any(one.name.startswith("aten::") for one in found.top)
    assert {"trace.json.gz", "profile.json"} <= set(job.files)
    assert (lab.paths.job(job.command) / "trace.json.gz").stat().st_size > 1000


def test_the_champion_writes_the_same_text_for_the_same_seed_and_another_for_another(lab: Lab) -> None:
    written = []
    for seed in ("1", "1", "2"):
        _, job = work(lab, "sample", prompt="import ", tokens="12", seed=seed)
        assert job.outcome == "ok", job.detail
        written.append(samples.load(lab.paths.job(job.command))[0])
    assert written[0].prompt == "import " and written[0].text
    assert written[0] == written[1] != written[2]


def test_each_experiment_left_three_samples_and_only_the_champion_its_weights(lab: Lab) -> None:
    state = lab.state()
    assert state.champion is not None
    assert [path.name for path in lab.paths.weights.iterdir()] == [f"{state.champion.run:04d}.pt"]
    assert [len(samples.load(lab.paths.run(e.run))) for e in state.experiments] == [3, 3]


def test_weights_that_are_not_kept_are_told_with_those_that_are(lab: Lab) -> None:
    state = lab.state()
    other = next(e.run for e in state.experiments if state.champion and e.run != state.champion.run)
    request = inbox.request("sample", {"run": str(other), "prompt": "a"}, "tester")
    byhand.send(lab.paths, request)
    run(lab.paths, jobs_only=True)
    after = lab.state()
    assert len(after.jobs) == len(state.jobs) and after.commands[request.id].status == "refused"
    assert "kept are those of run" in after.commands[request.id].answer
