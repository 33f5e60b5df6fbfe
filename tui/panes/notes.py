"""What is known of the selected run: its ASI laid out, verdict and reason, flags, trials, the operator's decisions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from time import localtime, strftime

from textual.widget import Widget
from textual.worker import Worker

from engine.session import flags, samples
from engine.session.inert import inert
from engine.session.paths import SessionPaths
from engine.session.samples import Sample
from engine.session.spending import usage_text
from engine.session.state import Experiment, State
from tui import model, rows
from tui.fitting import duration_text, signed
from tui.model import View
from tui.panes.lines import LinesView, paragraph, told_once
from tui.panes.pane import Pane
from tui.runs import Line, plain

_ASI = {"hypothesis": "why", "arch_change": "change", "result": "result", "next_action_hint": "next"}
_UNFOLDED = 100_000  # cells: for copying
_INDENT = 11
_REMEMBERED = 200  # runs whose samples are kept in memory
_SAMPLE = 400  # characters of a sample
_ATTEMPTS = 5  # failures of the researcher that are told in full


def lines(view: View, width: int, written: Sequence[Sample] = ()) -> list[Line]:
    """All that is known of the selected run, folded to `width` cells."""
    experiment = view.selection
    broken = [*_row("journal", view.trouble, width, "bad"), []] if view.trouble else []
    if experiment is None:
        return [*broken, [("no run is selected", "dim")], *_session(view.state, width)]
    return [
        *broken,
        *_head(view.state, experiment, view.running, width),
        *_asi(experiment, width),
        *_outcome(experiment, width),
        *_written(written, width),
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
    if reason := _reason(state, experiment):
        out += _row("verdict", reason, width)
    for flag in experiment.flags:
        out += _row("⚑ flag", flags.words(flag), width, "warn")
    if experiment.flags and experiment.status != "keep" and experiment.metric is not None:
        out += _row("", "K keeps it all the same", width, "dim")
    return out


def _asi(experiment: Experiment, width: int) -> list[Line]:
    out: list[Line] = []
    for name, (old, new) in experiment.params.items():
        out += _row("set", f"{name}  {old} → {new}", width, "accent")
    for key in (*_ASI, *(key for key in experiment.asi if key not in _ASI)):
        if (text := experiment.asi.get(key, "")) and text != experiment.reason:  # told above
            out += _row(_ASI.get(key, key[: _INDENT - 1]), text, width)
    return out


def _outcome(experiment: Experiment, width: int) -> list[Line]:
    out: list[Line] = []
    if experiment.failed and experiment.failed != experiment.reason:
        out += _row("failed", experiment.failed, width, "bad")
    for refusal in told_once(experiment.refusals):
        out += _row("refused", refusal, width, "warn")
    earlier = len(experiment.attempts) - _ATTEMPTS
    if earlier > 0:
        out += _row("no answer", f"{earlier} times more before these:", width, "warn")
    for attempt in experiment.attempts[-_ATTEMPTS:]:
        out += _row("no answer", attempt, width, "warn")
    if experiment.mend_failed:
        out += _row("no mend", experiment.mend_failed, width, "warn")
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
    if used := usage_text(experiment.usage):
        out += _row("used", used, width)
    return out + (_row("about", ", ".join(about), width, "dim") if about else [])


def _written(written: Sequence[Sample], width: int) -> list[Line]:
    """What the run's model made of the fixed prompts: garbage is seen at a glance."""
    out: list[Line] = []
    for number, sample in enumerate(written, 1):
        text = " ".join(sample.written().split())
        out += _row("wrote" if number == 1 else "", f"{sample.prompt.strip()} ▸ {text}"[:_SAMPLE], width, "dim")
    return out


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


def _reason(state: State, experiment: Experiment) -> str:
    if not experiment.group:
        return experiment.reason
    from engine.session.growing import fate  # only a growth search needs it

    return fate(state, experiment)


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
        self._written: dict[tuple[Path, int, int], list[Sample]] = {}

    def body(self) -> Iterator[Widget]:
        """The lines."""
        yield self.view

    @property
    def focus_target(self) -> Widget:
        """The lines."""
        return self.view

    def show(self, view: View) -> None:
        """Lay the selected run's notes out."""
        self.view.show(lines(view, self.view.room, self._samples(view)), from_start=view.selected != self._run)
        self._run = view.selected
        self.heading.say((f"run {view.selected}" if view.selected is not None else "", ""))

    def copied(self, view: View) -> str:
        """All its lines, unfolded."""
        return "\n".join(plain(line) for line in lines(view, _UNFOLDED, self._samples(view)))

    def _samples(self, view: View) -> list[Sample]:
        """What the selected run wrote, as far as it is read; the rest is read behind and shown when it is there."""
        experiment, paths = view.selection, getattr(self.app, "paths", None)
        ended = sum(1 for trial in experiment.trials if trial.outcome) if experiment is not None else 0
        if experiment is None or not ended or not isinstance(paths, SessionPaths):
            return []
        folder = paths.run(experiment.run)
        key = (folder, experiment.run, ended)
        if key not in self._written:
            while len(self._written) >= _REMEMBERED:
                self._written.pop(next(iter(self._written)))
            self._written[key] = []
            _: Worker[None] = self.run_worker(partial(self._bring, key, view), group="samples")
        return self._written[key]

    async def _bring(self, key: tuple[Path, int, int], view: View) -> None:
        found = await asyncio.to_thread(samples.load, key[0])
        if found:
            self._written[key] = found
            self.show(view)
