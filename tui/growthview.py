"""`overnight grow --view FILE`: the growth screen alone on a log's file, live, without a session."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType

from tui import hangup, keymap, themes
from tui.actions import bindables
from tui.config import Config
from tui.growthsource import FileSource
from tui.screens.growth import GrowthScreen
from tui.typing import OrderlyApp


class GrowthView(OrderlyApp, inherit_bindings=False):
    """Shows the file `path` until it is left."""

    TITLE = "overnight"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "leave", "leave", show=False, priority=True)]
    ENABLE_COMMAND_PALETTE = False
    CSS = "Screen { background: $background; }"

    def __init__(self, path: Path, config: Config, problems: Sequence[str] = ()) -> None:
        super().__init__()
        self.figures, self.config = FileSource(path), config
        self._own_keys = keymap.load(bindables(), os.environ)
        choice = themes.choose_theme(os.environ, config.theme)
        self._problems = [*problems, *self._own_keys.problems, *([choice.problem] if choice.problem else [])]
        themes.apply(self, choice)

    def on_mount(self) -> None:
        """Put the screen on; the app ends with it."""
        self.set_keymap(self._own_keys.textual())
        if not self.is_headless:
            hangup.watch(sys.__stdin__.fileno() if sys.__stdin__ else 0, lambda: self.call_from_thread(self.exit))
        self.push_screen(GrowthScreen(self.figures, slow=self.config.slow), lambda _: self.exit())
        if self._problems:
            self.notify("; ".join(self._problems), severity="warning", markup=False)

    def action_leave(self) -> None:
        """ctrl+c."""
        self.exit()


def open_view(path: Path, config: Config, problems: Sequence[str]) -> int:
    """Run until it is left; the exit code."""
    app = GrowthView(path, config, problems)
    app.run()
    return app.return_code or 0
