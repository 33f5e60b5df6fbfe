"""The talk with the researcher: its words, the operator's messages and what became of them, and the input line."""

from __future__ import annotations

from collections.abc import Iterator
from time import localtime, strftime

from textual import events, on
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from engine.session.inert import inert
from engine.session.spending import usage_text
from engine.session.state import Command, Experiment, State
from tui import model
from tui.model import View
from tui.panes.lines import LinesView, paragraph, told_once
from tui.panes.pane import Pane
from tui.panes.wishes import Said
from tui.runs import Line, plain

_UNFOLDED = 100_000  # cells: for copying
_INDENT = 6  # cells of a clock before what was said then
_VAIN = 3  # refusals and failures of one run, the last ones
_MOST = 120  # entries laid out; older ones are in the journal


def lines(view: View, width: int) -> list[Line]:
    """The conversation in its order, and below it what the researcher is saying now."""
    state = view.state
    entries: list[tuple[float, list[Line]]] = []
    for id in state.messages[-_MOST:]:
        command = state.commands[id]
        entries.append((command.at, _message(state, command, width)))
    for at, run, text in state.said[-_MOST:]:
        about = f" (run {run})" if run is not None else ""
        entries.append((at, paragraph(f"researcher{about}: {inert(text)}", width, "info", _INDENT, _clock(at))))
    entries.sort(key=lambda entry: entry[0])
    out = [line for _, entry in entries[-_MOST:] for line in entry]
    if view.running and model.thinking(state):
        out += _now(view, width)
    elif view.selection is not None:
        out += _of_run(view.selection, width)
    hint = "no messages" if view.read_only else "m writes a message; the next prompt carries it"
    return out or [[(hint, "dim")]]


def _now(view: View, width: int) -> list[Line]:
    """What it does now, why it is asked again, and its last words."""
    state = view.state
    current = state.current
    assert current is not None
    doing = "is mending its crash" if model.thinking(state) == "mending" else "is thinking"
    if state.retry_at > view.now:
        doing = f"is asked again at {strftime('%H:%M:%S', localtime(state.retry_at))}"
    out: list[Line] = [[(f"run {current.run}: {current.researcher or 'the researcher'} {doing}", "running")]]
    out += _in_vain(current, width)
    for text in view.saying:
        out += paragraph(inert(text), width, "dim")
    return out


def _of_run(run: Experiment, width: int) -> list[Line]:
    """What the selected run's researcher went through, and what it used."""
    used = usage_text(run.usage)
    vain = _in_vain(run, width)
    if not used and not vain:
        return []
    who = f"run {run.run}: {run.researcher or 'the researcher'}" + (f", {used}" if used else "")
    return [*paragraph(f"{inert(who)}; t shows its words", width, "accent"), *vain]


def _in_vain(run: Experiment, width: int) -> list[Line]:
    out: list[Line] = []
    for refusal in told_once(run.refusals)[-_VAIN:]:
        out += paragraph(f"sent back: {inert(refusal)}", width, "warn")
    for attempt in run.attempts[-_VAIN:]:
        out += paragraph(f"no answer: {inert(attempt)}", width, "warn")
    return out


def _clock(at: float) -> str:
    return strftime("%H:%M", localtime(at))


def _message(state: State, command: Command, width: int) -> list[Line]:
    words = f"{inert(command.by)}: {inert(command.args.get('text', ''))}"
    out = paragraph(words, width, "strong", _INDENT, _clock(command.at))
    names = {"queued": "warn", "refused": "bad"}.get(command.status, "good")
    return out + paragraph(inert(standing(command)), width, names, _INDENT)


def standing(command: Command) -> str:
    """Where a message stands, in words."""
    if command.status == "queued":
        return "queued: the next prompt carries it; M amends it"
    if command.status == "refused":
        return f"not sent: {command.answer}"
    where = f" in run {command.delivered_in}" if command.delivered_in is not None else ""
    if command.status == "delivered":
        return f"queued → delivered{where}"
    if command.delivered_in is None:
        return command.answer or "taken back"
    return f"queued → delivered{where} → answered" + (f": {command.answer}" if command.answer else "")


class MessageLine(Input):
    """The input line; Esc leaves it as it is, so that a half-written message is not lost."""

    BINDINGS = []

    class Left(Message):
        """Esc was pressed."""

    def __init__(self) -> None:
        super().__init__(
            placeholder="message to the researcher: Enter sends, Esc leaves",
            id="message",
            compact=True,
            select_on_focus=False,  # or the first letter would wipe out what is half written
        )
        self.cursor_blink = False

    def on_key(self, event: events.Key) -> None:
        """Esc leaves."""
        if event.key == "escape":
            event.stop()
            event.prevent_default()
            self.post_message(self.Left())


class ResearcherPane(Pane):
    """The conversation and the input line."""

    ident = "researcher"
    title = "researcher"

    def __init__(self) -> None:
        super().__init__()
        self.view = LinesView(stick=True, id="researcher-lines")
        self.input = MessageLine()

    def body(self) -> Iterator[Widget]:
        """The lines and the input."""
        yield self.view
        yield self.input

    @property
    def focus_target(self) -> Widget:
        """The lines; `m` goes to the input."""
        return self.view

    def show(self, view: View) -> None:
        """Paint what is new."""
        self.view.show(lines(view, self.view.room))
        waiting = len(view.state.undelivered())
        current = view.state.current
        who = current.researcher if current is not None else ""
        self.heading.say((" · ".join(part for part in (who, f"{waiting} queued" if waiting else "") if part), ""))

    def write(self, text: str = "") -> None:
        """Put `text` on the input line; "" leaves what is half written there."""
        if text:
            self.input.value = text
            self.input.cursor_position = len(text)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if text:
            self.post_message(Said(text))
        self.input.value = ""
        self.view.focus()

    @on(MessageLine.Left)
    def _left(self, event: MessageLine.Left) -> None:
        event.stop()
        self.view.focus()

    def copied(self, view: View) -> str:
        """All its lines, unfolded."""
        return "\n".join(plain(line) for line in lines(view, _UNFOLDED))
