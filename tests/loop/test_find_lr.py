"""find-lr and try from end to end: a quadratic in torch with a known stable rate, real processes, the gate."""

import json
import re
from pathlib import Path

import pytest

from engine.loop import byhand
from engine.loop.commands import react
from engine.loop.main import run
from engine.session import events as ev
from engine.session import inbox, lrtest
from engine.session.settings import Limits
from engine.session.state import State
from engine.work.jobs.find_lr import asked_of
from engine.work.jobs.job import Refused
from tests.loop.lab import Lab
from tests.session.story import Story

STABLE = 2 / 50
TRAIN = '''"""½ Σ λ θ² by SGD: stable below 2 / 50. A second group trains along."""

MATRIX_LR = 0.005  # of the matrix
BIAS_LR = 0.001
ALPHA = 0.9  # first
BETA = 0.1  # second


def main():
    import os
    import torch

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(int(os.environ["OVERNIGHT_SEED"]))
    matrix, bias = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(2))
    curvature = torch.tensor([50.0, 20.0, 5.0])
    slow = {"params": [bias], "lr": BIAS_LR, "name": "bias"}
    optimizer = torch.optim.SGD([{"params": [matrix], "lr": MATRIX_LR, "name": "matrix"}, slow])
    for step in range(int(os.environ["OVERNIGHT_BUDGET"])):
        for group in optimizer.param_groups:
            group["lr"] = 123.0  # a schedule, which the test overrules
        shaken = matrix + 0.02 * torch.randn(3, generator=generator)
        loss = (curvature * shaken**2).sum() / 2 + (bias**2).sum()
        if not loss < 1e6:
            raise SystemExit("FAIL diverged")
        optimizer.zero_grad()
        for _ in range(2):
            (loss / 2).backward(retain_graph=True)
        optimizer.step()


if __name__ == "__main__":
    main()
'''


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "toy")
    (lab.root / "train.py").write_text(TRAIN)
    (lab.root / "pyproject.toml").write_text('[project]\nname = "toy"\nversion = "0"\ndependencies = ["torch"]\n')
    lab.git("commit", "-qam", "a quadratic")
    return lab


def ask(lab: Lab, kind: str, **args: str) -> str:
    request = inbox.request(kind, args, "tester")
    byhand.send(lab.paths, request)
    return request.id


def find(lab: Lab, **args: str) -> tuple[State, str]:
    """A baseline, then the test in an engine of its own."""
    if not lab.state().experiments:
        run(lab.paths, limits=Limits(experiments=1))
    id = ask(lab, "find-lr", **args)
    run(lab.paths, jobs_only=True)
    return lab.state(), id


def test_one_group_is_raised_to_divergence_beside_a_control_and_the_known_rate_bounds_it(lab: Lab) -> None:
    state, id = find(lab, group="matrix", steps="60", seeds="1")
    job = state.jobs[0]
    assert (job.outcome, job.seed) == ("ok", 1337), job.detail
    test = lrtest.load(lab.paths.job(id) / lrtest.FILE)
    assert test is not None and state.champion is not None
    assert (test.run, test.commit) == (state.champion.run, state.champion.commit)
    assert [sweep.seed for sweep in test.sweeps] == [1337] and test.constants == {"MATRIX_LR": 0.005}
    reading = test.reading()
    assert reading.clear and reading.edge is not None
    assert STABLE <= reading.edge * test.unit() < 4 * STABLE
    for one in reading.suggestions:
        assert 0.0005 < one.at * test.unit() < STABLE
        assert job.metrics[one.name] == pytest.approx(one.at * test.unit())
    assert state.commands[id].answer.startswith("MATRIX_LR, over one seed, suggested: steepest 0.0")
    assert not (lab.paths.job(id) / "tree").exists() and not (lab.paths.job(id) / "made").exists()


def test_all_groups_are_raised_together_between_the_asked_multiples(lab: Lab) -> None:
    state, id = find(lab, steps="40", seeds="2", min="0.1", max="3")
    assert state.jobs[0].outcome == "ok", state.jobs[0].detail
    test = lrtest.load(lab.paths.job(id) / lrtest.FILE)
    assert test is not None and test.constants == {"BIAS_LR": 0.001, "MATRIX_LR": 0.005}
    points = test.sweeps[0].points
    assert len(points) == 40 and points[0][0] == pytest.approx(0.1) and points[-1][0] == pytest.approx(3)
    assert [sweep.seed for sweep in test.sweeps] == [1337, 1338]
    assert test.sweeps[0].ended == "range" and "raise --max" in state.commands[id].answer


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"group": "../x"}, "group is '../x'; expected a name"),
        ({"min": "2", "max": "3"}, "max must be at least twice min"),
        ({"min": "-1"}, "min is '-1'; expected a number from 1e-12"),
        ({"steps": "3"}, "steps is '3'; expected a number from 20"),
        ({"seeds": "1.5"}, "expected a whole number"),
    ],
)
def test_what_can_never_be_tested_is_refused_when_it_is_asked_for(args: dict[str, str], why: str) -> None:
    with pytest.raises(Refused, match=re.escape(why)):
        asked_of(args)


