"""An app that is sparing with the line: it counts what it writes, and writes only cells that the terminal lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.driver import Driver

from tui.screenful import Screenful
from tui.wire import Wire, counting

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.screen import Screen

T = TypeVar("T")


class SparingApp(App[T], inherit_bindings=False):
    """`wire` counts the bytes, `screenful` knows what the terminal shows."""

    def __init__(self) -> None:
        self.wire, self.screenful = Wire(), Screenful()
        super().__init__()

    def get_driver_class(self) -> type[Driver]:
        """Textual's driver, with its writes counted; each time it takes the terminal, that shows nothing of ours."""
        return counting(super().get_driver_class(), self.wire, self.screenful.forget)

    def on_resize(self) -> None:
        """The terminal may have moved or lost anything."""
        self.screenful.forget()

    def on_app_focus(self) -> None:
        """Paint all anew for who comes back: another program may have written over the screen meanwhile."""
        self.screenful.forget()
        self.screen.refresh()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Send only what the terminal does not show yet."""
        sent = self._running and not self._closed and not self._batch_count and not self.is_headless
        if sent and self._driver is not None and isinstance(renderable, LayoutUpdate | ChopsUpdate):
            difference = self.screenful.difference(renderable, self.console, self.size)
            if not difference.needed and self.cursor_position == self._previous_cursor_position:
                return
            renderable = difference
        super()._display(screen, renderable)
