"""What researchers said should come next, and nobody tried yet. Pure.

A hint counts as taken up when a later experiment changed what it was about: the constants that its own experiment
changed or that it names, or, where there are none, when a later description shares its words. Where several hints are
about the same thing only the newest stands.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from engine.session.night import idea_of
from engine.session.state import Experiment, State

SHARED = 0.5
"""The share of a hint's words that a later description or hypothesis must hold."""
LEAST_WORDS = 2

_NAME = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b|\b[A-Z]{4,}\b")
_WORD = re.compile(r"[a-z]{4,}|[0-9]+(?:\.[0-9]+)?")
_CLOSED = re.compile(r"\b(leave it|change something else|turn to another|nothing (more|else) to try)\b", re.IGNORECASE)
_EMPTY_WORDS = """
about above again also been below both each else even from have helped here into just keep less more most next only
other over same should some still than that their them then there this tried trying untried what when where which while
with without works worse better does would could makes make higher lower known nothing
"""
_EMPTY = frozenset(_EMPTY_WORDS.split())


class Todo(msgspec.Struct, frozen=True):
    """A hint, the run that gave it, and what became of that run."""

    run: int
    status: str
    idea: str
    hint: str


def open_todos(state: State) -> list[Todo]:
    """The hints that are open, the newest first."""
    ended = [e for e in state.experiments if e.phase == "ended"]
    known = {name for e in ended for name in e.params}
    newest: dict[str, Experiment] = {}
    for experiment in ended:
        if experiment.params or experiment.description:
            newest[idea_of(experiment)] = experiment
    words = {e.run: _words_of(e) for e in ended}
    found = []
    said: set[str] = set()
    for experiment in sorted(newest.values(), key=lambda e: -e.run):
        hint = " ".join(experiment.asi.get("next_action_hint", "").split())
        if not hint or hint in said or _CLOSED.search(hint):
            continue
        if not _taken_up(hint, experiment, ended[_after(ended, experiment.run) :], known, words):
            said.add(hint)
            found.append(Todo(experiment.run, experiment.status, idea_of(experiment), hint))
    return found


def _after(ended: list[Experiment], run: int) -> int:
    return next((at for at, e in enumerate(ended) if e.run > run), len(ended))


def _words_of(experiment: Experiment) -> frozenset[str]:
    asi = experiment.asi
    texts = f"{experiment.description} {asi.get('hypothesis', '')} {asi.get('arch_change', '')}"
    return frozenset(_WORD.findall(texts.lower()))


def _taken_up(
    hint: str,
    experiment: Experiment,
    later: Iterable[Experiment],
    known: set[str],
    words_of: Mapping[int, frozenset[str]],
) -> bool:
    named = {name for name in _NAME.findall(hint) if name in known}
    about = named - experiment.params.keys() or named or set(experiment.params)
    if about:
        return any(about & other.params.keys() for other in later)
    words = {word for word in _WORD.findall(hint.lower()) if word not in _EMPTY}
    least = max(LEAST_WORDS, SHARED * len(words))
    return any(len(words & words_of[other.run]) >= least for other in later)
