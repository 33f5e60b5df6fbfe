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
    """A pane, or the widget in it, has got its size: what it shows can be laid out."""

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget
