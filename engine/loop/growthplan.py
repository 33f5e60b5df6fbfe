"""A growth round's beginning: what the champion's settings are, and what is tried on them."""

import os
import re
import time
from pathlib import Path

from engine.loop.failing import ENGINE
from engine.loop.rounds import mark
from engine.loop.tree import Tree
from engine.researchers.base import ResearcherFailed
from engine.researchers.grow.candidates import plan
from engine.researchers.grow.space import space
from engine.researchers.search.arithmetic import ArithmeticRefused
from engine.researchers.search.values import read
from engine.session import events as ev
from engine.session.settings import Settings
from engine.session.state import State
from engine.work.constants import read_constants

TAIL_BYTES = 4096
_EPOCH = re.compile(rb"epoch: (\d+)")


def plan_round(state: State, number: int, tree: Tree, settings: Settings) -> list[ev.AnyEvent]:
    """The events that begin round `number` on the champion; a pause where it cannot begin. Errors: GitTrouble."""
    champion, segment, now = state.champion, state.segments[-1], time.time()
    assert champion is not None
    texts = tree.repo.files_at(champion.commit, list(segment.editable))
    try:
        known = space(texts, settings.grow, tree.paths.root)
    except ResearcherFailed as error:
        return [ev.PauseSet(at=now, paused=True, by=ENGINE, reason=str(error))]
    found = plan(known, settings.grow)
    length = segment.budget or own_length(tree.paths.root)
    troubles = [f"growth round {number}: {note}" for note in found.notes]
    epochs = epochs_of(tree.paths.run(champion.run) / "run.log")
    if epochs > 1:
        more = f"a training length of {length or 'this size'} goes over the data more than once (epoch {epochs})"
        troubles.append(f"growth round {number}: {more}")
    told = {text for _, text in state.troubles}
    begun = ev.RoundPlanned(
        at=now,
        round=number,
        segment=segment.number,
        base=champion.run,
        cost=settings.grow.cost,
        seeds=settings.grow.seeds,
        budget=length,
        candidates=tuple(found.candidates),
        config={"seed": str(segment.run.seed), **known.config()},
        mark=mark(settings.grow),
    )
    return [*[ev.Trouble(at=now, text=text) for text in troubles if text not in told], begun]


def own_length(root: Path) -> str:
    """The budget that the session's prepare.py gives, as a number's text; "" where it names none."""
    try:
        source = read_constants((root / "prepare.py").read_text(encoding="utf-8")).get("BUDGET", "")
        value = read(source)
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError, ArithmeticRefused):
        return ""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else ""


def epochs_of(log: Path) -> int:
    """The epoch that a run ended in, as its progress line says; 0 where it says nothing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            return max((int(n) for n in _EPOCH.findall(file.read())), default=0)
    except OSError:
        return 0
