"""The journal as marked parts of Markdown: a head, an entry for each version and note by date, what is open. Pure.

The names of the parts stay the same for ever (a version's never changes, notes are only added), so that a journal made
again finds each part where a person left it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.cli import figures
from engine.cli.reportpage import confidence_words
from engine.reports.entry import Around, commit, cut, entry, missed
from engine.reports.material import Material
from engine.reports.todos import Todo
from engine.reports.versions import Version, missed_since
from engine.session import growing, growthratios
from engine.session.markdown import one_line, prose, table
from engine.session.night import Idea, Night, won
from engine.session.state import State

TODOS, IDEAS = 15, 40
_COUNTED = (
    ("keep", "kept"),
    ("discard", "discarded"),
    ("crash", "without a result"),
    ("checks_failed", "failed checks"),
)


def parts(
    found: Sequence[Version],
    materials: Mapping[int, Material],
    pictures: Mapping[int | str, str],
    night: Night,
    todos: Sequence[Todo],
    around: Around,
) -> dict[str, str]:
    """Name to body, in the page's order. `pictures` maps a run, or "segment N", to a picture's address."""
    made = {"head": _head(found, pictures, night, around)}
    day = ""
    for at, mark, body in sorted(_dated(found, materials, pictures, around), key=lambda dated: dated[0]):
        today = figures.day(at)[:10]
        made[mark] = (f"## {today}\n\n" if today != day else "") + body
        day = today
    made["since"] = _since(found, around.state)
    if around.state.rounds:
        made["growth"] = _growth(around)
    made["failures"] = _failures(night.ideas)
    made["todos"] = _todos(todos, around)
    return made


def _dated(
    found: Sequence[Version], materials: Mapping[int, Material], pictures: Mapping[int | str, str], around: Around
) -> list[tuple[float, str, str]]:
    entries = [
        (one.at, one.mark, entry(one, materials.get(one.run, Material()), pictures.get(one.run, ""), around))
        for one in found
    ]
    notes = [
        (at, f"note_{number}", f"> **{prose(by)}, {figures.day(at)[11:]}:** {_quoted(text)}")
        for number, (at, by, text) in enumerate(around.state.notes, 1)
    ]
    return entries + notes


def _quoted(text: str) -> str:
    return "  \n> ".join(prose(line) for line in text.strip().splitlines())


def _head(found: Sequence[Version], pictures: Mapping[int | str, str], night: Night, around: Around) -> str:
    state = around.state
    if not night.began_at:
        return "Nothing was measured yet."
    counts = ", ".join(f"{night.counts[status]} {word}" for status, word in _COUNTED if night.counts.get(status))
    span = figures.seconds(max(0.0, night.last_at - night.began_at))
    tried = sum(night.counts.values())
    lines = [
        f"{figures.day(night.began_at)} to {figures.day(night.last_at)} ({span}): {tried}"
        f" experiment{'' if tried == 1 else 's'}" + (f" ({counts})." if counts else ".")
    ]
    if night.champion and night.baseline and night.champion[0] != night.baseline[0]:
        share = f", {abs(night.gain / night.baseline[1]):.2%}" if night.gain and night.baseline[1] else ""
        name = around.names.get(night.champion[0], f"run {night.champion[0]}")
        lines.append(
            f"`{one_line(night.metric_name)}` went from {night.baseline[1]:.6f} to **{night.champion[1]:.6f}** with"
            f" {name} ({night.gain or 0:.6f} better{share})."
        )
    elif night.baseline:
        lines.append(f"The baseline, {one_line(night.metric_name)} {night.baseline[1]:.6f}, stands.")
    lines += ["", confidence_words(night)]
    for segment in state.segments:
        if picture := pictures.get(f"segment {segment.number}"):
            what = f"of segment {segment.number}" if len(state.segments) > 1 else "of the session"
            lines += ["", f"![All results {what} and the champion's metric]({picture})"]
    rows = []
    for one in found:
        experiment = state.experiments[one.run - 1]
        better = won(state, experiment)
        gone = "" if experiment.status == "keep" else " (withdrawn)"
        what = "the baseline" if experiment.is_baseline else cut(experiment.description, 80)
        gained = "" if better is None else f"{better:+.6f}"
        rows.append([one.name, figures.day(one.at)[5:], str(one.run), figures.metric(experiment.metric), gained])
        rows[-1] += [f"{what}{gone}", commit(experiment, around.pages)]
    lines += ["", *table(["version", "kept", "run", one_line(night.metric_name), "gain", "what", "commit"], rows)]
    return "\n".join(lines)


def _since(found: Sequence[Version], state: State) -> str:
    runs = missed_since(state, found)
    since = f"Since {found[-1].name}" if found else "So far"
    return "\n".join(["## Since the last version", "", *(missed(runs, state, since) or ["Nothing was tried since."])])


def _growth(around: Around) -> str:
    growth = growing.of_state(around.state)
    rows = []
    for one in around.state.rounds:
        if one.chosen is None:
            chosen = "–"
        else:
            chosen = around.names.get(one.chosen, f"run {one.chosen}")
            chosen += f", {cut(around.state.experiments[one.chosen - 1].description, 80)}"
        rows.append([str(one.number), one.cost, str(len(one.candidates)), chosen, cut(one.reason, 160) or "under way"])
    lines = table(["round", "cost", "candidates", "chosen", "why"], rows)
    return "\n".join(["## How it grew", "", *lines, "", *(f"- {prose(line)}" for line in growthratios.lines(growth))])


def _failures(ideas: Sequence[Idea]) -> str:
    rows = []
    for idea in ideas[:IDEAS]:
        results = ", ".join(f"{count} {status}" for status, count in idea.statuses.items())
        runs = ", ".join(map(str, idea.runs[:8])) + (" …" if len(idea.runs) > 8 else "")
        best = "–" if idea.best is None else f"{idea.best:+.6f}"
        rows.append([cut(idea.name, 80), runs, results, best, cut(idea.last, 140)])
    lines = table(["idea", "runs", "results", "best that failed", "why the last one failed"], rows)
    more = len(ideas) - IDEAS
    lines += ["", f"… and {more} more ideas (`overnight report --json` has all)."] if more > 0 else []
    return "\n".join(["## What did not work, by idea", "", *(lines or ["Nothing failed."])])


def _todos(todos: Sequence[Todo], around: Around) -> str:
    lines = []
    for todo in todos[:TODOS]:
        where = around.names.get(todo.run)
        after = f"after {where}" if where else f"after run {todo.run}, {todo.status}"
        lines.append(f"- [ ] {cut(todo.hint, 300)} *({after})*")
    if len(todos) > TODOS:
        lines.append(f"\n… and {len(todos) - TODOS} older ones.")
    head = ["## Open: proposed, and tried by nobody", ""]
    return "\n".join([*head, *(lines or ["Nothing is open."])])
