"""A growth search without disk or processes: the core's effects carried out by formulas, cut off where a test likes."""

import math
from collections.abc import Iterable

from engine.loop.core import plan
from engine.loop.effects import (
    ApplyChange,
    Context,
    EditSetting,
    GrowthOver,
    OpenSegment,
    PlanRound,
    Propose,
    Reflect,
    RestoreTree,
    RunTrial,
    Stop,
)
from engine.loop.rounds import mark
from engine.session import events as ev
from engine.session.fold import apply, fold
from engine.session.settings import Grow, Metric
from engine.session.state import State

NAMES = ("A", "B", "C")
Sizes = dict[str, int]


def loss_of(sizes: Sizes, seed: int, length: float) -> float:
    """Some formula in which sizes and seeds matter, and B stops helping."""
    noise = ((seed * 2654435761 + sum(sizes.values()) * 97) % 101) / 1e5
    return 1 + 1 / sizes["A"] + abs(3 - sizes["B"]) / 9 + 0.01 * sizes["C"] + 2 / length + noise


def costs_of(sizes: Sizes) -> dict[str, float]:
    """Parameters grow with A and B; C makes a step faster."""
    params = (sizes["A"] * 40 + sizes["B"] * 9) / 1e6
    return {"num_params_M": params, "peak_vram_mb": 10.0 + sizes["A"], "step_ms": 9.0 + sizes["A"] - 0.1 * sizes["C"]}


class GrowingWorld:
    """One session's journal and the engine over it."""

    def __init__(self, grow: Grow, events: Iterable[ev.AnyEvent] = (), crash: str = "") -> None:
        self.grow, self.crash = grow, crash
        self.journal = list(events)
        self.state: State = fold(self.journal)
        self.now = float(len(self.journal))
        self.over = ""

    def write(self, *events: ev.AnyEvent) -> None:
        for event in events:
            self.now += 1
            apply(self.state, event)
            self.journal.append(event)

    def sizes(self, commit: str) -> Sizes:
        """A commit is called by its sizes."""
        return dict(zip(NAMES, map(int, commit.split(".")[1:]), strict=True))

    def run(self) -> None:
        """Until the search is over."""
        for _ in range(5000):
            state = self.state
            longer = state.segment is not None and state.length != state.segment.budget
            context = Context(now=self.now, researcher="grow", grow=self.grow, new_segment="longer" if longer else "")
            planned = plan(state, context)
            if isinstance(planned, list):
                self.write(*planned)
            elif isinstance(planned, GrowthOver | Stop):
                self.over = planned.reason
                return
            else:
                self.carry_out(planned)
        raise AssertionError("it never ends")

    def carry_out(self, effect: object) -> None:
        state, now = self.state, self.now
        if isinstance(effect, OpenSegment):
            head = state.head or "c.1.1.1"
            self.write(
                ev.SegmentOpened(
                    at=now, segment=len(state.segments), name="x", metric=Metric(), command="true", timeout_s=1,
                    checks_timeout_s=1, editable=("train.py",), pinned={}, commit=head, seed=5, budget=state.length,
                )
            )  # fmt: skip
        elif isinstance(effect, PlanRound):
            champion = state.champion
            assert champion is not None
            here = self.sizes(champion.commit)
            those = [
                ev.Planned(f"{name}={here[name] + m}", name, here[name] + m, {name: str(here[name] + m)})
                for name in NAMES
                for m in range(1, self.grow.iterations + 1)
            ]
            self.write(
                ev.RoundPlanned(
                    at=now, round=effect.number, segment=state.segments[-1].number, base=champion.run,
                    cost=self.grow.cost, seeds=self.grow.seeds, budget=state.length or "10", candidates=tuple(those),
                    config={name: str(value) for name, value in here.items()}, mark=mark(self.grow),
                )
            )  # fmt: skip
        elif isinstance(effect, Propose):
            key = state.experiments[effect.run - 1].candidate
            self.write(ev.ChangeAccepted(at=now, run=effect.run, description=key, asi={}, researcher="grow"))
        elif isinstance(effect, ApplyChange):
            experiment, champion = state.experiments[effect.run - 1], state.champion
            assert champion is not None
            name, value = experiment.candidate.split("=")
            sizes = {**self.sizes(champion.commit), name: int(value)}
            commit = ".".join(["c", *(str(sizes[name]) for name in NAMES)])
            self.write(ev.ChangeCommitted(at=now, run=effect.run, commit=commit))
        elif isinstance(effect, RestoreTree):
            commit = state.experiments[effect.champion - 1].commit
            self.write(ev.TreeSettled(at=now, commit=commit, champion=effect.champion, run=effect.of))
        elif isinstance(effect, RunTrial):
            self._trial(effect)
        elif isinstance(effect, Reflect):
            self.write(ev.Learnt(at=now, run=effect.run, asi={}))
        else:
            raise AssertionError(f"{effect} is not of this world")
        assert not isinstance(effect, EditSetting)

    def _trial(self, effect: RunTrial) -> None:
        run, state = effect.run, self.state
        self.write(ev.TrialBegan(at=self.now, run=run, trial=effect.trial, commit=effect.commit, seed=effect.seed))
        ended = ev.TrialEnded(at=self.now, run=run, trial=effect.trial, outcome="crash", detail="out of memory")
        if state.experiments[run - 1].candidate != self.crash or not self.crash:
            loss = loss_of(self.sizes(effect.commit), effect.seed, float(state.segments[-1].budget or 10))
            metrics = {"val_bpb": loss / 3, "val_loss": loss, **costs_of(self.sizes(effect.commit))}
            ended = ev.TrialEnded(
                at=self.now, run=run, trial=effect.trial, outcome="ok", metric=loss / 3, metrics=metrics
            )
        self.write(ended)


def told(state: State) -> list[tuple[object, ...]]:
    """What must not depend on where a search was cut off: the rounds' plans and choices, with their figures."""
    from engine.session.growing import of_state

    found: list[tuple[object, ...]] = []
    for one in of_state(state).rounds:
        figures = [
            (c.key, c.status, c.measured.score if c.measured else 0.0, c.delta_cost, c.efficiency)
            for c in one.candidates
        ]
        told = [(key, status, *(0.0 if math.isnan(x) else x for x in rest)) for key, status, *rest in figures]
        found.append((one.number, one.chosen, one.action, one.reason, one.baseline and one.baseline.score, told))
    return found
