"""The swarm screen's sections: each one's rows, columns, cells, and all that is known of a row. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tui.panes.folded import fold_words
from tui.runs import Line, Run, line_width
from tui.swarmdata import Adopted, Claim, Idea, Member, News, Overview, Place, Rerun, Waiting
from tui.table.source import Column

SHORT = 8
"""Digits of an id that are shown; the command line takes any unique beginning."""
_LABEL = 12


class Entry(NamedTuple):
    """A row. `result` is the id of the result that it speaks of, "" for none; `own` says whether it is this session's.

    `told` are labels with all that is known, for who reads the row whole.
    """

    key: str
    cells: tuple[Run, ...]
    told: tuple[tuple[str, str], ...]
    result: str = ""
    name: str = ""
    own: bool = False


class Section(NamedTuple):
    """A part of the screen; `entries` makes its rows, `empty` is said where there are none, `short` is for tabs."""

    id: str
    title: str
    short: str
    columns: tuple[Column, ...]
    entries: Callable[[Overview], list[Entry]]
    empty: str


def ago(seconds: float) -> str:
    """How long since, in few cells and coarse enough not to change every second."""
    if seconds < 60:
        return "<1 min"
    if seconds < 7200:
        return f"{seconds // 60:.0f} min"
    return f"{seconds // 3600:.0f} h" if seconds < 172800 else f"{seconds // 86400:.0f} d"


def metric_text(value: float | None) -> str:
    """A metric, or a dash."""
    return "–" if value is None else f"{value:.6f}"


_TONES = {
    "verified": "good",
    "keep": "good",
    "refuted": "bad",
    "withdrawn": "bad",
    "banned": "bad",
    "failed": "bad",
    "quarantined": "warn",
    "crash": "bad",
}


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _state(text: str) -> Run:
    return (text or "–", _TONES.get(text, "dim"))


def _who(name: str, own: bool) -> Run:
    return (f"{'»' if own else ' '} {name}", "strong" if own else "")


def _members(all: Overview) -> list[Entry]:
    return [_member(one, all.now) for one in all.members]


def _member(one: Member, now: float) -> Entry:
    if one.revoked:
        state: Run = ("× revoked", "bad")
    elif one.alive:
        state = ("● alive", "good")
    else:
        state = (f"○ {ago(now - one.seen)}", "dim")
    cells = (_who(one.name, one.own), state, (f"{one.rate:.1f}" if one.rate else "–", ""), (f"{one.results:,}", ""),
             (one.gpu or "–", ""), (one.machine or "–", "dim"))  # fmt: skip
    told = (
        ("member", one.name),
        ("state", f"{state[0]}, heard of {ago(now - one.seen)} ago, joined {ago(now - one.joined)} ago"),
        ("gave", f"{one.results:,} result{_s(one.results)}, {one.rate:.1f} in an hour"),
        ("on", " · ".join(filter(None, (one.gpu, one.machine))) or "an unknown machine"),
    )
    return Entry(one.name, cells, told, "", one.name, one.own)


def _leaderboard(all: Overview) -> list[Entry]:
    """Class by class, the session's own first; within a class as the swarm ranks."""
    classes = list(dict.fromkeys((one.contract, one.gpu) for one in all.leaderboard))
    own = {(one.contract, one.gpu) for one in all.leaderboard if one.own_class}
    out: list[Entry] = []
    for klass in sorted(classes, key=lambda klass: klass not in own):
        of_class = [one for one in all.leaderboard if (one.contract, one.gpu) == klass]
        out += [_place(one, number, len(of_class), all.now) for number, one in enumerate(of_class, 1)]
    return out


