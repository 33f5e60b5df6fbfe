"""Why an action cannot be done now: asked for the footer's keys at each paint, before any key was pressed. Pure."""

from __future__ import annotations

from engine.session.paths import RECORDING
from tui.actions import BY_ID
from tui.model import View


def refusal(view: View, id: str) -> str:
    """Why an action cannot be done now; "" where it can."""
    action = BY_ID[id]
    if action.acts and view.recorded:
        return f"read-only: {view.name} is {RECORDING}"
    if action.acts and view.read_only:
        return f"read-only: this console only looks; `overnight attach {view.name}` may {action.title}"
    if action.needs and not view.loaded:
        return "the journal is still being read"
    if view.trouble and action.acts and id != "session.program":
        return "the journal cannot be read whole: the notes (4) say where it breaks, and what to do"
    if id == "loop.start" and view.running:
        return "an engine is running already"
    if action.needs == "engine" and not view.running:
        return "no engine is running; r starts it"
    if action.needs == "selection" and view.selection is None:
        return "no run is selected"
    return ""
