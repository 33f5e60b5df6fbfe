"""Training steps per second with the engine around it, against the same train.py run bare with the same environment.

Runs alternate, so that what else the machine does hits both alike. Aim: at least 0.98 of the bare rate.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine.loop.effects import RunTrial
from engine.loop.training import Training
from engine.session.settings import load
from engine.session.state import Segment
from engine.work.creation import create
from engine.work.environment import trial_environment

STEPS = 40
PAIRS = 4


def main() -> None:
    """Print the median step rates and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        paths = create("bench", Path(folder), tier="cpu", data="demo").paths
        settings = load(paths.settings)
        training = Training(paths, "")
        segment = Segment(0, "", settings.metric, settings.run, ("train.py",), {}, "", str(STEPS), time.time())
        bare_env = trial_environment(
            os.environ, python=sys.executable, seed=1, budget=str(STEPS), cookie="bench:1:1", run=1, cpu=True
        )
        rates: dict[str, list[float]] = {"engine": [], "bare": []}
        for pair in range(PAIRS):
            ended = training.trial(RunTrial(1, pair + 1, "", 1, "candidate"), segment, settings)
            rates["engine"].append(1000 / ended.metrics["step_ms"])
            done = subprocess.run(
                ["bash", "autoresearch.sh"], cwd=paths.root, env=bare_env, capture_output=True, text=True, check=True
            )
            found = re.search(r"METRIC step_ms=([\d.]+)", done.stdout)
            assert found is not None, done.stdout
            rates["bare"].append(1000 / float(found[1]))
    engine, bare = (statistics.median(rates[name]) for name in ("engine", "bare"))
    for name, found_rates in rates.items():
        shown = " ".join(f"{rate:.2f}" for rate in found_rates)
        print(f"{name}: {statistics.median(found_rates):.2f} steps/s ({shown})")
    print(f"with the engine / without: {engine / bare:.3f} (aim: at least 0.98)")


if __name__ == "__main__":
    main()