def _place(one: Place, number: int, members: int, now: float) -> Entry:
    state = "" if one.best is None else "verified" if one.verified is not None else "unverified"
    klass = f"{one.gpu.removeprefix('NVIDIA ').removeprefix('GeForce ')} · {one.contract[:6]}"
    cells = ((f"{'»' if one.own_class else ' '} {klass}", "" if number == 1 else "dim"), (f"{number}", "dim"),
             _who(one.name, one.own), (metric_text(one.best), "champion" if number == 1 else ""), _state(state),
             (f"{one.results:,}", ""), (f"{one.keeps:,}", ""))  # fmt: skip
    alone = "; nobody else is in this class to verify it" if members == 1 and state == "unverified" else ""
    told = [("class", f"{klass}{', this session’s' if one.own_class else ''}"),
            ("best", f"{metric_text(one.best)} by {one.name}, {state or 'no metric'}{alone}"),
            ("results", f"{one.results:,}, {one.keeps:,} kept, the last {ago(now - one.last)} ago")]  # fmt: skip
    if one.description:
        told.insert(2, ("change", one.description))
    if one.reason:
        told.append(("verdict", one.reason))
    return Entry(
        f"{one.contract} {one.gpu} {one.name}", cells, (*told, *_id(one.result)), one.result, one.name, one.own
    )


def _id(id: str) -> tuple[tuple[str, str], ...]:
    return (("result", id),) if id else ()


def _feed(all: Overview) -> list[Entry]:
    return [_news(one, all) for one in all.feed]


def _news(one: News, all: Overview) -> Entry:
    own = one.name == all.name
    text = f"on result {one.text[:SHORT]}" if one.kind == "verdict" else one.text or "baseline"
    cells = ((ago(all.now - one.at), "dim"), _who(one.name, own), (one.kind, "info" if one.kind != "result" else ""),
             (metric_text(one.metric) if one.kind == "result" else "", ""),
             _state(one.state) if one.state else ("", ""), (text, ""))  # fmt: skip
    told = [(one.kind or "record", text), ("by", f"{one.name}, {ago(all.now - one.at)} ago")]
    if one.kind == "result":
        of = f" on {one.gpu}" if one.gpu else ""
        told.append(("came to", f"{metric_text(one.metric)}, {one.state or 'reported'}{of}"))
    id = one.id if one.kind == "result" and one.metric is not None else ""
    return Entry(one.id, cells, (*told, ("id", one.id)), id, one.name, own)


def _claims(all: Overview) -> list[Entry]:
    return [_claim(one, all.now) for one in all.claims]


def _claim(one: Claim, now: float) -> Entry:
    runs = f"{(one.until - now) // 60:.0f} min left" if one.until - now >= 60 else "<1 min left"
    state: Run = (runs, "running") if one.live and one.until > now else ("ran out", "dim")
    told = (("change", one.description or "no description"), ("claimed by", f"{one.name}, {state[0]}"))
    return Entry(one.id, (_who(one.name, one.own), state, (one.description, "")), told, "", one.name, one.own)


def _hypotheses(all: Overview) -> list[Entry]:
    return [_idea(one, all) for one in all.hypotheses]


def _idea(one: Idea, all: Overview) -> Entry:
    own = one.name == all.name
    cells = ((f"{one.priority}", "warn" if one.priority == 1 else ""), (one.state, "running" if one.state == "claimed"
             else ""), _who(one.name, own), (one.text, ""))  # fmt: skip
    told = [("hypothesis", one.text), ("by", f"{one.name}, {ago(all.now - one.at)} ago, priority {one.priority}, "
            f"{one.state}")]  # fmt: skip
    if one.evidence:
        told.insert(1, ("evidence", one.evidence))
    return Entry(one.id, cells, (*told, ("id", one.id)), "", one.name, own)


def _queue(all: Overview) -> list[Entry]:
    return [_waiting(one, all.now) for one in all.queue]


def _waiting(one: Waiting, now: float) -> Entry:
    cells = (_who(one.name, one.own), (metric_text(one.metric), ""), _state(one.state), (ago(now - one.at), "dim"),
             (one.description or "baseline", ""))  # fmt: skip
    told = [("change", one.description or "baseline"),
            ("claims", f"{metric_text(one.metric)} by {one.name}, {one.state}, for {ago(now - one.at)}")]  # fmt: skip
    if one.reason:
        told.append(("because", one.reason))
    return Entry(one.id, cells, (*told, *_id(one.id)), one.id, one.name, one.own)


def _own(all: Overview) -> list[Entry]:
    return [_adopted(one) for one in all.adopted][::-1] + [_rerun(one) for one in all.verified][::-1]


