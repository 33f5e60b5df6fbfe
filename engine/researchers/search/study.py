"""The Optuna study behind the search: told every result as a gain over its champion, asked for values.

Gains, not metrics, are told: a value tried against an early, poor champion must not look bad beside one tried later.
Optuna is imported when a study is first made, not before: it costs a quarter of a second.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from engine.researchers.base import ResearcherFailed
from engine.researchers.search.history import Evidence, History
from engine.researchers.search.space import Constant, Space
from engine.researchers.search.steps import rounded
from engine.researchers.search.values import Value

BEST, RECENT = 50, 200
"""A study of more results than these is slow and no wiser: the best so many and the last so many are told."""
_STARTUP = 4


def import_optuna() -> Any:
    """The optuna module, quiet. Errors: ResearcherFailed with the command that installs it."""
    try:
        import optuna
    except ImportError as error:
        raise ResearcherFailed(
            f"researcher 'search' needs the package optuna, which is not installed ({error}); "
            "install it: pip install 'overnight[search]'",
            "missing",
            lasting=True,
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class Study:
    """One proposal's view of the results. The same seed, champion and results give the same answers."""

    def __init__(self, space: Space, champion: Mapping[str, Value], history: History, seed: str) -> None:
        self._optuna = import_optuna()
        self._distributions = {
            name: self._distribution(constant) for name, constant in space.constants.items() if name in champion
        }
        number = random.Random(seed).randrange(2**31)
        sampler = self._optuna.samplers.TPESampler(seed=number, n_startup_trials=_STARTUP, n_ei_candidates=24)
        self._study = self._optuna.create_study(direction="minimize", sampler=sampler)
        self._space = space
        told = selected(history.evidence)
        worst = worst_loss(told)
        trials = [self._trial({name: new for name, (_, new) in item.changes.items()}, item, worst) for item in told]
        self.told = sum(trial.state == self._optuna.trial.TrialState.COMPLETE for trial in trials)
        trials.append(self._trial(champion, None, worst))
        self._study.add_trials(trials)

    def ask(self, names: Sequence[str]) -> dict[str, Value]:
        """Values of `names` from which the most is expected. Each call gives others."""
        trial = self._study.ask()
        values = {name: self._suggest(trial, name) for name in names}
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        return values

    def _suggest(self, trial: Any, name: str) -> Value:
        constant = self._space.constants[name]
        if constant.kind == "float":
            return rounded(constant, trial.suggest_float(name, constant.low, constant.high, log=constant.log))
        if constant.kind == "int":
            return int(trial.suggest_int(name, int(constant.low), int(constant.high), log=constant.log))
        index: int = trial.suggest_categorical(name, self._distributions[name].choices)
        return constant.values[index]

    def _distribution(self, constant: Constant) -> Any:
        kinds = self._optuna.distributions
        if constant.kind == "float":
            return kinds.FloatDistribution(constant.low, constant.high, log=constant.log)
        if constant.kind == "int":
            return kinds.IntDistribution(int(constant.low), int(constant.high), log=constant.log)
        return kinds.CategoricalDistribution(tuple(range(len(constant.values))))

    def _trial(self, values: Mapping[str, Value], item: Evidence | None, worst: float) -> Any:
        """A finished trial: the champion (`item` None) as 0, a result as its loss, one without a result as failed."""
        params: dict[str, Any] = {}
        for name, value in values.items():
            constant = self._space.constants.get(name)
            if constant is None or name not in self._distributions or not constant.contains(value):
                continue
            params[name] = constant.values.index(value) if constant.kind == "choice" else value
        loss = 0.0 if item is None else loss_of(item, worst)
        state = self._optuna.trial.TrialState
        return self._optuna.trial.create_trial(
            params=params,
            distributions={name: self._distributions[name] for name in params},
            value=loss,
            state=state.FAIL if loss is None else state.COMPLETE,
        )


def selected(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The best and the most recent results, in order of their runs."""
    if len(evidence) <= BEST + RECENT:
        return list(evidence)
    older, recent = evidence[:-RECENT], evidence[-RECENT:]
    best = sorted((item for item in older if item.gain is not None), key=_by_gain)[:BEST]
    return sorted(best, key=lambda item: item.run) + list(recent)


def _by_gain(item: Evidence) -> tuple[float, int]:
    return -(item.gain or 0.0), item.run


def worst_loss(evidence: Sequence[Evidence]) -> float:
    """What a change that could not run is told as: as bad as the worst that could, and bad where none could."""
    losses = [-item.gain for item in evidence if item.gain is not None]
    return max([*losses, 0.0]) or 1.0


def loss_of(item: Evidence, worst: float) -> float | None:
    """How much worse than its champion a change was; None where that is not known and not the change's fault."""
    if item.gain is not None:
        return -item.gain
    return worst if item.failed else None
