"""One key after the other: what is typed ahead goes where the key before it has moved the focus.

Textual hands a key to the widget that has the focus and goes on; only when it has come up through the parents of that
widget does its action run. Keys that arrive in one burst, as over a slow line, would all go to the widget in front of
the first: of `m` and a message the words would be taken for keys, too. So a key waits until the one before it is done.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from textual import events
from textual.message_pump import MessagePump
from textual.timer import Timer

from tui.sparing import SparingApp

if TYPE_CHECKING:
    from textual.app import App

_PATIENCE_S = 0.25
"""A key whose way is cut off, because it closed the screen that it came from, holds up the others so long at most."""


class InOrder:
    """Keys and pastes of `app`: `may_pass` before one is handled, `follow` once it is on its way."""

    def __init__(self, app: App[str]) -> None:
        self._app = app
        self._held: deque[events.Event] = deque()
        self._turn = 0
        self._under_way = False
        self._patience: Timer | None = None

    def may_pass(self, event: events.Event) -> bool:
        """Whether it is this one's turn; otherwise it is handled when the one before it is done, or not at all: what
        is typed behind the key that leaves is for whatever comes after the console."""
        if self._app._exit:
            return False
        if self._under_way:
            self._held.append(event)
            return False
        self._under_way = True
        return True

    def follow(self, start: MessagePump) -> None:
        """Go after the key that was given to `start`, through the queues of all that it may pass."""
        self._turn += 1
        self._patience = self._app.set_timer(_PATIENCE_S, lambda turn=self._turn: self._release(turn))
        way: list[MessagePump] = []
        node: MessagePump | None = start
        while node is not None:
            way += [node, node]  # what a widget tells itself about the key lies behind the first visit
            node = node._parent
        # Up once with the key, and once with what its action told the widget (that its line was submitted, say).
        self._step([*way, *way], self._turn)

    def _step(self, way: list[MessagePump], turn: int) -> None:
        for at, node in enumerate(way):
            if node.call_later(self._step, way[at + 1 :], turn):
                return
        if turn == self._turn and not self._app._exit:
            # A screen that the key opened has its own focus only when it is mounted.
            self._app.screen.call_later(self._app.call_later, self._release, turn)

    async def _release(self, turn: int) -> None:
        if turn != self._turn or not self._under_way or self._app._exit:
            return
        self._under_way = False
        if self._patience is not None:
            self._patience.stop()
        if self._held:
            await self._app.on_event(self._held.popleft())


class OrderlyApp(SparingApp[str], inherit_bindings=False):
    """An app whose keys are handled so."""

    def __init__(self) -> None:
        super().__init__()
        self._typed = InOrder(self)

    async def on_event(self, event: events.Event) -> None:
        """Handle an event; keys one after the other."""
        if not isinstance(event, (events.Key, events.Paste)) or event.is_forwarded:
            await super().on_event(event)
        elif self._typed.may_pass(event):
            start = self.focused or self.screen
            await super().on_event(event)
            self._typed.follow(start)
