"""The learning-rate finder on the demo: what it suggests, and the suggested rates trained against half and double.

Three seeds each; the budget is the CPU tier's. `python -m tests.bench.bench_find_lr [GROUP] [NAME]`; it names the
picture, which stays.
"""

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from engine.cli import lrplot
from engine.loop import byhand
from engine.loop.main import run
from engine.reports.lrpicture import png
from engine.session import inbox, journal, lrtest
from engine.session.settings import Limits
from engine.session.state import State
from engine.work.constants import set_constants
from engine.work.creation import create

SEEDS = (1337, 1338, 1339)
FACTORS = (0.5, 1.0, 2.0)


def main() -> None:
    """Print the curve, the suggestions, and val_bpb by factor."""
    words = [word for word in sys.argv[1:] if word != "find_lr"][:2]
    group, name = (words + ["all", "valley"][len(words) :])[:2]
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    folder = Path(tempfile.mkdtemp(prefix="find_lr-"))
    paths = create("bench", folder, tier="cpu", data="demo").paths

    def job(kind: str, **args: str) -> tuple[State, str]:
        asked = inbox.request(kind, args, "bench")
        id = asked.id
        byhand.send(paths, asked)
        run(paths, jobs_only=True)
        state = journal.read(paths.journal)
        assert state.commands[id].status == "done", state.commands[id].answer
        return state, id

    run(paths, limits=Limits(experiments=1))
    champion = journal.read(paths.journal).champion
    assert champion is not None
    own = str(champion.run)
    _, id = job("find-lr", run=own, group=group)
    test = lrtest.load(paths.job(id) / lrtest.FILE)
    assert test is not None
    reading = test.reading()
    print("\n".join([*lrplot.plot(test, reading, 100), *lrplot.told(test, reading)]))
    (folder / "lr.png").write_bytes(png(test, reading))
    print(f"picture: {folder / 'lr.png'}", flush=True)
    suggested = reading.suggestion(name)
    assert suggested is not None
    train = paths.root / "train.py"
    committed = train.read_text()
    for factor in FACTORS:
        values = test.values(suggested.at * factor)
        train.write_text(set_constants(committed, values))
        found: list[float] = []
        for seed in SEEDS:
            state, _ = job("rerun", run=own, seed=str(seed), dirty="true")
            metric = state.jobs[-1].metric
            assert metric is not None
            found.append(metric)
        shown = " ".join(f"{metric:.4f}" for metric in found)
        mean, spread = statistics.fmean(found), statistics.stdev(found)
        said = ", ".join(f"{key} {value}" for key, value in values.items())
        print(f"{name} × {factor:g}: {mean:.4f} ± {spread:.4f} ({shown}) with {said}", flush=True)
    train.write_text(committed)
    shutil.rmtree(paths.root, ignore_errors=True)


if __name__ == "__main__":
    main()
