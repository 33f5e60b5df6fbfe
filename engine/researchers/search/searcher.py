"""The researcher `search`: one constant of train.py at a time (sometimes two), chosen from what all results say."""

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from engine.researchers.base import Brief, Exhausted, Proposal
from engine.researchers.search import lessons, messages, orders, space
from engine.researchers.search.arithmetic import ArithmeticRefused
from engine.researchers.search.candidates import Candidate, Ground, candidates
from engine.researchers.search.history import History, interrupted
from engine.researchers.search.orders import Orders, Try
from engine.researchers.search.sources import Sources, arrows, describe, sources
from engine.researchers.search.space import Space
from engine.researchers.search.study import Study, import_optuna
from engine.researchers.search.values import Value, read
from engine.session.fingerprint import fingerprint
from engine.session.state import Experiment


class Search:
    """Proposes from the brief and .overnight/search.json alone: the same of both gives the same proposal."""

    name = "search"

    def __init__(self, session: Path, seed: int) -> None:
        self._session = session
        self._seed = seed
        self._history = History((), "")

    def propose(self, brief: Brief) -> Proposal:
        """The next change of constants. Errors: Exhausted, ResearcherFailed."""
        import_optuna()
        known = space.load(self._session)
        source = sources(brief.files, self._session)
        asked = orders.load(self._session)
        answers = messages.answer_all(brief, asked, known, source)
        remarks: list[str] = []
        chosen = _next_try(brief, asked, known, source, remarks)
        orders.save(self._session, asked)
        if chosen is None:
            history = self._history = self._history.up_to(brief.results, brief.metric.direction)
            fresh = _fresh(brief, known, source, history, self._ground(brief, asked, known, source, history))
            chosen = next(islice(fresh, len(brief.refusals), None), None)
        if chosen is None:
            raise Exhausted(_why_exhausted(brief, asked, known, source), answers)
        files, params = source.changed(chosen.changes)
        if chosen.remark:
            remarks.append(chosen.remark)
        return Proposal(
            description=describe(params),
            files=files,
            asi={"hypothesis": chosen.why, "arch_change": arrows(params)},
            params=params,
            answers=answers,
            remarks=remarks,
        )

    def learn(self, brief: Brief, experiment: Experiment) -> dict[str, str]:
        """The result in words and what follows from it. Errors: ResearcherFailed."""
        asked = orders.load(self._session)
        left = [item for item in asked.queue if not _answers(experiment, item)]
        if len(left) != len(asked.queue):
            asked.queue = left
            orders.save(self._session, asked)
        champion = next((item for item in brief.results if item.run == experiment.champion), None)
        before = [item for item in brief.results if item.run < experiment.run]
        history = self._history = self._history.up_to([*before, experiment], brief.metric.direction)
        found = {"result": lessons.result_text(experiment, champion, brief.metric)}
        if hint := lessons.hint_text(experiment, history, space.load(self._session)):
            found["next_action_hint"] = hint
        return found

    def close(self) -> None:
        """Nothing is held between calls."""

    def _ground(self, brief: Brief, asked: Orders, known: Space, source: Sources, history: History) -> Ground:
        seed = f"{self._seed}:{brief.champion.segment}:{brief.run}"
        in_file = {name: value for name, value in source.values.items() if name in known.constants}
        return Ground(
            constants={
                name: constant
                for name, constant in known.constants.items()
                if name in in_file and name not in asked.frozen
            },
            champion=in_file,
            champion_run=brief.champion.run,
            history=history,
            failures=brief.failures_in_row,
            rng=random.Random(seed),
            study=lambda: Study(known, in_file, history, seed),
        )


def _fresh(brief: Brief, known: Space, source: Sources, history: History, ground: Ground) -> Iterator[Candidate]:
    """The candidates that differ from the champion, can run, and were never tried, each once."""
    given: set[frozenset[tuple[str, Value]]] = set()
    for candidate in candidates(ground):
        key = frozenset(candidate.changes.items())
        if key in given or any(source.values[name] == value for name, value in candidate.changes.items()):
            continue
        given.add(key)
        if history.configuration(brief.champion.run, candidate.changes) in history.measured:
            continue
        if source.broken(known, candidate.changes):
            continue
        files, _ = source.changed(candidate.changes)
        if fingerprint({**brief.files, **files}) not in {*brief.tried, *brief.done}:
            yield candidate


def _next_try(brief: Brief, asked: Orders, known: Space, source: Sources, remarks: list[str]) -> Candidate | None:
    """The operator's next try that is worth a run; those that are done or no longer are leave the queue.

    A try leaves the queue only when a result shows that it was made: the engine may die after a proposal and ask again.
    """
    by_run = {experiment.run: experiment for experiment in brief.results}
    for item in list(asked.queue):
        shown = f"{item.name}={item.value}"
        made = by_run.get(item.run)
        if made is not None and _answers(made, item):
            asked.queue.remove(item)
            continue
        if item.run == brief.run and item.attempt < len(brief.refusals):
            asked.queue.remove(item)
            remarks.append(f"{shown} could not be tried: {brief.refusals[item.attempt]}")
            continue
        value = _value(item)
        if why := messages.objection(item, value, brief, known, source):
            asked.queue.remove(item)
            remarks.append(f"{why}.")
            continue
        item.run, item.attempt = brief.run, len(brief.refusals)
        note = f" ({item.note})" if item.note else ""
        return Candidate({item.name: value}, f"the operator asked for {shown}{note}")
    return None


def _value(item: Try) -> Value:
    try:
        return read(item.value)
    except ArithmeticRefused:
        return item.value


def _answers(experiment: Experiment, item: Try) -> bool:
    """Whether `experiment` is the run in which the try was made, and came to an end of its own."""
    made = experiment.run == item.run and item.name in experiment.params
    return made and (not interrupted(experiment) or bool(experiment.abort))


def _why_exhausted(brief: Brief, asked: Orders, known: Space, source: Sources) -> str:
    there = [name for name in known.constants if name in source.values]
    files = ", ".join(brief.files)
    if not there:
        return f"none of the constants of {space.FILE} stands in {files} as NAME = value; add some to {space.FILE}"
    frozen = [name for name in there if name in asked.frozen]
    if len(frozen) == len(there):
        return f"every constant is frozen ({', '.join(frozen)}); send: unfreeze NAME"
    text = f"every change within reach of {len(there) - len(frozen)} constants was tried on run {brief.champion.run}"
    more = f"; frozen: {', '.join(frozen)}" if frozen else ""
    return f"{text}{more}. Widen the ranges in {space.FILE} or change {files} by hand"
