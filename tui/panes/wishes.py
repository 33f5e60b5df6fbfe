"""What a pane asks of the app, apart from the panes so that the app need not load them."""

from __future__ import annotations

from textual.message import Message
from textual.widget import Widget


class Said(Message):
    """The operator wrote a message to the researcher."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class Sized(Message):
    """A pane has got its size, and can be painted."""

    def __init__(self, pane: Widget) -> None:
        super().__init__()
        self.pane = pane
