"""The report of a session as Markdown. Pure."""

from collections.abc import Sequence
from datetime import datetime

from engine.cli import figures
from engine.session.markdown import one_line, table
from engine.session.night import Cause, Idea, Keep, Night
from engine.session.spending import Times, dollars
from engine.session.stats import meaning

IDEAS = 60
"""Ideas on the page; the others are counted, and in --json."""
LAST = 12
"""Pauses and troubles on the page, the last ones."""
_RUNS = 8
_TEXT = 300


def page(name: str, standing: str, night: Night) -> str:
    """The whole page, with a line break at its end left out. `standing` says what the session does now."""
    parts = [
        _head(name, standing, night),
        _section("What was kept", _keeps(night.keeps, night.metric_name, night.segments > 1)),
        _section("What failed, by idea", _ideas(night.ideas)),
        _section("Crashes by cause", _causes(night.crashes, "cause", "how it was told the last time")),
        _section("Flags", _causes(night.flagged, "flag", "what it means")),
        _section("The researcher", _researcher(night)),
        _section("Usage and cost", _spending(night)),
        _section("Time", _times(night.times)),
        _section("Pauses", _pauses(night)),
        _section("Troubles", [f"- {_moment(at)}: {_short(text)}" for at, text in night.troubles[-LAST:]]),
    ]
    return "\n\n".join(part for part in parts if part)


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *lines]) if lines else ""


def _short(text: str) -> str:
    flat = one_line(text)
    return flat if len(flat) <= _TEXT else flat[: _TEXT - 1].rstrip("\\") + "…"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")


def _head(name: str, standing: str, night: Night) -> str:
    lines = [f"# {one_line(name)}", "", f"Now: {_short(standing)}."]
    if not night.began_at:
        return "\n".join([*lines, "", "Nothing was measured yet."])
    tried = sum(night.counts.values())
    counts = ", ".join(f"{count} {status}" for status, count in sorted(night.counts.items()))
    span = figures.seconds(night.last_at - night.began_at)
    lines += ["", f"{_moment(night.began_at)} to {_moment(night.last_at)} ({span}): {_many(tried, 'experiment')}"]
    lines[-1] += f" ({counts})." if counts else "."
    if night.champion is None or night.baseline is None:
        return "\n".join([*lines, "There is no baseline yet that anything could be compared with."])
    run, metric = night.champion
    if run == night.baseline[0]:
        lines.append(f"The baseline stands: run {run}, {night.metric_name} {metric:.6f}. Nothing beat it.")
    else:
        share = f", {abs(night.gain / night.baseline[1]):.2%}" if night.gain and night.baseline[1] else ""
        lines.append(
            f"Champion: run {run}, {night.metric_name} {metric:.6f}, {_short(night.champion_description)}."
            f" Its gain over the baseline's {night.baseline[1]:.6f} (run {night.baseline[0]}) is"
            f" {night.gain or 0:.6f}{share}."
        )
    if night.segments > 1:
        lines.append(f"This is segment {night.segments - 1}; what is measured in one cannot be compared with another.")
    return "\n".join([*lines, "", confidence_words(night)])


def confidence_words(night: Night) -> str:
    """The confidence figure and how it is to be read."""
    figure = night.confidence
    if figure is None:
        few = f"three valid results are needed, and there {'is' if night.results == 1 else 'are'} {night.results}"
        return f"No confidence can be given: {few if night.results < 3 else 'the results do not vary'}."
    reading = {
        "likely real": "so much seldom comes from chance alone",
        "marginal": "some of it may be chance",
        "noise": "results vary as much without any improvement",
    }[meaning(figure)]
    return (
        f"Confidence {figure:.1f}, {meaning(figure)}: the gain is {figure:.1f} times the scatter (median absolute"
        f" deviation) of the {night.results} valid results of this segment; {reading}. The best of many noisy results"
        " looks better than it is, and the figure speaks of the session, not of one change: the confirm gate, which"
        " repeats both sides under fresh seeds, tells about that."
    )


