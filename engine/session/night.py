"""What a session came to, for a reader in the morning: figures only, made from the state. Pure."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from engine.session import flags, growing
from engine.session.spending import Spending, Times, spending, times
from engine.session.standing import session_confidence, total_gain
from engine.session.state import Experiment, State, gain


class Keep(msgspec.Struct, frozen=True):
    """A kept improvement that stands. `gain` is against the champion it was tried on, positive when better."""

    run: int
    segment: int
    commit: str
    description: str
    change: dict[str, tuple[str, str]]
    metric: float | None
    gain: float | None
    net_lines: int
    researcher: str
    decided_by: str
    """The operator who kept it against the gate; "" where the gate did."""


class Idea(msgspec.Struct, frozen=True):
    """Experiments that changed the same constants, or had the same description, of which some failed.

    `best` as Keep.gain, over those that were not kept.
    """

    name: str
    runs: tuple[int, ...]
    statuses: dict[str, int]
    best: float | None
    last: str
    """Why the last one failed."""
    hint: str


class Cause(msgspec.Struct, frozen=True):
    """Something that went wrong the same way several times: its name, where, and how it was told the last time."""

    name: str
    runs: tuple[int, ...]
    last: str


class Failure(msgspec.Struct, frozen=True):
    """How often a researcher failed in one way, and what it said the last time."""

    researcher: str
    kind: str
    count: int
    last: str


class Rest(msgspec.Struct, frozen=True):
    """A pause; `seconds` so far."""

    at: float
    by: str
    reason: str
    seconds: float


class Night(msgspec.Struct, frozen=True):
    """`counts` leaves baselines out; `gain` and `confidence` are of the open segment."""

    began_at: float
    last_at: float
    segments: int
    metric_name: str
    direction: str
    baseline: tuple[int, float] | None
    champion: tuple[int, float] | None
    champion_description: str
    gain: float | None
    confidence: float | None
    results: int
    """Valid results of the open segment: what the confidence is made of."""
    counts: dict[str, int]
    keeps: list[Keep]
    ideas: list[Idea]
    crashes: list[Cause]
    flagged: list[Cause]
    refused: int
    refusals: list[Cause]
    mended: int
    mend_failed: int
    failures: list[Failure]
    pauses: list[Rest]
    troubles: list[tuple[float, str]]
    spending: Spending
    times: Times


def night(state: State) -> Night:
    """The report's figures, over all segments but where said otherwise."""
    segment, champion, baseline = state.segment, state.champion, state.baseline
    ended = [e for e in state.experiments if e.phase == "ended"]
    tried = [e for e in ended if not e.is_baseline]
    first = (baseline.run, baseline.metric) if baseline and baseline.metric is not None else None
    best = (champion.run, champion.metric) if champion and champion.metric is not None else None
    return Night(
        began_at=state.segments[0].opened_at if state.segments else 0.0,
        last_at=state.engine_at,
        segments=len(state.segments),
        metric_name=segment.metric.name if segment else "metric",
        direction=segment.metric.direction if segment else "lower",
        baseline=first,
        champion=best,
        champion_description=champion.description if champion else "",
        gain=total_gain(state),
        confidence=session_confidence(state),
        results=sum(e.valid for e in state.of_segment() if e.status),
        counts=dict(Counter(e.status for e in tried)),
        keeps=[_keep(state, e) for e in tried if e.status == "keep"],
        ideas=_ideas(state, tried),
        crashes=_causes((_cause(e), e.run, e.reason) for e in ended if e.status == "crash"),
        flagged=_causes((flag, e.run, _flag_words(e, flag)) for e in ended for flag in _told(e)),
        refused=sum(len(e.refusals) for e in state.experiments),
        refusals=_causes((_sort(text), e.run, text) for e in state.experiments for text in e.refusals),
        mended=sum(e.mends > 0 and e.status != "crash" for e in ended),
        mend_failed=sum(bool(e.mend_failed) or (e.mends > 0 and e.status == "crash") for e in ended),
        failures=_failures(state.experiments),
        pauses=[
            Rest(pause.at, pause.by, pause.reason, max(0.0, (pause.until or state.last_at) - pause.at))
            for pause in state.pauses
        ],
        troubles=state.troubles,
        spending=spending(state.experiments),
        times=times(state),
    )


