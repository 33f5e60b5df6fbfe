"""Sentences for the operator over the screen: so few that the rest stays in sight, and nothing left of those gone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual.notifications import Notification
from textual.widgets._toast import Toast, ToastHolder

from engine.session.inert import inert
from tui import notify

if TYPE_CHECKING:
    from textual.app import App

_TOLD = 3  # at a time: more than fit would scroll
_CELLS, _ROWS = 60, 5


def tell(app: App[str], text: str, *, bad: bool = False) -> None:
    """Show a sentence for a while; the oldest gives way to it."""
    _forget(app, list(app._notifications)[: -(_TOLD - 1)])
    shown = notify.clipped(inert(text, newlines=True), min(_CELLS, app.size.width * 3 // 4) - 6, _ROWS)
    app.notify(shown, severity="warning" if bad else "information", markup=False)


def clear(app: App[str]) -> None:
    """Take all off the screen."""
    _forget(app, list(app._notifications))
    app.clear_notifications()


def _forget(app: App[str], gone: Iterable[Notification]) -> None:
    """Textual takes a toast away but leaves its holder, by which all later ones would stand a row lower."""
    found: set[str] = set()
    for notification in gone:
        found.add(notification.identity)
        app._unnotify(notification, refresh=False)
    for screen in app.screen_stack:
        for toast in screen.query(Toast):
            if toast._notification.identity in found:
                (toast.parent if isinstance(toast.parent, ToastHolder) else toast).remove()
