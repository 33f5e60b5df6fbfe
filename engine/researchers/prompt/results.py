"""The results so far within a given room: the newest in full, older ones tight, the oldest merged by what they changed.

Nothing is left out before everything older than it is at its shortest; what is shortened or left out is counted, and
it is said where it stands whole.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

from engine.researchers.prompt.lines import TEXTS, Merged, full, merging, tight
from engine.researchers.prompt.quoting import one_line
from engine.researchers.prompt.size import cost
from engine.session.settings import Metric
from engine.session.state import Experiment

IN_FULL = 8
"""The newest results that are shown in full even where that makes older ones shorter."""
_LEGEND = 1000  # what the headings between the parts may cost, besides naming the archive up to three times
_TINY = 40  # room in which no entry fits
_BETWEEN = 6
_MORE = 200  # what an entry grows by when it stands for more than one result


class _Cut(NamedTuple):
    """How many of the newest are in full, how many have a line of their own, and whether merged ones tell why."""

    full: int
    own: int
    texts: bool = True


def history(results: Sequence[Experiment], metric: Metric, room: int, archive: str) -> str:
    """All `results` (oldest first) for at most `room` (see size.cost), to be fenced as a whole.

    `archive` says where each stands whole, such as "the file results.jsonl".
    """
    by_run = {experiment.run: experiment for experiment in results}
    newest, seen = results[::-1], dict[str, int]()
    room -= _LEGEND + 3 * cost(archive)
    fulls = _rendered(newest, room, lambda e: full(e, by_run.get(e.champion or 0), metric))
    tights = _rendered(newest, room, lambda e: tight(e, seen))
    cut = _cut(results, fulls, tights, metric, room)
    own = [*fulls[: cut.full], *tights[cut.full : cut.own]]
    parts = []
    if cut.full < len(results):
        parts.append(
            f"Of {len(results)} results {len(results) - cut.full} are shortened here; each stands whole in {archive}."
        )
    if rest := results[: len(results) - cut.own]:
        parts.append(_merged(rest, metric, room - sum(cost(text) + 1 for text in own), cut.texts, archive))
    if cut.own > cut.full:
        parts.append("A line each: run, status, metric | change | why | next\n" + "\n".join(own[: cut.full - 1 : -1]))
    if cut.full:
        parts.append("In full:\n" + "\n".join(fulls[: cut.full][::-1]))
    return "\n\n".join(parts)


def _rendered(newest: Sequence[Experiment], room: int, render: Callable[[Experiment], str]) -> list[str]:
    """As many of the newest as fit, rendered."""
    texts = []
    for experiment in newest:
        text = render(experiment)
        room -= cost(text) + 1
        if room < 0:
            break
        texts.append(text)
    return texts


def _cut(results: Sequence[Experiment], fulls: list[str], tights: list[str], metric: Metric, room: int) -> _Cut:
    in_full = [0, *accumulate(cost(text) + 1 for text in fulls)]
    in_line = [0, *accumulate(cost(text) + 1 for text in tights)]
    count = len(results)
    if len(fulls) == count:
        return _Cut(count, count)
    least = max(k for k, spent in enumerate(in_full[: IN_FULL + 1]) if spent <= room // 2 or not k)
    least = min(least, len(tights))

    def spent(full: int, own: int) -> int:
        return in_full[full] + in_line[own] - in_line[full]

    if len(tights) == count and spent(least, count) <= room:
        return _Cut(max(k for k in range(least, len(in_full)) if spent(k, count) <= room), count)
    for texts in (True, False):
        merged = _growth(results, room, texts)
        fewest = max(least, count - len(merged) + 1)
        fitting = [k for k in range(fewest, len(in_line)) if spent(least, k) + merged[count - k] <= room]
        if fitting:
            return _Cut(least, fitting[-1], texts)
    # The oldest are left to the archive then: half the room has the newest with their reasons.
    return _Cut(least, max(k for k in range(least, len(in_line)) if spent(least, k) <= room // 2 or k == least), False)


def _growth(results: Sequence[Experiment], room: int, texts: bool) -> list[int]:
    """About what the oldest 0, 1, 2 … results cost when merged; as many as fit `room`."""
    spent = [0]
    groups: set[str] = set()
    entries: dict[tuple[str, str], set[str]] = {}
    times: dict[tuple[str, str], int] = {}
    for experiment in results:
        group, how, name, said = merging(experiment)
        grown = 0
        if group not in groups:
            groups.add(group)
            grown += cost(group) + 8
        key = (group, how)
        known = entries.setdefault(key, set())
        times[key] = times.get(key, 0) + 1
        if times[key] == 1:
            metric = "" if experiment.metric is None else repr(experiment.metric)
            grown += cost(f"{name} {experiment.status} {metric} in run {experiment.run}") + _BETWEEN + 2
        elif times[key] == 2:
            grown += _MORE
        for text in _texts(experiment, said) if texts else ():
            if text not in known:
                known.add(text)
                grown += cost(text) + 6
        if spent[-1] + grown > room:
            break
        spent.append(spent[-1] + grown)
    return spent


def _texts(experiment: Experiment, said: str) -> list[str]:
    told = [(name, experiment.asi.get(key, "").strip()) for key, name in TEXTS]
    return [f"{name}: {one_line(text)}" for name, text in (("said", said), *told) if text]


def _merged(results: Sequence[Experiment], metric: Metric, room: int, texts: bool, archive: str) -> str:
    entries: dict[tuple[str, str], Merged] = {}
    for experiment in results:
        group, how, name, said = merging(experiment)
        entry = entries.get((group, how))
        if entry is None:
            entry = entries[group, how] = Merged(name)
        entry.add(experiment, metric.direction)
        if texts:
            entry.texts.update(dict.fromkeys(_texts(experiment, said)))
    shown, bare = _shown(entries, room, texts)
    lines: dict[str, list[str]] = {}
    for key in entries:
        if key in shown:
            lines.setdefault(key[0], []).append(shown[key])
    without = "" if texts else f"; for why, and what next, see {archive}"
    head = f"The {len(results)} oldest, by what they changed, each change once, with what came of it{without}:"
    body = [f"{group}: {' · '.join(items)}" for group, items in lines.items()]
    if bare:
        body.append(f"({bare} of these entries are names alone, without what came of them)")
    if left := sum(entry.count for key, entry in entries.items() if key not in shown):
        body.append(f"({left} more do not fit here; look for them in {archive})")
    return "\n".join([head, *body])


def _shown(entries: dict[tuple[str, str], Merged], room: int, texts: bool) -> tuple[dict[tuple[str, str], str], int]:
    """The entries' texts, and how many of them are bare names: where not all fit, half the room has the kept and the
    newest, the rest of it bare names."""
    order = sorted(entries, key=lambda key: (bool(entries[key].outcomes.get("keep")), entries[key].last), reverse=True)
    room -= sum(cost(group) + 4 for group in {group for group, _ in entries})
    shown, bare = dict[tuple[str, str], str](), 0
    for least in (0, room // 2):
        shown, left, bare = {}, room, 0
        for key in order:
            whole = left > least
            text = entries[key].shown(texts) if whole else entries[key].name
            price = cost(text) + _BETWEEN
            if price <= left:
                shown[key] = text
                left -= price
                bare += not whole
            elif not least or left < _TINY:
                break
        if len(shown) == len(entries):
            break
    return shown, bare
