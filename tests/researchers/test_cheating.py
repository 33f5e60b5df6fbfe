"""A researcher that cheats in every known way, against the real engine: nothing is kept, and each reason is told."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.loop import main
from engine.loop.main import run
from engine.researchers.base import Brief, Proposal
from engine.session.settings import Limits
from engine.session.state import Experiment, State
from tests.loop.lab import Lab

TRAIN = '''"""A toy that learns and is measured as the template is."""

import os
import time

from prepare import BUDGET, evaluate_bpb

RATE = 0.9  # best at 0.1
SEED = int(os.environ.get("OVERNIGHT_SEED", "1337"))
LIMIT = float(os.environ.get("OVERNIGHT_BUDGET") or BUDGET)


def main() -> None:
    began, steps, weight = time.perf_counter(), 0, 1.0
    while steps < LIMIT:
        steps += 1
        weight *= RATE
    bpb = evaluate_bpb(weight)
    print(f"val_bpb: {bpb:.6f}")
    print(f"training_seconds: {time.perf_counter() - began:.3f}")
    print(f"num_steps: {steps}")


if __name__ == "__main__":
    main()
'''
PREPARE = """BUDGET = 4
BUDGET_UNIT = "steps"


def evaluate_bpb(weight):
    return 1 + abs(weight)
"""
BENCHMARK = """"$OVERNIGHT_PYTHON" train.py > run.log || exit 1
sed -n 's/^\\([a-z_]*\\): \\([0-9.]*\\)$/METRIC \\1=\\2/p' run.log
"""
BETTER = ("RATE = 0.9", "RATE = 0.2")
MEASURE = "    bpb = evaluate_bpb(weight)\n"
SEEN_BEFORE = {
    "prepare patched": (
        MEASURE,
        f"    import prepare\n    prepare.evaluate_bpb = None\n{MEASURE}",
        "changes prepare.evaluate_bpb",
    ),
    "sys.modules": (MEASURE, f"    import sys\n    sys.modules['prepare'].BUDGET = 9\n{MEASURE}", "sys.modules"),
    "the measure monkeypatched": (
        MEASURE,
        f"    evaluate_bpb.__code__ = main.__code__\n{MEASURE}",
        "evaluate_bpb.__code__",
    ),
    "a subprocess": (MEASURE, f"    import subprocess\n{MEASURE}", "imports subprocess"),
    "a socket": (MEASURE, f"    import socket\n{MEASURE}", "imports socket"),
    "the validation text": (MEASURE, f"    text = open('val.tokens', 'rb')\n{MEASURE}", "val.tokens"),
    "a constant as the metric": ("{bpb:.6f}", "{0.5:.6f}", "not what evaluate_bpb gave"),
    "a METRIC line": (MEASURE, f"{MEASURE}    print('METRIC val_bpb=0.5')\n", "METRIC val_bpb"),
    "the clock": (MEASURE, f"    time.perf_counter = lambda: 0.0\n{MEASURE}", "changes time.perf_counter"),
    "the budget": ("or BUDGET)", "or BUDGET) * 9", "the budget is fixed"),
    "the records": (MEASURE, f"    log = 'autoresearch.jsonl'\n{MEASURE}", "autoresearch.jsonl"),
    "the environment": (
        MEASURE,
        f"    os.environ['OVERNIGHT_SEED'] = '7'\n{MEASURE}",
        "OVERNIGHT_SEED in the environment",
    ),
}
ELSEWHERE = {
    "the pinned measure": ("abs(weight)", "0", "prepare.py"),
    "the benchmark": ("train.py > run.log", "train.py --fast > run.log", "autoresearch.sh"),
    "the packages": ("dependencies = []", 'dependencies = ["fastmath"]', "pyproject.toml"),
}
"""Changes of files that are not the researcher's: what is replaced, by what, in which file."""
SEEN_AFTER = {
    "more steps than given": ("steps < LIMIT", "steps < 3 * LIMIT", "budget_exceeded"),
    "a pinned file rewritten by a name in pieces": (
        MEASURE,
        "    import logging\n    at = __file__.replace('train', 'prep' + 'are')\n"
        f"    logging.FileHandler(at).stream.write('#')\n{MEASURE}",
        "pinned_changed",
    ),
    "its own source rewritten": (
        MEASURE,
        f"    import logging\n    logging.FileHandler(__file__).stream.write('#')\n{MEASURE}",
        "editable_changed",
    ),
    "seconds that never were": ('{time.perf_counter() - began:.3f}")', '{steps * 1e6:.3f}")', "clock_disagrees"),
}


