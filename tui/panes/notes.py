"""What is known of the selected run: its ASI laid out, verdict and reason, flags, trials, the operator's decisions."""

from __future__ import annotations

from collections.abc import Iterator
from time import localtime, strftime

from textual.widget import Widget

from engine.session.inert import inert
from engine.session.state import Experiment, State
from tui import model, rows
from tui.fitting import duration_text, signed
from tui.model import View
from tui.panes.lines import LinesView, paragraph
from tui.panes.pane import Pane
from tui.runs import Line, plain

FLAG_WORDS = {
    "jump": "the gain is larger than is believed in one step",
    "not_positive": "the metric is zero or below",
    "not_finite": "the metric is not a finite number",
    "log_disagrees": "the metric differs from what run.log says",
    "clock_disagrees": "the claimed seconds differ from the clock",
    "pinned_changed": "a pinned file was changed during the run",
    "editable_changed": "an editable file was changed during the run",
    "checks_changed": "the checks were changed during the run",
    "base_withdrawn": "it ran on a champion that was withdrawn meanwhile",
}
_ASI = {"hypothesis": "why", "arch_change": "change", "result": "result", "next_action_hint": "next"}
_UNFOLDED = 100_000  # cells: for copying
_INDENT = 11


def lines(view: View, width: int) -> list[Line]:
    """All that is known of the selected run, folded to `width` cells."""
    experiment = view.selection
    if experiment is None:
        return [[("no run is selected", "dim")], *_session(view.state, width)]
    return [
        *_head(view.state, experiment, view.running, width),
        *_asi(experiment, width),
        *_outcome(experiment, width),
        *_decisions(view.state, experiment, width),
        *_session(view.state, width),
    ]


def _row(name: str, text: str, width: int, names: str = "") -> list[Line]:
    return paragraph(inert(text, newlines=True), width, names, _INDENT, name)


def _head(state: State, experiment: Experiment, engine: bool, width: int) -> list[Line]:
    out = paragraph(inert(experiment.description or "…"), width, "strong")
    style = rows.style(state, experiment, engine=engine)
    words = rows.status_cell(experiment, engine=engine)
    verdict: Line = [(f"{rows.glyph(state, experiment, engine=engine)} {words}", style)]
    if experiment.metric is not None:
        verdict.append((f"  {experiment.metric:.6f}", "strong"))
    change = model.step_gain(state, experiment)
    if change is not None:
        lower = model.direction_of(state, experiment) == "lower"
        verdict.append((f" {signed(-change if lower else change)} against run {experiment.champion}", "dim"))
    out.append(verdict)
    if experiment.reason:
        out += _row("verdict", experiment.reason, width)
    for flag in experiment.flags:
        out += _row("⚑ flag", FLAG_WORDS.get(flag, flag), width, "warn")
    if experiment.flags and experiment.status != "keep" and experiment.metric is not None:
        out += _row("", "K keeps it all the same", width, "dim")
    return out


def _asi(experiment: Experiment, width: int) -> list[Line]:
    out: list[Line] = []
    for name, (old, new) in experiment.params.items():
        out += _row("set", f"{name}  {old} → {new}", width, "accent")
    for key in (*_ASI, *(key for key in experiment.asi if key not in _ASI)):
        if text := experiment.asi.get(key, ""):
            out += _row(_ASI.get(key, key[: _INDENT - 1]), text, width)
    return out


