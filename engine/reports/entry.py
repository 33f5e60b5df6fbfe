"""A version's entry in the journal: why, what, before and after, loss, where its time goes, what it writes. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.cli import figures
from engine.reports.material import Material
from engine.reports.textcurve import drawn
from engine.reports.versions import Version
from engine.session import growing
from engine.session.inert import inert
from engine.session.markdown import fenced, one_line, prose, table
from engine.session.night import won
from engine.session.spending import usage_text
from engine.session.state import Experiment, State

DIFF_LINES = 160
"""Lines of a difference that the page shows."""
MISSED = 12
"""Runs between two versions that are told one by one, the last ones."""
_SAMPLE = 420
_TEXT = 600
_ABREAST = 3
_ROWS = (
    ("step_ms", "ms a step", "{:.1f}"),
    ("data_wait_percent", "waiting for data, %", "{:.1f}"),
    ("mfu_percent", "MFU, %", "{:.2f}"),
    ("num_steps", "steps", "{:,.0f}"),
    ("total_tokens_M", "tokens, M", "{:.1f}"),
    ("num_params_M", "parameters, M", "{:.2f}"),
    ("depth", "depth", "{:g}"),
    ("val_loss", "val_loss", "{:.6f}"),
)
"""Measured beside the metric: name, what it is called here, and how it is written."""


class Around(NamedTuple):
    """What an entry is told against: the session's versions by run, and where a forge shows commits ("" = nowhere)."""

    state: State
    names: Mapping[int, str]
    pages: str


