"""The engine's own time per experiment, with a no-op benchmark in a repository of 1,000 commits.

Reference, in the same run and the same kind of repository: a bare shell loop that does the same git steps (commit the
change and its reference, run the benchmark, commit the revert). Aim: at most 150 ms beyond it.
"""

import resource
import subprocess
import tempfile
import time
from pathlib import Path

from engine.loop.main import run
from engine.session.settings import Limits
from tests.loop.lab import ENV, Lab

COMMITS = 1000
EXPERIMENTS = 40
NO_OP = 'echo "METRIC val_bpb=1.5"\n'

SHELL = """
i=0
while [ $i -lt %d ]; do
  i=$((i + 1))
  sed -i "s/^ALPHA = .*/ALPHA = 0.$i/" train.py
  git add train.py && git commit -qm "experiment: $i" && git update-ref "refs/bare/$i" HEAD
  bash autoresearch.sh > benchmark.out
  git revert --no-edit HEAD > /dev/null
done
"""


def filled(folder: Path) -> Lab:
    """A toy session in a repository that already has COMMITS commits."""
    lab = Lab(folder, benchmark=NO_OP)
    stream = b"".join(
        b"commit refs/heads/autoresearch/toy\ncommitter t <t@localhost> %d +0000\ndata 3\nold\n%s\n"
        % (1_600_000_000 + i, b"from refs/heads/autoresearch/toy^0\n" if i == 0 else b"")
        for i in range(COMMITS)
    )
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=stream, env=ENV, check=True)
    return lab


def cpu() -> float:
    """Seconds of processor time of this process and its ended children."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> None:
    """Print both times per experiment and their difference."""
    with tempfile.TemporaryDirectory() as folder:
        lab = filled(Path(folder) / "engine")
        run(lab.paths, limits=Limits(experiments=2))  # imports, baseline and the first study
        began, used = time.perf_counter(), cpu()
        run(lab.paths, limits=Limits(experiments=EXPERIMENTS))
        engine, engine_cpu = (time.perf_counter() - began) / EXPERIMENTS, (cpu() - used) / EXPERIMENTS
        bare_lab = filled(Path(folder) / "bare")
        began, used = time.perf_counter(), cpu()
        subprocess.run(["bash", "-c", SHELL % EXPERIMENTS], cwd=bare_lab.root, env=ENV, check=True)
        bare, bare_cpu = (time.perf_counter() - began) / EXPERIMENTS, (cpu() - used) / EXPERIMENTS
    for name, wall, used in (("the engine", engine, engine_cpu), ("a bare shell loop", bare, bare_cpu)):
        print(f"{name}, {COMMITS} commits: {wall * 1000:.0f} ms an experiment ({used * 1000:.0f} ms of processor time)")
    print(f"the engine's own time: {(engine - bare) * 1000:.0f} ms beyond it (aim: at most 150)")


if __name__ == "__main__":
    main()
