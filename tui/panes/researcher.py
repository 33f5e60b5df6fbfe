"""The talk with the researcher: its words, the operator's messages and what became of them, and the input line."""

from __future__ import annotations

from collections.abc import Iterator
from time import localtime, strftime

from textual import events, on
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from engine.session.inert import inert
from engine.session.state import Command, State
from tui.model import View
from tui.panes.lines import LinesView, paragraph
from tui.panes.pane import Pane
from tui.panes.wishes import Said
from tui.runs import Line, plain

_UNFOLDED = 100_000  # cells: for copying
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
        entries.append((at, paragraph(f"{_clock(at)} researcher{about}: {inert(text)}", width, "info")))
    entries.sort(key=lambda entry: entry[0])
    out = [line for _, entry in entries[-_MOST:] for line in entry]
    current = state.current
    if view.running and current is not None and current.phase == "proposing":
        out.append([(f"run {current.run}: {current.researcher or 'the researcher'} is thinking", "running")])
        for refusal in current.refusals[-3:]:
            out += paragraph(f"sent back: {inert(refusal)}", width, "warn")
    for text in view.saying:
        out += paragraph(inert(text), width, "dim")
    return out or [[("m writes a message; the next prompt carries it", "dim")]]


def _clock(at: float) -> str:
    return strftime("%H:%M", localtime(at))


def _message(state: State, command: Command, width: int) -> list[Line]:
    out = paragraph(f"{_clock(command.at)} {inert(command.by)}: {inert(command.args.get('text', ''))}", width, "strong")
    names = {"queued": "warn", "refused": "bad"}.get(command.status, "good")
    return out + paragraph(inert(standing(command)), width, names, 6, "")


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
        super().__init__(placeholder="message to the researcher: Enter sends, Esc leaves", id="message", compact=True)
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
