"""autoresearch.md: the living document. Its generated parts are rewritten from the state; the rest stays a person's."""

from collections.abc import Callable

from engine.session.markdown import one_line
from engine.session.marked import merged
from engine.session.settings import Settings
from engine.session.standing import session_confidence
from engine.session.state import Experiment, State, gain
from engine.session.stats import meaning

TRIED_ROWS = 40
"""Rows of the table of what was tried; older ones are counted, and all are in autoresearch.jsonl."""
LEARNT_ROWS = 25


def updated(old: str, state: State, settings: Settings, name: str) -> str:
    """`old` with every generated part made new; parts that are missing are added at the end.

    A part that a person deleted comes back; what stands outside of the parts is kept to the letter.
    """
    text = old or f"# {name}\n\nWrite wherever you like outside the marked parts.\n"
    return merged(text, {part: render(state, settings) for part, render in PARTS.items()})


def _goal(state: State, settings: Settings) -> str:
    metric, scope = settings.metric, settings.scope
    limit = f"{settings.run.timeout_s:g} s"
    gate = "round" if settings.researcher.kind == "grow" else settings.gate.kind
    return "\n".join(
        [
            "## Goal",
            f"Bring `{metric.name}` ({metric.unit or 'no unit'}) as {'low' if metric.direction == 'lower' else 'high'}"
            " as it goes.",
            "",
            f"- Benchmark: `{one_line(settings.run.command)}`, at most {limit}; gate: {gate}",
            f"- May change: {', '.join(f'`{one_line(name)}`' for name in scope.editable)}",
            f"- Fixed: {', '.join(f'`{one_line(name)}`' for name in scope.pinned)}; no new packages",
        ]
    )


def _champion(state: State, settings: Settings) -> str:
    champion, baseline, segment = state.champion, state.baseline, state.segment
    if champion is None or baseline is None or segment is None or champion.metric is None or baseline.metric is None:
        return "## Champion\nNothing is measured yet."
    won = gain(champion.metric, baseline.metric, segment.metric.direction)
    lines = [
        "## Champion",
        f"Run {champion.run}, commit `{champion.commit[:7]}`: {segment.metric.name} {champion.metric:.6f},"
        f" {won:+.6f} against the baseline's {baseline.metric:.6f} (run {baseline.run}).",
        f"{one_line(champion.description)}",
    ]
    figure = session_confidence(state)
    if figure is not None:
        lines.append(f"Confidence of the session {figure:.1f}: {meaning(figure)}.")
    return "\n".join(lines)


def _row(experiment: Experiment) -> str:
    metric = "–" if experiment.metric is None else f"{experiment.metric:.6f}"
    flags = f" ({', '.join(experiment.flags)})" if experiment.flags else ""
    return f"| {experiment.run} | {metric} | {experiment.status}{flags} | {one_line(experiment.description)} |"


def _tried(state: State, settings: Settings) -> str:
    ended = [e for e in state.of_segment() if e.phase == "ended"]
    counts = {status: sum(e.status == status for e in ended) for status in ("keep", "discard", "crash")}
    told = ", ".join(f"{count} {status}" for status, count in counts.items())
    head = [f"## Tried\n{len(ended)} in this segment: {told}.", ""]
    older = len(ended) - TRIED_ROWS
    if older > 0:
        head.append(f"The last {TRIED_ROWS}; {older} older ones are in `autoresearch.jsonl`.\n")
    table = ["| run | metric | status | change |", "|---|---|---|---|"]
    return "\n".join(head + table + [_row(e) for e in reversed(ended[-TRIED_ROWS:])])


def _learnt(state: State, settings: Settings) -> str:
    ended = [e for e in state.of_segment() if e.phase == "ended" and e.asi.get("result")]
    hint = ended[-1].asi.get("next_action_hint", "") if ended else ""
    lines = ["## Learnt", *(f"- Run {e.run}: {one_line(e.asi['result'])}" for e in reversed(ended[-LEARNT_ROWS:]))]
    if hint:
        lines += ["", f"Next: {one_line(hint)}"]
    return "\n".join(lines)


def _dead_ends(state: State, settings: Settings) -> str:
    failed = [e for e in state.of_segment() if e.phase == "ended" and e.status in ("crash", "checks_failed")]
    rows = [f"- Run {e.run}, {one_line(e.description)}: {one_line(e.reason)}" for e in reversed(failed[-LEARNT_ROWS:])]
    return "\n".join(["## Dead ends", *(rows or ["None yet."])])


def _operator(state: State, settings: Settings) -> str:
    rows = []
    for id in state.messages[-LEARNT_ROWS:]:
        command = state.commands[id]
        answer = f" → {one_line(command.answer)}" if command.answer else ""
        rows.append(f"- {one_line(command.by)}: {one_line(command.args.get('text', ''))} ({command.status}){answer}")
    for decision in state.decisions[-LEARNT_ROWS:]:
        taken = ", taken back" if decision.undone else ""
        what = f"{decision.kind} of run {decision.run}{taken}"
        rows.append(f"- {one_line(decision.by)}: {what}. {one_line(decision.reason)}")
    return "\n".join(["## Operator", *(rows or ["No messages yet."])])


PARTS: dict[str, Callable[[State, Settings], str]] = {
    "goal": _goal,
    "champion": _champion,
    "tried": _tried,
    "learnt": _learnt,
    "dead_ends": _dead_ends,
    "operator": _operator,
}
