"""A researcher that cheats in every known way, against the real engine: nothing is kept, and each reason is told."""

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
SEEN_AFTER = {
    "more steps than given": ("steps < LIMIT", "steps < 3 * LIMIT", "budget_exceeded"),
    "seconds that never were": ('{time.perf_counter() - began:.3f}")', '{steps * 1e6:.3f}")', "clock_disagrees"),
}


class Cheat:
    """Proposes each cheat together with a real improvement, and insists when it is refused."""

    name = "cheat"

    def __init__(self, cheats: list[tuple[str, str]], better: bool = True) -> None:
        self.cheats, self.better, self.first, self.heard = cheats, better, 0, list[str]()

    def propose(self, brief: Brief) -> Proposal:
        self.first = self.first or brief.run
        self.heard += brief.refusals
        old, new = self.cheats[(brief.run - self.first) % len(self.cheats)]
        text = brief.files["train.py"]
        assert old in text
        changed = text.replace(old, new)
        return Proposal(f"cheat {brief.run}", {"train.py": changed.replace(*BETTER) if self.better else changed})

    def learn(self, brief: Brief, experiment: Experiment) -> dict[str, str]:
        return {"result": experiment.reason}

    def close(self) -> None:
        pass


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path / "toy", benchmark=BENCHMARK)
    (made.root / "train.py").write_text(TRAIN)
    (made.root / "prepare.py").write_text(PREPARE)
    made.git("commit", "-qam", "session: a toy that is measured")
    return made


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
