"""autoresearch.md: the living document. Its generated parts are rewritten from the state; the rest stays a person's."""

import re
from collections.abc import Callable

from engine.session.inert import inert
from engine.session.settings import Settings
from engine.session.standing import session_confidence
from engine.session.state import Experiment, State, gain
from engine.session.stats import meaning

TRIED_ROWS = 40
"""Rows of the table of what was tried; older ones are counted, and all are in autoresearch.jsonl."""
LEARNT_ROWS = 25

# A part never reaches over another one's mark: where a person deleted an end mark, the text up to the next is theirs.
_PART = re.compile(r"<!-- overnight:(\w+) -->\n(?:(?!<!-- /?overnight:).)*<!-- /overnight:\1 -->\n?", re.DOTALL)


def updated(old: str, state: State, settings: Settings, name: str) -> str:
    """`old` with every generated part made new; parts that are missing are added at the end.

    A part that a person deleted comes back; what stands outside of the parts is kept to the letter.
    """
    parts = {part: render(state, settings) for part, render in PARTS.items()}
    seen: set[str] = set()

    def replace(found: re.Match[str]) -> str:
        part = found[1]
        if part not in parts:
            return found[0]
        if part in seen:
            return ""
        seen.add(part)
        return _framed(part, parts[part])

    text = _PART.sub(replace, old) if old else f"# {name}\n\nWrite wherever you like outside the marked parts.\n"
    for part, body in parts.items():
        if part not in seen:
            text = text.rstrip("\n") + "\n\n" + _framed(part, body)
    return text


def _framed(part: str, body: str) -> str:
    return f"<!-- overnight:{part} -->\n{body.rstrip()}\n<!-- /overnight:{part} -->\n"


def _line(text: str) -> str:
    """A text of somebody's as one harmless line of Markdown."""
    flat = " ".join(inert(text).split())
    return flat.replace("<!--", "<!‐‐").replace("|", "\\|")


def _goal(state: State, settings: Settings) -> str:
    metric, scope = settings.metric, settings.scope
    limit = f"{settings.run.timeout_s:g} s"
    return "\n".join(
        [
            "## Goal",
            f"Bring `{metric.name}` ({metric.unit or 'no unit'}) as {'low' if metric.direction == 'lower' else 'high'}"
            " as it goes.",
            "",
            f"- Benchmark: `{_line(settings.run.command)}`, at most {limit}; gate: {settings.gate.kind}",
            f"- May change: {', '.join(f'`{_line(name)}`' for name in scope.editable)}",
            f"- Fixed: {', '.join(f'`{_line(name)}`' for name in scope.pinned)}; no new packages",
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
        f"{_line(champion.description)}",
    ]
    figure = session_confidence(state)
    if figure is not None:
        lines.append(f"Confidence of the session {figure:.1f}: {meaning(figure)}.")
    return "\n".join(lines)


def _row(experiment: Experiment) -> str:
    metric = "–" if experiment.metric is None else f"{experiment.metric:.6f}"
    flags = f" ({', '.join(experiment.flags)})" if experiment.flags else ""
    return f"| {experiment.run} | {metric} | {experiment.status}{flags} | {_line(experiment.description)} |"


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
    lines = ["## Learnt", *(f"- Run {e.run}: {_line(e.asi['result'])}" for e in reversed(ended[-LEARNT_ROWS:]))]
    if hint:
        lines += ["", f"Next: {_line(hint)}"]
    return "\n".join(lines)


def _dead_ends(state: State, settings: Settings) -> str:
    failed = [e for e in state.of_segment() if e.phase == "ended" and e.status in ("crash", "checks_failed")]
    rows = [f"- Run {e.run}, {_line(e.description)}: {_line(e.reason)}" for e in reversed(failed[-LEARNT_ROWS:])]
    return "\n".join(["## Dead ends", *(rows or ["None yet."])])


def _operator(state: State, settings: Settings) -> str:
    rows = []
    for id in state.messages[-LEARNT_ROWS:]:
        command = state.commands[id]
        answer = f" → {_line(command.answer)}" if command.answer else ""
        rows.append(f"- {_line(command.by)}: {_line(command.args.get('text', ''))} ({command.status}){answer}")
    for decision in state.decisions[-LEARNT_ROWS:]:
        taken = ", taken back" if decision.undone else ""
        rows.append(f"- {_line(decision.by)}: {decision.kind} of run {decision.run}{taken}. {_line(decision.reason)}")
    return "\n".join(["## Operator", *(rows or ["No messages yet."])])


PARTS: dict[str, Callable[[State, Settings], str]] = {
    "goal": _goal,
    "champion": _champion,
    "tried": _tried,
    "learnt": _learnt,
    "dead_ends": _dead_ends,
    "operator": _operator,
}
