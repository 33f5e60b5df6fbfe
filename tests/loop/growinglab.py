"""A toy to grow: a model that is a formula, whose loss falls with size, and what a growth log must say of its runs.

Everything is recomputed here from the runs' own METRIC lines, without the engine's code.
"""

import math
import re
from pathlib import Path
from typing import Any

from tests.loop.lab import Lab

TRAIN = '''"""A toy: the loss falls with each size, at a price of its own."""

DEPTH = 2  # layers
WIDTH = 32  # hidden
HEADS = 2  # heads
RANK = 4  # hurts
'''

BENCHMARK = """d=$(sed -n 's/^DEPTH = \\([0-9]*\\).*/\\1/p' train.py)
w=$(sed -n 's/^WIDTH = \\([0-9]*\\).*/\\1/p' train.py)
h=$(sed -n 's/^HEADS = \\([0-9]*\\).*/\\1/p' train.py)
r=$(sed -n 's/^RANK = \\([0-9]*\\).*/\\1/p' train.py)
echo "depth $d, seed $OVERNIGHT_SEED" > run.log
{wait}
awk -v d="$d" -v w="$w" -v h="$h" -v r="$r" -v s="$OVERNIGHT_SEED" -v b="${OVERNIGHT_BUDGET:-20}" 'BEGIN {
  if (h > {heads}) exit 3
  loss = 1.5 + 1 / d + 8 / w + 0.2 / h + 0.05 * r + 4 / b + 0.001 * (s % 7) * d
  printf "METRIC val_bpb=%.9f\\nMETRIC val_loss=%.9f\\n", loss / 2.5, loss
  printf "METRIC num_params_M=%.6f\\nMETRIC peak_vram_mb=%.3f\\nMETRIC step_ms=%.3f\\nMETRIC num_steps=%d\\n",
    (d * w * w * 12 + h * 10 + r * 100) / 1e6, 50 + d * 7 + w / 4 + h, 3 + d * 2 + h * 0.5 + w / 100, b
}'
"""

SETTINGS = """[gate]
jump = 0

[researcher]
kind = "grow"

[run]
seed = 11

[grow]
parameters = {{DEPTH = 1, WIDTH = 8, HEADS = 1, RANK = 1}}
iterations = 1
seeds = 2
rounds = {rounds}
cost = "{cost}"
max_iters_increase = {increase}
"""

COSTS = {"params": ("num_params_M", 1e6), "vram": ("peak_vram_mb", 1.0), "iter": ("step_ms", 1.0)}
METRIC = re.compile(r"^METRIC (\w+)=(\S+)$", re.MULTILINE)


def lab(root: Path, cost: str = "params", rounds: int = 3, increase: int = 0, wait: str = "", heads: int = 99) -> Lab:
    """A session that grows."""
    benchmark = BENCHMARK.replace("{wait}", wait).replace("{heads}", str(heads))
    settings = SETTINGS.format(cost=cost, rounds=rounds, increase=increase)
    made = Lab(root, benchmark, settings)
    (root / "train.py").write_text(TRAIN)
    (root / "prepare.py").write_text('BUDGET = 20\nBUDGET_UNIT = "steps"\n')
    made.git("commit", "-qam", "session: a toy to grow")
    return made


def own_metrics(made: Lab, run: int) -> list[dict[str, float]]:
    """What the run's trials printed, an ended one a seed in the order of the seeds."""
    experiment = made.state().experiments[run - 1]
    found = {}
    for trial in experiment.trials:
        if trial.outcome == "ok":
            folder = made.paths.run(run) / (f"trial-{trial.number}" if trial.number > 1 else "")
            text = (folder / "benchmark.out").read_text()
            found[trial.seed] = {name: float(value) for name, value in METRIC.findall(text)}
    return [found[seed] for seed in sorted(found)]


def recomputed(made: Lab, run: int, cost: str) -> tuple[float, float]:
    """(score, cost) of a run, from its own numbers."""
    name, scale = COSTS[cost]
    own = own_metrics(made, run)
    assert len(own) == 2
    score = sum(1 / math.exp(one["val_loss"]) for one in own) / 2
    return score, sum(one[name] * scale for one in own) / 2


def check_log(made: Lab, log: dict[str, Any], cost: str) -> None:
    """Every figure of the log follows from the runs' own metrics, and every choice is the best there was."""
    delta = {"params": "delta_params", "vram": "delta_vram", "iter": "delta_iter_latency"}[cost]
    base = recomputed(made, 1, cost)
    for entry in log["iterations"]:
        if "candidates" not in entry:
            continue
        worth = {}
        for one in entry["candidates"]:
            score, paid = recomputed(made, one["run"], cost)
            assert math.isclose(one["avg_score"], score, rel_tol=1e-12)
            assert math.isclose(one["delta_score"], score - base[0], rel_tol=1e-6, abs_tol=1e-12)
            assert math.isclose(one[delta], paid - base[1], rel_tol=1e-6, abs_tol=1e-9)
            gained, spent = score - base[0], paid - base[1]
            if gained > 0:
                worth[one["run"]] = (gained / spent if spent > 0 else math.inf, gained)
                assert math.isclose(one["efficiency"], worth[one["run"]][0], rel_tol=1e-6)
        best = max(worth, key=lambda run: worth[run]) if worth else None
        assert (entry["chosen"]["run"] if entry["chosen"] else None) == best
        if best is not None:
            base = recomputed(made, best, cost)
            assert math.isclose(entry["baseline_metrics"]["score"], base[0], rel_tol=1e-12)