def test_a_group_that_is_not_there_and_a_range_that_is_none_are_told(lab: Lab) -> None:
    state, id = find(lab, group="heads", seeds="1")
    why = "no parameter group is named 'heads'; there are: bias, matrix, all"
    assert state.commands[id].answer.endswith(f"could be tested: {why}"), "and nothing of what train.py printed"
    state, id = find(lab, group="matrix", min="1")
    assert state.commands[id].status == "refused" and "name both --min and --max" in state.commands[id].answer
    assert len(state.jobs) == 1, "nothing was begun for it"


def test_a_train_py_whose_optimizer_is_not_seen_says_so(lab: Lab) -> None:
    (lab.root / "train.py").write_text("ALPHA = 0.9\nBETA = 0.1\n")
    lab.git("commit", "-qam", "no training")
    state, id = find(lab)
    assert "before two steps of an optimizer" in state.commands[id].answer and state.jobs[0].outcome == "crash"


def test_constants_that_are_asked_for_become_the_next_experiment_and_the_gate_decides(lab: Lab) -> None:
    run(lab.paths, limits=Limits(experiments=1))
    count, head = len(lab.state().experiments), lab.git("rev-parse", "HEAD")
    better = ask(lab, "try", values="ALPHA = 0.3\nBETA = 0.6", why="known to be best")
    assert lab.state().commands[better].status == "queued" and lab.git("rev-parse", "HEAD") == head
    worse = ask(lab, "try", values="ALPHA = 0.8")
    run(lab.paths, limits=Limits(experiments=2))
    state = lab.state()
    kept, discarded = state.experiments[count : count + 2]
    assert (kept.status, kept.metric, kept.researcher) == ("keep", 1.0, "operator")
    assert kept.params == {"ALPHA": (kept.params["ALPHA"][0], "0.3"), "BETA": (kept.params["BETA"][0], "0.6")}
    assert kept.asi["hypothesis"] == "known to be best" and kept.description.startswith("try ALPHA")
    assert (discarded.status, discarded.asi["hypothesis"]) == ("discard", "asked by tester")
    assert [state.commands[id].answer for id in (better, worse)] == [
        f"tried as run {run}; the gate decides" for run in (kept.run, discarded.run)
    ]


@pytest.mark.parametrize("values", ["", "ALPHA", "alpha = 1", "ALPHA = f()", "ALPHA = 1\nALPHA = 2", "import os"])
def test_a_try_names_constants_and_literals_and_nothing_else(values: str) -> None:
    request = inbox.Request("t1", "try", {"values": values}, "anna", 1.0)
    refused = react(Story().state, request, 2.0)[-1]
    assert isinstance(refused, ev.CommandRefused) and "such as MATRIX_LR = 0.02" in refused.reason


def test_a_try_that_changes_nothing_or_names_no_constant_is_refused_and_the_researcher_asked(lab: Lab) -> None:
    run(lab.paths, limits=Limits(experiments=1))
    unknown, same = ask(lab, "try", values="GAMMA = 1"), ask(lab, "try", values="MATRIX_LR = 0.005")
    run(lab.paths, limits=Limits(experiments=1))
    state = lab.state()
    assert state.commands[unknown].answer == "train.py has no constant GAMMA"
    assert state.commands[same].status == "refused"
    assert state.experiments[-1].researcher == "search"


def test_the_verb_shows_the_curve_and_applies_nothing_unless_asked(lab: Lab) -> None:
    run(lab.paths, limits=Limits(experiments=1))
    before, text = lab.git("rev-parse", "HEAD"), (lab.root / "train.py").read_text()
    words = ("find-lr", "-s", str(lab.root), "--steps", "60", "--seeds", "1")
    shown = lab.overnight(*words)
    assert shown.returncode == 0, shown.stderr
    assert any("\u2800" < cell <= "\u28ff" for cell in shown.stdout)
    assert "V valley" in shown.stdout and "training diverged at" in shown.stdout and "MATRIX_LR" in shown.stdout
    assert not [command for command in lab.state().commands.values() if command.kind == "try"]
    assert (lab.git("rev-parse", "HEAD"), (lab.root / "train.py").read_text()) == (before, text)
    done = lab.overnight(*words, "--group", "matrix", "--apply", "steepest", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0 and "is tried as the next experiment" in document["applied"]
    if document["picture"]:
        assert Path(document["picture"]).read_bytes().startswith(b"\x89PNG")
    count = len(lab.state().experiments)
    run(lab.paths, limits=Limits(experiments=1))
    tried = lab.state().experiments[count]
    assert tried.researcher == "operator"
    assert tried.params["MATRIX_LR"][1] == document["suggestions"]["steepest"]["MATRIX_LR"]


def test_a_leap_of_the_other_groups_at_the_beginning_is_no_divergence(lab: Lab) -> None:
    leaping = TRAIN.replace("+ (bias**2).sum()", "+ (bias**2).sum() + (500.0 if 5 <= step < 15 else 0.0)")
    (lab.root / "train.py").write_text(leaping)
    lab.git("commit", "-qam", "a leap")
    state, id = find(lab, group="matrix", steps="60", seeds="1")
    test = lrtest.load(lab.paths.job(id) / lrtest.FILE)
    assert test is not None, state.commands[id].answer
    assert test.reading().clear and len(test.sweeps[0].points) > 20
