"""A loop without git and training: champion and results as the engine keeps them, metrics from a formula."""

import math
from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.researchers.base import Brief, Message, Proposal
from engine.researchers.search.searcher import Search
from engine.researchers.search.values import Value, read
from engine.session.fingerprint import fingerprint
from engine.session.settings import Gate, Metric, Settings
from engine.session.state import Experiment, Trial
from engine.work.constants import read_constants

TRAIN = '''"""A tiny train.py."""

# Shape
DEPTH = 4  # layers
HEAD_DIM = 32  # size of a head
N_EMBD = None  # width, None = derived
BATCH = 2**14  # tokens a step
PATTERN = "SSSL"  # windows
# Rates
MATRIX_LR = 0.02  # Muon
BETAS = (0.8, 0.95)
WARMUP = 0.0


def main() -> None:
    print(MATRIX_LR)
'''

PREPARE = "MAX_SEQ_LEN = 256\nBUDGET = 120\n"

SPACE = """
[MATRIX_LR]
kind = "float"
low = 0.002
high = 0.2
log = true
family = "learning rates"
first = [0.03, 0.015]

[BETAS]
kind = "choice"
values = [[0.8, 0.95], [0.9, 0.95], [0.9, 0.99]]
family = "learning rates"

[WARMUP]
kind = "float"
low = 0.0
high = 0.5
family = "schedule"
first = [0.1]

[DEPTH]
kind = "int"
low = 1
high = 8
family = "shape"
first = [5]

[HEAD_DIM]
kind = "int"
low = 8
high = 128
log = true
family = "shape"
first = [64]

[PATTERN]
kind = "choice"
values = ["SSSL", "SL", "L"]
family = "shape"

[BATCH]
kind = "choice"
values = [8192, 16384, 32768]
family = "batch"

[[constraint]]
rule = "HEAD_DIM % 2 == 0"
message = "HEAD_DIM must be even"

[[constraint]]
rule = "BATCH % (MAX_SEQ_LEN * DEPTH) == 0 or DEPTH in (5, 6, 7)"
message = "the batch must be a multiple of a row"
"""

Objective = Callable[[dict[str, Value]], float | None]


class Play:
    """One session: `step` asks for a change, measures it by `objective` (None = it crashes) and decides greedily."""

    def __init__(
        self,
        root: Path,
        objective: Objective,
        *,
        seed: int = 7,
        space: str = SPACE,
        train: str = TRAIN,
        prepare: str = PREPARE,
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        (root / "search_space.toml").write_text(space)
        (root / "prepare.py").write_text(prepare)
        (root / ".overnight").mkdir(exist_ok=True)
        self.root, self.objective, self.seed = root, objective, seed
        self.researcher = Search(root, seed)
        self.texts = {1: train}
        baseline = Experiment(1, 0, None, 0.0, Gate(), phase="ended", commit="c1", status="keep")
        baseline.metric = self.measure(train)
        self.results: list[Experiment] = [baseline]
        self.champion = baseline

    def measure(self, text: str) -> float | None:
        """The metric of a train.py; None = it crashes."""
        return self.objective(values_in(text))

    def brief(self, *messages: Message, refusals: tuple[str, ...] = ()) -> Brief:
        """What the engine would tell the researcher now."""
        failures = 0
        for experiment in reversed(self.results):
            if experiment.status == "keep":
                break
            failures += 1
        return Brief(
            run=len(self.results) + 1,
            session=self.root,
            settings=Settings(),
            metric=Metric(),
            files={"train.py": self.texts[self.champion.run]},
            champion=msgspec.structs.replace(self.champion),
            results=tuple(self.results),
            failures_in_row=failures,
            messages=messages,
            refusals=refusals,
            tried={
                e.fingerprint: f"run {e.run}"
                for e in self.results
                if e.champion == self.champion.run and "interrupted" not in e.flags
            },
        )

    def restart(self) -> None:
        """A new engine: nothing survives but the results and the session's files."""
        self.researcher = Search(self.root, self.seed)

    def step(self, *messages: Message) -> Proposal:
        """One experiment."""
        proposal = self.researcher.propose(self.brief(*messages))
        self.carry_out(proposal)
        return proposal

    def carry_out(self, proposal: Proposal, outcome: str = "") -> Experiment:
        """Measure and decide `proposal`; `outcome` "interrupted": the engine died under it."""
        run, text = len(self.results) + 1, proposal.files["train.py"]
        metric = None if outcome else self.measure(text)
        kept = metric is not None and (self.champion.metric is None or metric < self.champion.metric)
        status = "crash" if metric is None else "keep" if kept else "discard"
        experiment = Experiment(
            run, 0, self.champion.run, 0.0, Gate(), "search", phase="ended", commit=f"c{run}", status=status
        )
        experiment.description, experiment.params, experiment.asi = proposal.description, proposal.params, proposal.asi
        experiment.metric, experiment.fingerprint = metric, fingerprint({"train.py": text})
        experiment.flags = (outcome,) if outcome else ()
        ended = outcome or ("crash" if metric is None else "ok")
        experiment.trials = [Trial(1, f"c{run}", 1, "candidate", "", 0.0, ended, metric)]
        before = self.brief()
        self.texts[run] = text
        if kept:
            self.champion = experiment
        told = msgspec.structs.replace(
            before, champion=self.champion, files={"train.py": self.texts[self.champion.run]}
        )
        experiment.asi = {**proposal.asi, **self.researcher.learn(told, experiment)}
        self.results.append(experiment)
        return experiment


def values_in(text: str) -> dict[str, Value]:
    """The constants of a train.py as values."""
    return {name: read(source) for name, source in read_constants(text).items()}


def bowl(values: dict[str, Value]) -> float:
    """Best at MATRIX_LR 0.06, DEPTH 6, WARMUP 0.2."""
    rate, depth, warmup = values["MATRIX_LR"], values["DEPTH"], values["WARMUP"]
    assert isinstance(rate, float) and isinstance(depth, int) and isinstance(warmup, float)
    return 2.0 + 0.1 * math.log(rate / 0.06) ** 2 + 0.01 * (depth - 6) ** 2 + 0.3 * (warmup - 0.2) ** 2
