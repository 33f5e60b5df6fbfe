"""What a member says of an ended experiment: its result, and what was learnt by it. Pure.

Everything comes from the journal, so that what a full disk kept from being written down is made again, the same.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping

import msgspec

from engine.swarm.code import hash_of
from engine.swarm.collective import ALONE, Account
from engine.swarm.records import Change, Hypothesis, Insight, Klass, Record, Result, Verdict

LONGEST, MOST = 1500, 24
"""Characters of one text, and entries of one table."""
SHORT = 190
ALL = 9000
"""Characters of all that the researcher said of one experiment: a record has a limit of its own."""

Ids = Callable[..., str]


def records(account: Account, swarm: str, ids: Ids) -> list[Record]:
    """The records of an experiment, its result first."""
    experiment, at = account.experiment, account.experiment.ended_at
    own = result(account)
    number = ids("result", experiment.run)
    found = [_record(number, swarm, at, "result", own)]
    if said := _insight(account, number):
        found.append(_record(ids("insight", experiment.run), swarm, at, "insight", said))
    hint = text(experiment.asi.get("next_action_hint", ""))
    if hint and experiment.asi.get("next_action_hint") not in account.hints_before:
        after = text(f"after run {experiment.run}, {experiment.description}: {experiment.reason}")
        idea = Hypothesis(text=hint, evidence=after, priority=_priority(experiment.researcher), klass=account.klass)
        found.append(_record(ids("hypothesis", experiment.run), swarm, at, "hypothesis", idea))
    return found


def result(account: Account) -> Result:
    """The experiment as a result of its class."""
    experiment, klass = account.experiment, account.klass
    metric = experiment.metric if experiment.metric is not None and math.isfinite(experiment.metric) else None
    status = "crash" if metric is None else experiment.status
    if status == "crash":
        metric = None
    claimed = experiment.claim not in ("", ALONE)
    first = next((trial for trial in experiment.trials if trial.of == "candidate"), None)
    return Result(
        klass=klass,
        change=change(klass, account.fingerprint, account.base, experiment.params, experiment.description),
        run=experiment.run,
        status=status if status in ("keep", "discard", "crash", "checks_failed") else "discard",
        metric=metric,
        code=hash_of(account.files),
        seed=first.seed if first else account.segment.run.seed,
        description=text(experiment.description),
        asi=_asi(experiment.asi),
        metrics={
            text(name)[:SHORT]: value
            for name, value in list(experiment.metrics.items())[: 2 * MOST]
            if math.isfinite(value)
        },
        delta_member=_difference(metric, account.best_before),
        delta_class=_difference(metric, account.best_of_class),
        settings={name[:SHORT]: text(value) for name, value in account.settings.items()},
        versions={name[:SHORT]: text(value) for name, value in account.versions.items()},
        claim=experiment.claim if claimed else "",
        token=experiment.token if claimed else 0,
        alone=not claimed,
        weights=account.weights,
    )


def _priority(researcher: str) -> int:
    """A search has a hint after every run; a model or an agent means one."""
    return 5 if researcher in ("search", "grow") else 3


def _asi(told: dict[str, str]) -> dict[str, str]:
    share = min(LONGEST, ALL // max(1, min(len(told), MOST)))
    return {text(name)[:SHORT]: text(value)[:share] for name, value in list(told.items())[:MOST]}


def _difference(metric: float | None, other: float | None) -> float | None:
    return None if metric is None or other is None else metric - other


def change(klass: Klass, fingerprint: str, base: str, params: dict[str, tuple[str, str]], description: str) -> Change:
    """A change as it is claimed and told: the same of the same, so that a result fits its claim."""
    return Change(
        contract=klass.contract,
        fingerprint=fingerprint,
        base=base,
        params={name[:SHORT]: (text(old), text(new)) for name, (old, new) in list(params.items())[:64]},
        description=text(description),
    )


def verdict(id: str, swarm: str, at: float, result: str, code: str, klass: Klass, metrics: dict[int, float]) -> Record:
    """What re-runs of another's code brought: `metrics` by seed."""
    body = Verdict(result=result, klass=klass, seeds=tuple(metrics), metrics=tuple(metrics.values()), code=code)
    return _record(id, swarm, at, "verdict", body)


def idea(id: str, swarm: str, at: float, body: Hypothesis | Insight) -> Record:
    """A hypothesis or insight given by hand."""
    return _record(id, swarm, at, "hypothesis" if isinstance(body, Hypothesis) else "insight", body)


def cited(experiment_texts: Collection[str], open_ids: Collection[str]) -> list[str]:
    """Those of the open hypotheses whose short id (8 digits) an experiment's own texts name."""
    named = {word for text in experiment_texts for word in re.findall(r"\b[0-9a-f]{8}\b", text)}
    return [id for id in open_ids if id[:8] in named]


def proposing(params: Mapping[str, tuple[str, str]], ideas: Mapping[str, str]) -> list[str]:
    """Those of the hypotheses (texts by id) that name this very change: each of its constants, with the new value."""
    asked = params.items()
    return [id for id, text in ideas.items() if params and all(_named(text, name, *values) for name, values in asked)]


def _named(text: str, name: str, old: str, new: str) -> bool:
    """Whether the value stands by itself; of `0.1→0.2 has helped: go on to 0.4` that is 0.4, or the whole `0.1→0.2`."""
    free = rf"(?<![\w.→–]){re.escape(new)}(?![\w→–]|\.\d)"
    there = re.search(rf"\b{re.escape(name)}\b", text) is not None
    return there and (f" {old}→{new} " in f" {text} " or re.search(free, text) is not None)


def _insight(account: Account, number: str) -> Insight | None:
    experiment = account.experiment
    learnt = text(experiment.asi.get("learned", "") or experiment.asi.get("result", ""))
    if not learnt or experiment.metric is None or experiment.is_baseline:
        return None
    said = learnt if experiment.description in learnt else f"{experiment.description}: {learnt}"
    shown = f"{account.segment.metric.name} {experiment.metric:.6f}, {experiment.status}"
    if why := experiment.asi.get("hypothesis", ""):
        shown += f"; tried because: {why}"
    topic = text(" ".join(experiment.params) or experiment.description)[:SHORT]
    return Insight(text=text(said), evidence=text(shown), topic=topic, results=(number,), klass=account.klass)


def _record(id: str, swarm: str, at: float, kind: str, body: msgspec.Struct) -> Record:
    plain = msgspec.json.decode(msgspec.json.encode(body))  # as it will be read back: lists, not tuples
    return msgspec.convert(
        {"id": id, "swarm": swarm, "member": "0" * 64, "at": at, "kind": kind, "body": plain}, Record
    )


def text(value: str) -> str:
    """A text that a record can hold: no NUL, no half of a pair, not too long."""
    whole = value.encode("utf-8", "replace").decode().replace("\0", " ")
    return whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"
