"""`search` against random search: real training runs on the CPU from the same start, the best val_bpb of each.

Random search changes one constant of the same space to a value drawn evenly from its range (by logarithm where the
space says so), refuses what cannot run by the same rules, and keeps what is better: all that `search` has over it is
judgement.
Both see the same baseline, seed and number of experiments. Run: python -m tests.bench.bench_search
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine.researchers.base import Brief, Exhausted, Proposal
from engine.researchers.search import space
from engine.researchers.search.sources import arrows, describe, sources
from engine.researchers.search.steps import NEAR, apart, at
from engine.session import metrics
from engine.session.assets import assets_dir
from engine.session.fingerprint import fingerprint
from engine.work.environment import trial_environment
from tests.researchers.playing import Play

FILES = ("prepare.py", "corpus.py", "device.py", "attention.py", "fused.py", "autoresearch.sh")


class RandomSearch:
    """The reference: one constant, one value, by chance."""

    name = "random"

    def __init__(self, session: Path, seed: int) -> None:
        self._session, self._chance = session, random.Random(seed)

    def propose(self, brief: Brief) -> Proposal:
        """A change that can run and was not tried on this champion."""
        known, source = space.load(self._session), sources(brief.files, self._session)
        names = [name for name in known.constants if name in source.values]
        for _ in range(1000):
            constant = known.constants[self._chance.choice(names)]
            if constant.kind == "choice":
                value = self._chance.choice(constant.values)
            else:
                value = at(constant, self._chance.random())
            if apart(constant, value, source.values[constant.name]) < (NEAR if constant.kind == "float" else 1e-9):
                continue
            if source.broken(known, {constant.name: value}):
                continue
            files, params = source.changed({constant.name: value})
            if fingerprint(files) not in brief.tried:
                return Proposal(describe(params), files, {"arch_change": arrows(params)}, params)
        raise Exhausted("random search found nothing new in 1,000 draws")

    def learn(self, brief: Brief, experiment: object) -> dict[str, str]:
        """Nothing is learnt."""
        return {}

    def close(self) -> None:
        """Nothing is held."""


class Night(Play):
    """A loop whose metrics come from training. What both researchers try alike is trained once: runs repeat exactly."""

    known: dict[tuple[int, str], float | None] = {}

    def __init__(self, root: Path, seed: int, steps: str) -> None:
        root.mkdir(parents=True)
        for name in FILES:
            shutil.copy(assets_dir() / name, root / name)
        self.steps = steps
        texts = {name: (assets_dir() / name).read_text() for name in ("search_space.toml", "train.py", "prepare.py")}
        self.root, self.seed = root, seed
        super().__init__(
            root,
            lambda values: None,
            seed=seed,
            space=texts["search_space.toml"],
            train=texts["train.py"],
            prepare=texts["prepare.py"],
        )

    def environment(self) -> dict[str, str]:
        """What the engine gives a trial on the CPU."""
        return trial_environment(
            os.environ, python=sys.executable, seed=self.seed, budget=self.steps, cookie="bench", run=1, cpu=True
        )

    def measure(self, text: str) -> float | None:
        """val_bpb of a real run; None where it crashed."""
        key = self.seed, fingerprint({"train.py": text})
        if key not in self.known:
            (self.root / "train.py").write_text(text)
            command = ["bash", "autoresearch.sh"]
            done = subprocess.run(command, cwd=self.root, env=self.environment(), capture_output=True, text=True)
            scan = metrics.scan(done.stdout)
            self.known[key] = scan.values.get("val_bpb") if done.returncode == 0 else None
        return self.known[key]


def compare(folder: Path, seed: int, experiments: int, steps: str) -> tuple[float, dict[str, float]]:
    """The baseline's val_bpb and the best of each researcher."""
    best: dict[str, float] = {}
    start = 0.0
    for kind in ("search", "random"):
        night = Night(folder / f"{kind}-{seed}", seed, steps)
        if kind == "random":
            night.researcher = RandomSearch(night.root, seed)  # type: ignore[assignment]
        if night.champion.metric is None:
            raise SystemExit(f"the baseline crashed; see its log:\n{(night.root / 'run.log').read_text()[-2000:]}")
        start = night.champion.metric
        for number in range(1, experiments + 1):
            proposal = night.step()
            result = night.results[-1]
            shown = "crash" if result.metric is None else f"{result.metric:.6f}"
            print(
                f"  seed {seed} {kind} {number}/{experiments}: {proposal.description}: {shown} {result.status}",
                file=sys.stderr,
            )
        assert night.champion.metric is not None
        best[kind] = night.champion.metric
    return start, best


def report(rows: list[tuple[int, float, dict[str, float]]], experiments: int) -> Iterator[str]:
    """A line for each seed and one for all: best val_bpb, and the gain of search as a multiple of random search's."""
    gains: dict[str, list[float]] = {"search": [], "random": []}
    for seed, start, best in rows:
        for kind, metric in best.items():
            gains[kind].append(start - metric)
        yield (
            f"search, seed {seed}, {experiments} experiments: baseline {start:.6f}, best of search "
            f"{best['search']:.6f}, of random search {best['random']:.6f} "
            f"({ratio(start - best['search'], start - best['random'])})"
        )
    mine, other = (sum(gains[kind]) / len(rows) for kind in ("search", "random"))
    yield f"search: mean gain {mine:.6f} against {other:.6f} of random search ({ratio(mine, other)})"


def ratio(mine: float, other: float) -> str:
    """One gain as a multiple of the other."""
    return f"{mine / other:.2f}x the gain" if other > 0 else "random search gained nothing"


def main() -> None:
    """Train the cache if need be, run the nights, print the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--experiments", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", default="", help="optimizer steps of a run (default: the template's)")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ready = folder / "prepare"
        ready.mkdir()
        for file in FILES:
            shutil.copy(assets_dir() / file, ready / file)
        subprocess.run([sys.executable, "prepare.py"], cwd=ready, check=True, stdout=subprocess.DEVNULL)
        for seed in range(1337, 1337 + options.seeds):
            rows.append((seed, *compare(folder, seed, options.experiments, options.steps)))
    for line in report(rows, options.experiments):
        print(line)


if __name__ == "__main__":
    main()