def _outcome(experiment: Experiment, width: int) -> list[Line]:
    out: list[Line] = []
    if experiment.failed:
        out += _row("failed", experiment.failed, width, "bad")
    for refusal in experiment.refusals:
        out += _row("refused", refusal, width, "warn")
    for trial in experiment.trials:
        what = trial.outcome or "running"
        if trial.cause and trial.cause != what:
            what += f" ({trial.cause})"
        value = f" {trial.metric:.6f}" if trial.metric is not None else ""
        of = " champion" if trial.of == "champion" else ""
        took = f" in {duration_text(trial.duration_s)}" if trial.outcome else ""
        out += _row(f"trial {trial.number}", f"{what}{value}{of} seed {trial.seed}{took}", width)
        if trial.detail:
            out += _row("", trial.detail, width, "bad" if trial.outcome != "ok" else "")
        if trial.killed:
            out += _row("killed", ", ".join(trial.killed), width, "warn")
    if experiment.checks:
        out += _row("checks", f"{experiment.checks} {experiment.checks_detail}".strip(), width)
    if experiment.metrics:
        out += _row(
            "metrics", "  ".join(f"{name} {value:g}" for name, value in experiment.metrics.items()), width, "dim"
        )
    about = [f"commit {experiment.commit[:12]}"] if experiment.commit else []
    if experiment.researcher:
        about.append(f"by {experiment.researcher}")
    if experiment.net_lines:
        about.append(f"{experiment.net_lines:+d} lines")
    about += [f"{name} {value:g}" for name, value in experiment.usage.items()]
    return out + (_row("about", ", ".join(about), width, "dim") if about else [])


def _decisions(state: State, experiment: Experiment, width: int) -> list[Line]:
    out: list[Line] = []
    for note in experiment.notes:
        out += _row("note", note, width, "accent")
    if experiment.abort:
        out += _row("aborted", f"by {experiment.abort}", width, "warn")
    for decision in state.decisions:
        if experiment.run == decision.run or experiment.run in decision.withdrawn:
            out += _row(
                decision.kind, _decision_words(decision.by, decision.reason, decision.withdrawn, decision.undone), width
            )
    return out


def _decision_words(by: str, reason: str, withdrawn: tuple[int, ...], undone: bool) -> str:
    words = f"by {by}"
    if reason:
        words += f": {reason}"
    if withdrawn:
        words += f" (withdrew {', '.join(map(str, withdrawn))})"
    return words + (", undone" if undone else "")


def _session(state: State, width: int) -> list[Line]:
    """Who did what lately, and what went wrong."""
    happened: list[tuple[float, str, str, str]] = []
    for decision in state.decisions[-5:]:
        words = _decision_words(decision.by, decision.reason, decision.withdrawn, decision.undone)
        happened.append((decision.at, f"{decision.kind} {decision.run}", words, ""))
    for at, by, text in state.notes[-5:]:
        happened.append((at, "note", f"{by}: {text}", "accent"))
    for at, text in state.troubles[-5:]:
        happened.append((at, "trouble", text, "warn"))
    for command in list(state.commands.values())[-8:]:
        if command.kind not in ("say", "unsay", "revert", "keep", "undo", "note"):
            words = f"by {command.by}: {command.status}" + (f", {command.answer}" if command.answer else "")
            happened.append((command.at, command.kind, words, "warn" if command.status == "refused" else ""))
    if not happened:
        return []
    out: list[Line] = [[], [("lately in this session", "title")]]
    for at, what, text, names in sorted(happened, reverse=True)[:10]:
        out += paragraph(inert(f"{strftime('%H:%M', localtime(at))} {what}: {text}"), width, names)
    return out


class NotesPane(Pane):
    """Shows them."""

    ident = "notes"
    title = "notes"

    def __init__(self) -> None:
        super().__init__()
        self.view = LinesView(id="notes-lines")
        self._run: int | None = None

    def body(self) -> Iterator[Widget]:
        """The lines."""
        yield self.view

    @property
    def focus_target(self) -> Widget:
        """The lines."""
        return self.view

    def show(self, view: View) -> None:
        """Lay the selected run's notes out."""
        self.view.show(lines(view, self.view.room), from_start=view.selected != self._run)
        self._run = view.selected
        self.heading.say((f"run {view.selected}" if view.selected is not None else "", ""))

    def copied(self, view: View) -> str:
        """All its lines, unfolded."""
        return "\n".join(plain(line) for line in lines(view, _UNFOLDED))