def won(state: State, experiment: Experiment) -> float | None:
    """How much better than the champion it was tried on; positive is better, None where that cannot be told."""
    base = state.experiment(experiment.champion) if experiment.champion is not None else None
    if base is None or base.metric is None or experiment.metric is None or experiment.disbelieved:
        return None
    return gain(experiment.metric, base.metric, state.segments[experiment.segment].metric.direction)


def _keep(state: State, experiment: Experiment) -> Keep:
    return Keep(
        run=experiment.run,
        segment=experiment.segment,
        commit=experiment.commit,
        description=experiment.description,
        change=experiment.params,
        metric=experiment.metric,
        gain=won(state, experiment),
        net_lines=experiment.net_lines,
        researcher=experiment.researcher,
        decided_by=experiment.overridden_by,
    )


def _ideas(state: State, tried: list[Experiment]) -> list[Idea]:
    """Ideas that failed at least once, those first that failed most often."""
    found: dict[str, list[Experiment]] = {}
    for experiment in tried:
        if "no_change" not in experiment.flags:
            found.setdefault(idea_of(experiment), []).append(experiment)
    ideas = []
    for name, its in found.items():
        failed = [e for e in its if e.status != "keep"]
        if not failed:
            continue
        hints = [e.asi["next_action_hint"] for e in its if e.asi.get("next_action_hint")]
        ideas.append(
            Idea(
                name=name,
                runs=tuple(e.run for e in its),
                statuses=dict(Counter(e.status for e in its)),
                best=max((figure for e in failed if (figure := won(state, e)) is not None), default=None),
                last=growing.fate(state, failed[-1]),
                hint=hints[-1] if hints else "",
            )
        )
    return sorted(ideas, key=lambda idea: (idea.statuses.get("keep", 0) - len(idea.runs), idea.runs[0]))


def idea_of(experiment: Experiment) -> str:
    """What it was about: the constants that it changed (of a growth step the one that it raised), else its words."""
    if experiment.candidate:
        return experiment.candidate.partition("=")[0]
    if experiment.params:
        return " + ".join(sorted(experiment.params))
    return " ".join(experiment.description.split()) or "no description"


def _cause(experiment: Experiment) -> str:
    """Why there is no result, in the diagnosis' word."""
    for flag in ("no_change", "aborted", "interrupted", "champion_failed"):
        if flag in experiment.flags:
            return flag
    last = experiment.trials[-1] if experiment.trials else None
    return (last.cause or last.outcome if last else "") or "other"


_NO_CLAIMS = frozenset({"no_change", "aborted", "interrupted", "champion_failed"})


def _told(experiment: Experiment) -> list[str]:
    """Flags on what it claimed or did; "suspicious" where the look at its code found something to tell."""
    found = [flag for flag in experiment.flags if flag not in _NO_CLAIMS]
    return found + (["suspicious"] if experiment.asi.get("flagged") else [])


def _flag_words(experiment: Experiment, flag: str) -> str:
    return experiment.asi["flagged"] if flag == "suspicious" else flags.words(flag)


def _causes(told: Iterable[tuple[str, int, str]]) -> list[Cause]:
    """The same names together, the most frequent first."""
    runs: dict[str, list[int]] = {}
    last: dict[str, str] = {}
    for name, run, text in told:
        runs.setdefault(name, []).append(run)
        last[name] = text
    found = [Cause(name, tuple(dict.fromkeys(its)), last[name]) for name, its in runs.items()]
    return sorted(found, key=lambda cause: -len(cause.runs))


def _sort(refusal: str) -> str:
    """What sort of refusal it is: its text without the place, which differs from one to the next."""
    head = refusal.split(";", 1)[0]
    place, colon, rest = head.partition(": ")
    return rest if colon and ", line " in place else head


def _failures(experiments: Iterable[Experiment]) -> list[Failure]:
    counted: Counter[tuple[str, str]] = Counter()
    last: dict[tuple[str, str], str] = {}
    for experiment in experiments:
        for attempt in experiment.attempts:
            who, kind, text = (*attempt.split(": ", 2), "", "")[:3]
            counted[who, kind] += 1
            last[who, kind] = text
    return [Failure(who, kind, count, last[who, kind]) for (who, kind), count in counted.most_common()]