def _keeps(keeps: Sequence[Keep], metric: str, segments: bool) -> list[str]:
    if not keeps:
        return ["Nothing yet."]
    head = (["segment"] if segments else []) + ["run", "commit", metric, "gain", "lines", "by", "change"]
    rows = []
    for keep in keeps:
        # A description that names the constants has said it already.
        unsaid = {} if all(name in keep.description for name in keep.change) else keep.change
        change = ", ".join(f"{name} {old} → {new}" for name, (old, new) in unsaid.items())
        told = one_line(keep.description)
        by = keep.researcher + (f", kept by {keep.decided_by}" if keep.decided_by else "")
        cells = [str(keep.run), f"`{keep.commit[:7]}`", figures.metric(keep.metric), _gain(keep.gain)]
        cells += [f"{keep.net_lines:+d}", one_line(by), told if not change else f"{told} ({one_line(change)})"]
        rows.append(([str(keep.segment)] if segments else []) + cells)
    return table(head, rows)


def _gain(value: float | None) -> str:
    return "–" if value is None else f"{value:+.6f}"


def _ideas(ideas: Sequence[Idea]) -> list[str]:
    rows = [
        [
            _short(idea.name),
            _runs(idea.runs),
            ", ".join(f"{count} {status}" for status, count in idea.statuses.items()),
            _gain(idea.best),
            _short(idea.last),
        ]
        for idea in ideas[:IDEAS]
    ]
    lines = table(["idea", "runs", "results", "best that failed", "why the last one failed"], rows)
    more = len(ideas) - IDEAS
    return [*lines, "", f"… and {more} more ideas (--json has all)."] if more > 0 else lines


def _runs(runs: Sequence[int]) -> str:
    shown = ", ".join(str(run) for run in runs[:_RUNS])
    return shown if len(runs) <= _RUNS else f"{shown} … ({len(runs)})"


def _of(runs: Sequence[int]) -> str:
    return f"run{'' if len(runs) == 1 else 's'} {_runs(runs)}"


def _causes(causes: Sequence[Cause], name: str, told: str) -> list[str]:
    return table([name, "runs", told], ([_short(one.name), _runs(one.runs), _short(one.last)] for one in causes))


def _researcher(night: Night) -> list[str]:
    lines = []
    if night.refused:
        lines.append(f"- {_many(night.refused, 'proposal')} sent back:")
        lines += [f"  - {_of(one.runs)}: {_short(one.last)}" for one in night.refusals[:LAST]]
    if night.mended or night.mend_failed:
        lines.append(f"- {_many(night.mended, 'crashed change')} mended, {night.mend_failed} not.")
    if night.failures:
        lines.append(f"- {_many(sum(one.count for one in night.failures), 'attempt')} without a proposal:")
        lines += [f"  - {one.count} × {one.researcher}, {one.kind}: {_short(one.last)}" for one in night.failures]
    return lines


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _spending(night: Night) -> list[str]:
    spent = night.spending
    if not spent.used:
        return ["No tokens were used."]
    cost = dollars(spent.cost_usd) or "no price known"
    tokens = f"{spent.input_tokens:,.0f} in, {spent.output_tokens:,.0f} out"
    rows = [["all", cost, tokens]]
    for what, price, count in (
        (f"per experiment ({spent.experiments})", spent.per_experiment, spent.tokens_per_experiment),
        (f"per kept improvement ({spent.keeps})", spent.per_keep, spent.tokens_per_keep),
    ):
        rows.append([what, dollars(price) or "–", "–" if count is None else f"{count:,.0f}"])
    lines = table(["", "cost", "tokens"], rows)
    if spent.unpriced:
        lines += ["", f"Of {spent.unpriced} experiments no price is known; the costs above leave them out."]
    return lines


def _times(times: Times) -> list[str]:
    if not times.total:
        return []
    spans = [
        ("proposing (asking, waiting to ask again, mending)", times.proposing),
        ("training", times.training),
        ("other work within experiments (checks, git)", times.other),
        ("between experiments, pauses included", times.between),
        ("without an engine", times.away),
    ]
    rows = ([what, figures.seconds(span), f"{span / times.total:.0%}"] for what, span in spans if span >= 0.5)
    return table(["", "time", "share"], rows)


def _pauses(night: Night) -> list[str]:
    return [
        f"- {_moment(rest.at)}, {figures.seconds(rest.seconds)}, by {one_line(rest.by)}"
        + (f": {_short(rest.reason)}" if rest.reason else "")
        for rest in night.pauses[-LAST:]
    ]