def entry(version: Version, material: Material, picture: str, around: Around) -> str:
    """Its Markdown. `picture` is the loss curve's address relative to the page, "" = drawn in characters."""
    experiment = around.state.experiments[version.run - 1]
    parts = [
        _head(version, experiment, around),
        _words(experiment, version),
        table(*_numbers(experiment, around)),
        _changed(material, experiment),
        _loss(experiment, material, picture, around),
        _time(experiment, material),
        _samples(material),
        [f"> {prose(note)}  " for note in experiment.notes],
        missed(version.missed, around.state),
        _all_constants(material, version) if experiment.is_baseline or _stands(version, around.state) else [],
        _difference(material),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _head(version: Version, experiment: Experiment, around: Around) -> list[str]:
    title = "the baseline" if experiment.is_baseline else cut(experiment.description, 90)
    by = "" if experiment.is_baseline else f" · by {prose(experiment.researcher or 'hand')}"
    lines = [f"### {version.name} · {title}", "", f"*{figures.day(version.at)} · run {version.run}{by}*"]
    lines[-1] += f" · commit {commit(experiment, around.pages)}"
    if version.kept_by:
        said = "kept by" if experiment.verdict else "taken by"
        lines.append(f"\n{said} {prose(version.kept_by)}, against the gate ({prose(experiment.reason)}).".capitalize())
    if experiment.status != "keep":
        who = f" by {prose(version.withdrawn_by)}" if version.withdrawn_by else ""
        lines.append(f"\n**Withdrawn{who}**: it is no longer part of the champion.")
    return lines


def commit(experiment: Experiment, pages: str) -> str:
    """Its commit, a link where a forge shows it."""
    short = f"`{experiment.commit[:7]}`"
    return f"[{short}]({pages}{experiment.commit})" if pages and experiment.commit else short


def cut(text: str, most: int) -> str:
    """A text of somebody's on one line, of at most so many characters."""
    flat = " ".join(text.split())
    return prose(flat if len(flat) <= most else flat[: most - 1] + "…")


def _words(experiment: Experiment, version: Version) -> list[str]:
    asi = experiment.asi
    told = [
        ("Why", asi.get("hypothesis", "")),
        ("What", asi.get("arch_change", "") if not _said(experiment) else ""),
        ("Expected", asi.get("expected", "")),
        ("Result", asi.get("result", "") or experiment.reason),
        ("Learnt", asi.get("learned", "")),
        ("Next", asi.get("next_action_hint", "")),
    ]
    lines = [f"- **{name}:** {cut(text, _TEXT)}" for name, text in told if text]
    if used := usage_text(experiment.usage):
        lines.append(f"- **Used:** {prose(used)}")
    return lines


def _said(experiment: Experiment) -> bool:
    """Whether the title tells the change already."""
    change = experiment.asi.get("arch_change", "")
    return (
        experiment.is_baseline
        or change in experiment.description
        or set(experiment.params)
        == {name for name in experiment.params if name in experiment.description and name in change}
    )


def _numbers(experiment: Experiment, around: Around) -> tuple[list[str], list[list[str]]]:
    state = around.state
    base = state.experiment(experiment.champion) if experiment.champion is not None else None
    name = state.segments[experiment.segment].metric.name
    rows = [[f"**{one_line(name)}**", figures.metric(base.metric if base else None), figures.metric(experiment.metric)]]
    better = won(state, experiment)
    rows[0].append("" if better is None else f"{abs(better):.6f} {'better' if better >= 0 else 'worse'}")
    for key, called, form in _ROWS:
        rows.append(_row(called, form, base.metrics.get(key) if base else None, experiment.metrics.get(key)))
    vram = (figures.vram(base.metrics) if base else None), figures.vram(experiment.metrics)
    rows.append(_row("peak memory, MB", "{:,.0f}", *vram))
    took = base.duration_s if base else None
    rows.append(_row("seconds in all", "{:.0f}", took or None, experiment.duration_s or None))
    if base is None:
        return ["", around.names.get(experiment.run, "")], [[row[0], row[2]] for row in rows if _says(row[2])]
    rows = rows[:1] + [row for row in rows[1:] if _says(row[2]) and row[1] != row[2] and row[3] != "="]
    return ["", around.names.get(base.run, f"run {base.run}"), around.names.get(experiment.run, ""), ""], rows


def _says(cell: str) -> bool:
    return any(digit in "123456789" for digit in cell)


def _row(called: str, form: str, before: float | None, after: float | None) -> list[str]:
    change = ""
    if before and after is not None and not called.endswith("%"):
        share = after / before - 1
        change = f"{share:+.1%}" if abs(share) >= 0.0005 else "="
    return [called, "" if before is None else form.format(before), "" if after is None else form.format(after), change]


def _changed(material: Material, experiment: Experiment) -> list[str]:
    if experiment.is_baseline:
        return []
    rows = [[f"`{name}`", _value(old), _value(new)] for name, (old, new) in material.changed.items()]
    if not rows:
        return [f"No constant changed; {experiment.net_lines:+d} lines of code (the difference is below)."]
    return table(["constant", "before", "after"], rows)


def _value(source: str) -> str:
    text = one_line(source).replace("`", "'")
    return f"`{text if len(text) <= 60 else text[:59] + '…'}`"


def _loss(experiment: Experiment, material: Material, picture: str, around: Around) -> list[str]:
    if len(material.curve) < 2:
        return []
    base = around.names.get(experiment.champion or 0, f"run {experiment.champion}")
    against = f" and of {base}, which it was tried on" if len(material.base_curve) > 1 else ""
    if picture:
        return [f"![Training loss of run {experiment.run}{against}]({picture})"]
    lines = ["Training loss:", "", *fenced("\n".join(drawn(material.curve)))]
    return lines


def _time(experiment: Experiment, material: Material) -> list[str]:
    profile, metrics = material.profile, experiment.metrics
    if profile is None:
        if "step_ms" not in metrics or "data_wait_percent" not in metrics:
            return []
        wait = metrics["data_wait_percent"]
        own = metrics["step_ms"] * (100 - wait) / 100
        text = f"**Time.** {metrics['step_ms']:.1f} ms a step, of which {own:.1f} ms computing"
        hint = f"; `overnight profile {experiment.run}` tells where the computing goes."
        return [f"{text} and {wait:.1f}% waiting for data{hint}"]
    head = (
        f"**Time.** {profile.step_ms:.1f} ms a step on {prose(profile.device)}, by a profile of {profile.steps} steps:"
    )
    rows = [[name, f"{ms:.2f}", f"{share:.0%}", "█" * round(20 * share)] for name, ms, share in profile.rows()]
    lines = [head, "", *table(["", "ms", "share", ""], rows)]
    if profile.top:
        top = ", ".join(f"`{one_line(one.name)[:60]}` {one.ms:.2f} ms" for one in profile.top[:3])
        lines += ["", f"Costliest: {top}."]
    return lines


def _samples(material: Material) -> list[str]:
    if not material.samples:
        return []
    blocks = []
    for one in material.samples:
        text = " ".join(inert(f"{one.prompt}▸{one.written()}").replace("␊", " ").split())
        short = text if len(text) <= _SAMPLE else text[: _SAMPLE - 1] + "…"
        blocks.append("\n".join(textwrap.wrap(short, 100)))
    return ["**What it writes** (after ▸):", "", *fenced("\n\n".join(blocks), "text")]


def missed(runs: Sequence[int], state: State, title: str = "Not kept on the way here") -> list[str]:
    """Runs that were not kept, each on a line; the older ones of many are counted."""
    if not runs:
        return []
    shown = runs[-MISSED:]
    older = len(runs) - len(shown)
    lines = [f"**{title}** ({len(runs)}):", ""]
    if older:
        lines.append(f"- … and {older} before these, see `overnight log`")
    for run in shown:
        experiment = state.experiments[run - 1]
        better = won(state, experiment)
        figure = f", {abs(better):.6f} {'better' if better >= 0 else 'worse'}" if better is not None else ""
        why = f": {cut(growing.fate(state, experiment), 120)}" if better is None or better >= 0 else ""
        what = cut(experiment.description, 110) or "no change"
        lines.append(f"- run {run}, {what} — {experiment.status}{figure}{why}")
        lines += [f"  - {prose(note)}" for note in experiment.notes]
    return lines


def _stands(version: Version, state: State) -> bool:
    return state.segments[version.segment].champion == version.run


def _all_constants(material: Material, version: Version) -> list[str]:
    if not material.constants:
        return []
    cells = []
    for name, source in material.constants.items():
        mark = "**" if name in material.changed else ""
        cells.append((f"{mark}`{name}`{mark}", _value(source)))
    rows = [[cell for pair in cells[at : at + _ABREAST] for cell in pair] for at in range(0, len(cells), _ABREAST)]
    rows[-1] += [""] * (2 * min(_ABREAST, len(cells)) - len(rows[-1]))
    body = table(["constant", "value"] * min(_ABREAST, len(cells)), rows)
    return _folded(f"All constants of {version.name}", body)


def _difference(material: Material) -> list[str]:
    lines = material.diff.rstrip("\n").split("\n") if material.diff.strip() else []
    added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    if not lines or added == len(material.changed):
        return []  # nothing, or nothing that the table of constants has not told
    more = len(lines) - DIFF_LINES
    body = fenced("\n".join(lines[:DIFF_LINES]), "diff")
    return _folded("The difference", [*body, *([f"… and {more} more lines"] if more > 0 else [])])


def _folded(title: str, lines: Sequence[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>"]
