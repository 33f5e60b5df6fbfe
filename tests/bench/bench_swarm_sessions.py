"""Four sessions that share a swarm against four that do not talk: the same number of experiments each, three seeds.

`python -m tests.bench.bench_swarm_sessions [--tier cpu] [--each 6] [--sessions 4] [--seeds 3] [--budget 20]
[--own-seeds]`. Without --tier a toy benchmark of two constants stands for the training, so that the talk is what is
measured; --tier trains for real, --budget that many steps. The sessions of a group have one seed, as those made by
`overnight new` have: each number is the other's to the last digit. With --own-seeds each has its own.
In the morning whoever is not on the swarm's best adopts it, which costs one experiment beyond the night's.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine.session import journal
from engine.session.state import State
from engine.swarm.collective import WHO
from engine.swarm.embedded import open as opened
from tests.loop.lab import ENV, Lab

SHARE = 0.34
"""Re-runs of others' results for each experiment."""
TOY = """sleep 1
alpha=$(sed -n 's/^ALPHA = \\([0-9.e-]*\\).*/\\1/p' train.py)
beta=$(sed -n 's/^BETA = \\([0-9.e-]*\\).*/\\1/p' train.py)
awk -v a="$alpha" -v b="$beta" 'BEGIN { printf "METRIC val_bpb=%.6f\\n", 1 + ((a - 0.3) ^ 2 + (b - 0.6) ^ 2) / 9 }'
"""
SETTINGS = '[gate]\njump = 0\n[guard]\nsandbox = "auto"\n'


def overnight(*words: str) -> str:
    """The command line; its output."""
    done = subprocess.run([sys.executable, "-m", "engine.cli.front", *words], env=ENV, capture_output=True, text=True)
    if done.returncode not in (0, 4):
        raise SystemExit(done.stderr)
    return done.stdout


def session(folder: Path, name: str, tier: str, seed: int, shares: bool, budget: int) -> Path:
    """A session; those that share adopt what is verified, and re-run others' results now and then."""
    root = folder / name
    swarm = f'[swarm]\nauto_adopt = "{"verified" if shares else "off"}"\nverify_share = {SHARE}\n'
    if not tier:
        Lab(root, TOY, f"{SETTINGS}[run]\nseed = {seed}\n{swarm}")
        return root
    short = ["--set", f"BUDGET={budget}"] if budget else []
    overnight("--sessions", str(folder), "new", name, "--tier", tier, *short)
    own = {"run.seed": seed, "run.timeout_s": 7200, "swarm.verify_share": SHARE}  # four share the CPU: no run is late
    for key, value in {**own, "swarm.auto_adopt": "verified" if shares else "off"}.items():
        overnight("edit", key, str(value), "-s", str(root))
    return root


def metric_of(root: Path) -> float:
    """The champion's metric, as its own session measured it."""
    champion = state_of(root).champion
    return champion.metric if champion is not None and champion.metric is not None else float("inf")


def night(roots: list[Path], experiments: int) -> None:
    """Run the engines side by side until each has done so many."""
    command = [sys.executable, "-m", "engine.loop"]
    limits = ["--limits", json.dumps({"experiments": experiments})]
    running = [
        subprocess.Popen([*command, str(root), *limits], env=ENV, start_new_session=True, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
        for root in roots
    ]  # fmt: skip
    for engine in running:
        engine.wait()


def state_of(root: Path) -> State:
    """What its journal says."""
    return journal.read(root / ".overnight" / "journal.jsonl")


def code_of(root: Path) -> str:
    """The champion's train.py: sessions measure the same code under seeds of their own."""
    return (root / "train.py").read_text()


def told(roots: list[Path]) -> tuple[float, float, int, int, int]:
    """Best and worst champion, experiments that were research, repeats among them, adoptions."""
    states = [state_of(root) for root in roots]
    champions = [s.champion.metric for s in states if s.champion is not None and s.champion.metric is not None]
    tried = [e.fingerprint for s in states for e in s.experiments if e.fingerprint and e.researcher != WHO]
    adopted = sum(e.researcher == WHO for s in states for e in s.experiments)
    return min(champions), max(champions), len(tried), len(tried) - len(set(tried)), adopted


def morning(roots: list[Path], file: Path) -> None:
    """Whoever is not on the best of all takes it over."""
    best, top = told(roots)[0], min(roots, key=lambda root: metric_of(root))
    rows = [row for row in opened(file).results(limit=500) if row.record.body["metric"] == best]
    for root in roots:
        if rows and code_of(root) != code_of(top):
            overnight("swarm", "adopt", rows[-1].record.id, "--yes", "-s", str(root))
            night([root], 1)


def main() -> None:
    """Print both, seed by seed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tier", default="")
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--each", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=0, help="steps of a run; 0 = the tier's own")
    parser.add_argument("--own-seeds", action="store_true")
    args, _ = parser.parse_known_args()
    print(f"{args.sessions} sessions, {args.each} experiments each, {args.tier or 'a toy of two constants'}")
    print("seed  group   best      worst champion  tried  repeats  adopted  on best  seconds")
    for seed in range(1, args.seeds + 1):
        for group in ("shared", "apart"):
            with tempfile.TemporaryDirectory() as place:
                folder, began = Path(place), time.monotonic()
                shares = group == "shared"
                names = [f"{group}-{number}" for number in range(args.sessions)]
                seeds = [100 * seed + number * args.own_seeds for number in range(args.sessions)]
                roots = [
                    session(folder, n, args.tier, k, shares, args.budget) for n, k in zip(names, seeds, strict=True)
                ]
                file = folder / "swarm.db"
                if shares:
                    overnight("swarm", "init", str(file))
                    for root in roots:
                        overnight("swarm", "join", str(file), "-s", str(root), "--name", root.name)
                night(roots, args.each)
                if shares:
                    morning(roots, file)
                best, worst, tried, repeats, adopted = told(roots)
                top = min(roots, key=lambda root: metric_of(root))
                same = sum(code_of(root) == code_of(top) for root in roots)
                took = time.monotonic() - began
                print(
                    f"{seed:4}  {group:<6}  {best:.6f}  {worst:14.6f}  {tried:5}  {repeats:7}  {adopted:7}"
                    f"  {same:4}/{len(roots)}  {took:7.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
