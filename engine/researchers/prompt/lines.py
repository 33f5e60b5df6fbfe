"""One result in a prompt: in full, as one tight line, or merged with others that changed the same."""

import re

import msgspec

from engine.researchers.prompt.quoting import one_line
from engine.session.settings import Metric
from engine.session.state import Experiment, gain

TEXTS = (("hypothesis", "why"), ("next_action_hint", "next"))
"""What of a result is never left out before its figures are: key of the ASI, and its name in a line."""


def change_of(experiment: Experiment) -> str:
    """What was tried, in one line."""
    if experiment.is_baseline:
        return one_line(experiment.description) or "the baseline, unchanged"
    return one_line(experiment.description or experiment.failed) or "no description"


def figure(experiment: Experiment) -> str:
    """The metric at full precision; "-" without one."""
    return "-" if experiment.metric is None else repr(experiment.metric)


def full(experiment: Experiment, champion: Experiment | None, metric: Metric) -> str:
    """Everything that is known of a result. `champion` is what it was tried on."""
    head = [f"run {experiment.run}", _status(experiment), f"{metric.name} {figure(experiment)}"]
    if champion is not None and champion.metric is not None and experiment.metric is not None:
        won = gain(experiment.metric, champion.metric, metric.direction)
        head.append(f"{abs(won):.6g} {'better' if won > 0 else 'worse'} than run {champion.run}")
    if experiment.net_lines:
        head.append(f"{experiment.net_lines:+d} lines of code")
    if experiment.researcher:
        head.append(f"by {one_line(experiment.researcher)}")
    lines = [" | ".join(head), f"  change: {change_of(experiment)}"]
    lines += [f"  {one_line(key)}: {one_line(value)}" for key, value in _told(experiment)]
    if experiment.reason:
        lines.append(f"  verdict: {one_line(experiment.reason)}")
    others = " ".join(f"{one_line(k)}={v!r}" for k, v in experiment.metrics.items() if k != metric.name)
    if others:
        lines.append(f"  measured: {others}")
    lines += [f"  a person's note: {one_line(note)}" for note in experiment.notes]
    return "\n".join(lines)


def _told(experiment: Experiment) -> list[tuple[str, str]]:
    told = [(key, value) for key, value in experiment.asi.items() if value.strip()]
    return [(key, value) for key, value in told if value != experiment.description]


def _status(experiment: Experiment) -> str:
    status = one_line(experiment.status) or "no result"
    by = f", by decision of {one_line(experiment.overridden_by)}" if experiment.overridden_by else ""
    flags = f", flagged {', '.join(experiment.flags)}" if experiment.flags else ""
    return status + by + flags


def tight(experiment: Experiment, seen: dict[str, int]) -> str:
    """One line. A hypothesis or hint that a newer run's has to the letter is named by that run (`seen`, added to)."""
    fields = [f"{experiment.run} {_status(experiment)} {figure(experiment)}", change_of(experiment)]
    for key, name in TEXTS:
        if text := experiment.asi.get(key, "").strip():
            newer = seen.setdefault(f"{key} {text}", experiment.run)
            fields.append(f"{name}: {one_line(text)}" if newer == experiment.run else f"{name}: as run {newer}")
    if experiment.status in ("crash", "checks_failed") and experiment.reason:
        fields.append(one_line(experiment.reason)[:160])
    fields += [f"note: {one_line(note)}" for note in experiment.notes]
    return " | ".join(fields)


class Merged(msgspec.Struct):
    """All older results that changed the same: how many, what came of them, the best, their runs, their texts."""

    name: str
    count: int = 0
    outcomes: dict[str, int] = {}
    best: float | None = None
    best_run: int = 0
    first: list[int] = []
    last: int = 0
    texts: dict[str, None] = {}

    def add(self, experiment: Experiment, direction: str) -> None:
        """Count one more."""
        self.count, self.last = self.count + 1, experiment.run
        if self.count <= RUNS_NAMED:
            self.first.append(experiment.run)
        status = experiment.status or "no result"
        self.outcomes[status] = self.outcomes.get(status, 0) + 1
        if experiment.valid and experiment.metric is not None:
            better = self.best is None or gain(experiment.metric, self.best, direction) > 0
            self.best, self.best_run = (experiment.metric, experiment.run) if better else (self.best, self.best_run)

    def shown(self, texts: bool) -> str:
        """`0.02→0.03 ×3 (1 keep, 2 discard; runs 4, 9, 12) best 0.9979 in run 12 {why: …}`."""
        if self.count == 1:
            figure = "" if self.best is None else f" {self.best!r}"
            text = f"{self.name} {one_line(next(iter(self.outcomes)))}{figure} in run {self.last}"
        else:
            ended = ", ".join(f"{count} {one_line(status)}" for status, count in self.outcomes.items())
            named = ", ".join(map(str, self.first)) if self.count <= RUNS_NAMED else f"{self.first[0]} to {self.last}"
            best = "" if self.best is None else f" best {self.best!r} in run {self.best_run}"
            text = f"{self.name} ×{self.count} ({ended}; runs {named}){best}"
        return text + (f" {{{'; '.join(self.texts)}}}" if texts and self.texts else "")


def merging(experiment: Experiment) -> tuple[str, str, str, str]:
    """By what results are merged (two keys), what stands for them, and the description where that does not say it.

    The keys are the constants that were changed, or "code", and how: their values, else the description without its
    case and punctuation.
    """
    said = change_of(experiment)
    if not experiment.params:
        return "code", " ".join(_WORDS.findall(said.casefold())), said, ""
    names = sorted(experiment.params)
    changes = [(one_line(old), one_line(new)) for old, new in (experiment.params[name] for name in names)]
    how = ", ".join(f"{old}→{new}" for old, new in changes)
    for known in (how, *names, *_IMPLIED):
        said = said.replace(known, "")
    for old, new in changes:
        said = said.replace(f"{old}→{new}", "")
    return " + ".join(names), how, how, change_of(experiment) if _WORDS.search(said) else ""


RUNS_NAMED = 4
"""Up to so many merged results are named by their runs."""
_WORDS = re.compile(r"[\w.+→-]+")
_IMPLIED = ("raise ", "lower ", "set ")
