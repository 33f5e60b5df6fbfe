"""The command palette's entries: the table of actions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.actions import ACTIONS, Action, keys_text

if TYPE_CHECKING:
    from tui.app import OvernightApp

_LEFT_OUT = ("console.palette", "console.close")


class ActionProvider(Provider):
    """Finds actions by title, help and verb."""

    @property
    def _console(self) -> OvernightApp:
        return cast("OvernightApp", self.app)

    def _entries(self) -> list[tuple[Action, str]]:
        keys = self._console.keys
        found = [action for action in ACTIONS if action.id not in _LEFT_OUT]
        return [(action, f"{action.title}  ({keys_text(keys[action.id])})") for action in found]

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for action, text in self._entries():
            yield DiscoveryHit(text, partial(self._console.perform, action.id), help=action.help)

    async def search(self, query: str) -> Hits:
        """Those that match."""
        matcher = self.matcher(query)
        for action, text in self._entries():
            score = max(matcher.match(text), matcher.match(f"{action.help} {action.verb}") * 0.8)
            if score > 0:
                yield Hit(score, matcher.highlight(text), partial(self._console.perform, action.id), help=action.help)
