"""Every result whole, one JSON object a line: a file for an agent, pages for a model. What a prompt shortens."""

import re
from collections.abc import Sequence

import msgspec

from engine.researchers.credentials import redacted
from engine.researchers.prompt.quoting import DATA, fenced
from engine.researchers.prompt.size import cost, pieces
from engine.session.state import Experiment

NAME = "OVERNIGHT-RESULTS.jsonl"
"""The file's name in an agent's work tree; part of no change."""
_HEAD = 400  # what a page's own words may cost
_ECHOED = 120  # characters of a query that its answer repeats
_RUNS = re.compile(r"(?:runs?\s*)?#?(\d{1,9})(?:\s*(?:-|–|to)\s*(\d{1,9}))?")


class Result(msgspec.Struct, omit_defaults=True):
    """All of a result that a researcher may want to know; texts to the letter, figures at full precision."""

    run: int
    segment: int
    status: str
    metric: float | None
    description: str
    asi: dict[str, str] = {}
    params: dict[str, tuple[str, str]] = {}
    verdict: str = ""
    tried_on: int | None = None
    net_lines: int = 0
    metrics: dict[str, float] = {}
    flags: tuple[str, ...] = ()
    by: str = ""
    decided_by: str = ""
    no_change: str = ""
    notes: list[str] = []


def line(experiment: Experiment) -> str:
    """One result as a JSON object, without a line break in it."""
    e = experiment
    told = Result(
        run=e.run,
        segment=e.segment,
        status=e.status,
        metric=e.metric,
        description=e.description,
        asi=e.asi,
        params=e.params,
        verdict=e.reason,
        tried_on=e.champion,
        net_lines=e.net_lines,
        metrics=e.metrics,
        flags=e.flags,
        by=e.researcher,
        decided_by=e.overridden_by,
        no_change=e.failed,
        notes=e.notes,
    )
    return msgspec.json.encode(told).decode()


def whole(results: Sequence[Experiment]) -> str:
    """A line of each, in the order given."""
    return redacted("".join([f"{line(experiment)}\n" for experiment in results]))


class Pages:
    """The results as a model looks them up: found by words or by runs, at most `room` (see size.cost) an answer."""

    def __init__(self, results: Sequence[Experiment], room: int) -> None:
        self._results, self._room = results, room
        self._lines: list[tuple[int, str, str]] = []

    def page(self, query: str = "", number: int = 1) -> str:
        """Page `number` (from 1) of what matches, newest first; a result too long for one goes on on the next."""
        found = self._found(" ".join(query.split()))
        asked = repr(query[:_ECHOED]) if query.strip() else "all"
        if not found:
            return f"None of {len(self._results)} results matches {asked}. Try fewer or other words, or a run's number."
        pages = self._packed(found)
        number = min(max(number, 1), len(pages))
        head = (
            f"Page {number} of {len(pages)} of the {len(found)} results that match {asked} (of {len(self._results)}),"
            " newest first, a JSON object a line:"
        )
        return f"{head}\n{fenced(pages[number - 1], f'results, {DATA}')}"

    def _found(self, query: str) -> list[str]:
        if not self._lines:
            newest = self._results[::-1]
            texts = whole(newest).split("\n")[:-1]
            self._lines = [(e.run, text, text.casefold()) for e, text in zip(newest, texts, strict=True)]
        if runs_asked := _RUNS.fullmatch(query.casefold()):
            low = int(runs_asked[1])
            high = int(runs_asked[2] or low)
            return [text for run, text, _ in self._lines if min(low, high) <= run <= max(low, high)]
        words = [msgspec.json.encode(word).decode()[1:-1] for word in query.casefold().split()]
        return [text for _, text, folded in self._lines if all(word in folded for word in words)]

    def _packed(self, found: list[str]) -> list[str]:
        room = self._room - _HEAD
        pages, left = [""], room
        for text in found:
            parts = [text] if cost(text) < room else pieces(text, room - 1)
            for part in parts:
                price = cost(part) + 1
                if price > left:
                    pages.append("")
                    left = room
                pages[-1] += f"{part}\n"
                left -= price
        return pages[pages[0] == "" :]