class Cheat:
    """Proposes each cheat together with a real improvement, and insists when it is refused.

    A cheat: what is replaced, by what, and in which file where that is not train.py.
    """

    name = "cheat"

    def __init__(self, cheats: Sequence[tuple[str, ...]], better: bool = True) -> None:
        self.cheats, self.better, self.first, self.heard = cheats, better, 0, list[str]()

    def propose(self, brief: Brief) -> Proposal:
        self.first = self.first or brief.run
        self.heard += brief.refusals
        old, new, *where = self.cheats[(brief.run - self.first) % len(self.cheats)]
        files = dict(brief.files)
        for name in where or ["train.py"]:
            text = files.get(name) or (brief.session / name).read_text()
            assert old in text
            files[name] = text.replace(old, new)
        if self.better:
            files["train.py"] = files["train.py"].replace(*BETTER)
        return Proposal(f"cheat {brief.run}", files, usage={"cost_usd": 0.25, "input_tokens": 1000.0})

    def learn(self, brief: Brief, experiment: Experiment) -> dict[str, str]:
        return {"result": experiment.reason}

    def close(self) -> None:
        pass


def measured(root: Path) -> Lab:
    """A toy session whose train.py is measured by its prepare.py, as the template is."""
    made = Lab(root / "toy", benchmark=BENCHMARK)
    (made.root / "train.py").write_text(TRAIN)
    (made.root / "prepare.py").write_text(PREPARE)
    made.git("commit", "-qam", "session: a toy that is measured")
    return made


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return measured(tmp_path)


def night(lab: Lab, cheat: Cheat, monkeypatch: pytest.MonkeyPatch) -> State:
    monkeypatch.setattr(main, "make", lambda kind, settings, session: cheat)
    run(lab.paths, limits=Limits(experiments=len(cheat.cheats)))
    return lab.state()


def test_the_improvement_alone_would_be_kept(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    state = night(lab, Cheat([("RATE = 0.9", "RATE = 0.2")]), monkeypatch)
    assert [e.status for e in state.experiments] == ["keep", "keep"]


def test_no_cheat_that_can_be_seen_in_the_code_is_ever_trained(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    cheat = Cheat([(old, new) for old, new, _ in SEEN_BEFORE.values()])
    state = night(lab, cheat, monkeypatch)
    experiments = state.experiments[1:]
    assert len(experiments) == len(SEEN_BEFORE)
    for (name, (_, _, reason)), experiment in zip(SEEN_BEFORE.items(), experiments, strict=True):
        assert experiment.status != "keep" and not experiment.trials, name
        assert experiment.refusals and all(reason in refusal for refusal in experiment.refusals), (name, experiment)
        assert "train.py, line " in experiment.refusals[0], name
        assert reason in experiment.reason, "the operator sees it too"
        assert any(reason in heard for heard in cheat.heard), "the researcher was told"
    assert state.champion is not None and state.champion.is_baseline
    assert (lab.root / "train.py").read_text() == TRAIN


def test_no_file_but_the_editable_ones_is_ever_taken(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: (lab.root / name).read_text() for _, _, name in ELSEWHERE.values()}
    state = night(lab, Cheat(list(ELSEWHERE.values())), monkeypatch)
    for (_, _, file), experiment in zip(ELSEWHERE.values(), state.experiments[1:], strict=True):
        assert experiment.status != "keep" and not experiment.trials
        assert f"{file} is outside the scope" in experiment.reason
        assert (lab.root / file).read_text() == before[file]
        assert experiment.usage["cost_usd"] == pytest.approx(0.75), "three refused proposals were paid"


def test_the_seed_alone_is_no_change(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    state = night(lab, Cheat([('"1337"', '"1338"')], better=False), monkeypatch)
    assert state.experiments[1].status != "keep"
    assert "only the seed differs" in state.experiments[1].refusals[0]


def test_no_cheat_that_only_shows_in_the_run_is_believed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    state = night(lab, Cheat([(old, new) for old, new, _ in SEEN_AFTER.values()]), monkeypatch)
    for (name, (_, _, flag)), experiment in zip(SEEN_AFTER.items(), state.experiments[1:], strict=True):
        assert experiment.status == "discard" and flag in experiment.flags, (name, experiment)
        assert "not believed" in experiment.reason
    assert state.champion is not None and state.champion.is_baseline