def _adopted(one: Adopted) -> Entry:
    cells = (("took", "info"), (f"run {one.run}", ""), _state(one.status or "under way"), ("", ""),
             (f"result {one.result[:SHORT]} as its code", ""))  # fmt: skip
    told = (("adopted", f"result {one.result} as run {one.run}: {one.status or 'under way'}"),)
    return Entry(f"run {one.run}", cells, told)


def _rerun(one: Rerun) -> Entry:
    cells = (("gave", "info"), ("re-run", ""), _state(one.outcome or "under way"), (metric_text(one.metric), ""),
             (f"of {one.name}'s result {one.result[:SHORT]}", ""))  # fmt: skip
    told = (("re-ran", f"{one.name}'s result {one.result}: {one.outcome or 'under way'}, {metric_text(one.metric)}"),)
    return Entry(f"re-run {one.result}", cells, told)


_NAME = Column("name", "member", least=10, most=22)

SECTIONS: tuple[Section, ...] = (
    Section("leaderboard", "leaderboard", "leaderboard", (
        Column("class", "class", least=20, stretch=True), Column("place", "#", least=2, right=True), _NAME,
        Column("best", "best", least=8, right=True), Column("state", "state", least=10),
        Column("results", "runs", least=5, right=True), Column("kept", "kept", least=4, right=True),
    ), _leaderboard, "no results yet"),
    Section("members", "members", "members", (
        _NAME, Column("state", "state", least=9), Column("rate", "/hour", least=5, right=True),
        Column("results", "results", least=7, right=True), Column("gpu", "GPU", least=8, most=24),
        Column("machine", "machine", least=8, stretch=True),
    ), _members, "nobody has joined yet"),
    Section("feed", "feed", "feed", (
        Column("at", "ago", least=6, right=True), _NAME, Column("kind", "what", least=7),
        Column("metric", "metric", least=8, right=True), Column("state", "state", least=8),
        Column("text", "said", least=16, stretch=True),
    ), _feed, "nothing was told yet"),
    Section("claims", "claims", "claims", (
        _NAME, Column("state", "lease", least=11), Column("text", "what is being tried", least=16, stretch=True),
    ), _claims, "nothing is claimed now"),
    Section("hypotheses", "hypotheses", "hypotheses", (
        Column("priority", "p", least=1, right=True), Column("state", "state", least=7), _NAME,
        Column("text", "worth trying", least=16, stretch=True),
    ), _hypotheses, "no open hypotheses"),
    Section("queue", "to verify", "verify", (
        _NAME, Column("metric", "claims", least=8, right=True), Column("state", "state", least=8),
        Column("at", "waits", least=6, right=True), Column("text", "change", least=16, stretch=True),
    ), _queue, "nothing of this class waits to be verified"),
    Section("own", "taken, given", "ours", (
        Column("way", "", least=4), Column("what", "what", least=7), Column("state", "came to", least=8),
        Column("metric", "metric", least=8, right=True), Column("text", "of", least=16, stretch=True),
    ), _own, "nothing was adopted or re-run yet"),
)  # fmt: skip


def detail(entry: Entry | None, width: int) -> list[Line]:
    """All that is known of a row, folded to `width` cells."""
    if entry is None:
        return []
    out: list[Line] = []
    for label, text in entry.told:
        out += fold_words([(f"{label:<{_LABEL}}", "dim"), (text, "")], width, _LABEL)
    return out


def balance(all: Overview, width: int) -> Line:
    """What this session gave to the others and took from them; the last parts give way where there is no room."""
    wait: Line = [(f" ({all.waiting} wait in the outbox)", "warn")] if all.waiting else []
    parts: tuple[Line, ...] = (
        [("gave ", "dim"), (f"{all.delivered} record{_s(all.delivered)}", ""), *wait],
        [(", ", "dim"), (f"{len(all.verified)} re-run{_s(len(all.verified))}", "")],
        [("  took ", "dim"), (f"{len(all.adopted)} adopted", "")],
        [(", ", "dim"), (f"{all.avoided} repeat{_s(all.avoided)} avoided", "")],
        [("  claims ", "dim"), (f"{all.claimed}", ""), (", alone ", "dim"), (f"{all.alone}", "")],
    )
    line: Line = []
    for part in parts:
        if line_width([*line, *part]) <= width:
            line += part
    return line
