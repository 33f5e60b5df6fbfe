"""A growth search recorded for the console: losses by a formula, the choices by the search's own ranking."""

from __future__ import annotations

import math
from pathlib import Path

from engine.session import events as ev
from engine.session import growing, lineage
from engine.session.events import Planned
from engine.session.journal import read
from engine.session.settings import Gate
from engine.session.state import State
from tests.tui.recording import Recording

STEPS = {"DEPTH": 1, "N_EMBD": 64, "N_HEAD": 2, "MLP_WIDTH": 128}
START = {"DEPTH": 4, "N_EMBD": 256, "N_HEAD": 4, "MLP_WIDTH": 512}
SEEDS = (1337, 1338)
HEADS = 6  # more do not fit


class GrowingNight(Recording):
    """`play(rounds)` records whole rounds, `round_under_way` one whose second candidate is training."""

    def __init__(self, root: Path, cost: str = "params") -> None:
        super().__init__(root)
        self.cost, self.sizes, self.number = cost, dict(START), 0
        self.open()
        self._measure("", self.sizes, None)

    @property
    def state(self) -> State:
        """The journal's fold."""
        return read(self.paths.journal)

    def play(self, rounds: int) -> GrowingNight:
        """These rounds to their ends."""
        for _ in range(rounds):
            for planned in self.plan():
                self._measure(planned.key, {**self.sizes, planned.param: int(str(planned.value))}, self.line[-1])
            self.decide()
        return self

    def round_under_way(self) -> GrowingNight:
        """The next round: a candidate is done, one at its second seed, two wait."""
        first, second, *_ = self.plan()
        self._measure(first.key, {**self.sizes, first.param: int(str(first.value))}, self.line[-1])
        run = self._begin(second.key, self.line[-1])
        sizes = {**self.sizes, second.param: int(str(second.value))}
        self._trial(run, 1, SEEDS[0], sizes)
        self.write(ev.TrialBegan(at=self.tick(), run=run, trial=2, commit=f"{run:07x}" + "0" * 33, seed=SEEDS[1]))
        return self

    def plan(self) -> tuple[Planned, ...]:
        """A round begins."""
        self.number += 1
        those = tuple(
            Planned(f"{name}={self.sizes[name] + step}", name, self.sizes[name] + step, {})
            for name, step in STEPS.items()
        )
        config = {name: str(value) for name, value in self.sizes.items()}
        self.write(
            ev.RoundPlanned(
                at=self.tick(), round=self.number, segment=0, base=self.line[-1], cost=self.cost, seeds=len(SEEDS),
                budget="200", candidates=those, config=config,
            )
        )  # fmt: skip
        return those

    def decide(self, stop: str = "") -> None:
        """It takes the best one, or the search stops."""
        state = self.state
        best = growing.ranked(growing.candidates(state, state.rounds[-1]))[0]
        if stop or best.run is None:
            reason = "none of 4 candidates raised the score"
            self.write(ev.RoundDecided(at=self.tick(), round=self.number, chosen=None, reason=reason, stop=stop))
            return
        reason = f"round {self.number}: {best.key}, score {best.delta_score:+.6f}"
        self.write(ev.RoundDecided(at=self.tick(), round=self.number, chosen=best.run, reason=reason))
        kept = lineage.keep(self.state, best.run)
        self.write(
            ev.Overridden(
                at=self.tick(), command=f"round-{self.number}", kind="keep", run=best.run, line=kept.line,
                statuses=kept.statuses, withdrawn=kept.withdrawn, by="round",
            )
        )  # fmt: skip
        self.line = list(kept.line)
        self.sizes[best.param] = int(str(best.value))

    def _begin(self, key: str, champion: int | None) -> int:
        self.run += 1
        group = f"round {self.number}" if key else "baseline"
        self.write(
            ev.ExperimentBegan(
                at=self.tick(), run=self.run, segment=0, champion=champion, gate=Gate(),
                researcher="grow" if key else "", group=group, candidate=key, seeds=len(SEEDS),
            )
        )  # fmt: skip
        if key:
            self.write(ev.ChangeAccepted(at=self.tick(), run=self.run, description=key, asi={}, params={}))
        self.write(ev.ChangeCommitted(at=self.tick(), run=self.run, commit=f"{self.run:07x}" + "0" * 33))
        return self.run

    def _trial(self, run: int, number: int, seed: int, sizes: dict[str, int]) -> float | None:
        self.write(ev.TrialBegan(at=self.tick(), run=run, trial=number, commit=f"{run:07x}" + "0" * 33, seed=seed))
        fits = sizes["N_HEAD"] <= HEADS
        loss = loss_of(sizes, seed)
        metrics = {"val_loss": loss, "num_steps": 200.0, **costs_of(sizes)} if fits else {}
        self.write(
            ev.TrialEnded(
                at=self.tick(60), run=run, trial=number, outcome="ok" if fits else "crash",
                metric=loss / 2.5 if fits else None, metrics=metrics, duration_s=60, cause="" if fits else "oom",
            )
        )  # fmt: skip
        return loss / 2.5 if fits else None

    def _measure(self, key: str, sizes: dict[str, int], champion: int | None) -> None:
        run = self._begin(key, champion)
        found = [self._trial(run, number, seed, sizes) for number, seed in enumerate(SEEDS, 1)]
        metric = found[0]
        status = "keep" if not key else "discard" if metric is not None else "crash"
        reason = "the baseline" if not key else "the round decides" if metric is not None else "CUDA out of memory"
        self.write(
            ev.Decided(at=self.at, run=run, status=status, reason=reason, metric=metric),
            ev.ExperimentEnded(at=self.tick(), run=run),
        )
        if not key:
            self.line.append(run)


def loss_of(sizes: dict[str, int], seed: int) -> float:
    """Every size helps but the heads."""
    noise = (seed * 31 + sum(sizes.values())) % 7 / 4000
    depth, width, mlp = sizes["DEPTH"], sizes["N_EMBD"], sizes["MLP_WIDTH"]
    return 1.6 + 0.9 / depth + 90 / width + 60 / mlp + 0.01 * sizes["N_HEAD"] + noise


def costs_of(sizes: dict[str, int]) -> dict[str, float]:
    """As in a transformer, roughly."""
    depth, width = sizes["DEPTH"], sizes["N_EMBD"]
    params = depth * (4 * width**2 + 2 * width * sizes["MLP_WIDTH"]) + 1024 * width
    return {"num_params_M": params / 1e6, "peak_vram_mb": params / 5e4, "step_ms": math.sqrt(params) / 40}
