"""The main screen: the status strip, the panes as the size allows, the keys."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size, Spacing
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.screen import Screen
from textual.widget import Widget

from tui import layouts
from tui.actions import ACTIONS, PANES
from tui.model import View
from tui.panes import status
from tui.panes.footer import AskLine, KeysLine
from tui.panes.pane import Pane
from tui.panes.status import StatusStrip

if TYPE_CHECKING:
    from tui.app import OvernightApp
    from tui.panes.diff import DiffPane
    from tui.panes.experiments import ExperimentsPane
    from tui.panes.gpu import GpuPane
    from tui.panes.researcher import ResearcherPane
    from tui.panes.runlog import RunLogPane

_CLASSES = {
    "experiments": "ExperimentsPane",
    "runlog": "RunLogPane",
    "gpu": "GpuPane",
    "notes": "NotesPane",
    "diff": "DiffPane",
    "researcher": "ResearcherPane",
    "chart": "ChartPane",
}


class _PanesLayout(Layout):
    """Puts each pane where `layouts.places` says."""

    name = "panes"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        places = cast("Body", parent).places(size)
        found: ArrangeResult = []
        for child in children:
            if isinstance(child, Pane) and child.ident in places:
                region = Region(*places[child.ident])
                found.append(WidgetPlacement(region, child.styles.offset.resolve(size, size), Spacing(), child))
        return found


class Body(Widget):
    """The panes."""

    DEFAULT_CSS = "Body { height: 1fr; width: 1fr; }"

    def __init__(self, *panes: Pane) -> None:
        super().__init__(*panes, id="body")
        self.front = "experiments"
        self.beside = "runlog"
        self.zoomed = False
        self._panes_layout = _PanesLayout()

    @property
    def layout(self) -> Layout:
        """Ours."""
        return self._panes_layout

    def places(self, size: Size) -> dict[str, layouts.Rect]:
        """Where the panes stand in a body of this size."""
        return layouts.places(size.width, size.height, self.front, self.beside, zoomed=self.zoomed)


class MainScreen(Screen[None], inherit_bindings=False):
    """Holds the panes; which of them are on screen, which is in front."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            ",".join(action.keys),
            f"perform('{action.id}')",
            action.title,
            show=False,
            id=action.id,
            priority=action.id in ("pane.next", "pane.previous"),
        )
        for action in ACTIONS
        if action.id != "look.inside"  # the table's own Enter
    ]

    def __init__(self, front: str = "experiments") -> None:
        super().__init__(id="main")
        self.status = StatusStrip()
        self._made: dict[str, Pane] = {}
        self._painted = False
        self.body = Body(self.pane(front))
        self.body.front = front
        self.ask = AskLine()
        self.keys = KeysLine()

    def compose(self) -> ComposeResult:
        """Strip, panes, keys."""
        yield self.status
        yield self.body
        yield self.keys
        yield self.ask

    def on_mount(self) -> None:
        """The pane in front is in the first paint, the others come right after it."""
        self.front.focus_target.focus()
        self.call_after_refresh(self._complete)

    def _complete(self) -> None:
        # All of them, shown or not: a pane that had to be made first would miss the keys typed meanwhile.
        fresh = [pane for ident in PANES if not (pane := self.pane(ident)).is_attached]
        for pane in fresh:
            pane.display = False
        self.body.mount_all(fresh)
        self._painted = True
        self._show_fitting()

    # The panes, imported and made only after the first paint

    def pane(self, ident: str) -> Pane:
        """The pane of this name."""
        if ident not in self._made:
            module = importlib.import_module(f"tui.panes.{ident}")
            made = getattr(module, _CLASSES[ident])()
            assert isinstance(made, Pane)
            self._made[ident] = made
        return self._made[ident]

    @property
    def experiments(self) -> ExperimentsPane:
        """The table of runs."""
        return cast("ExperimentsPane", self.pane("experiments"))

    @property
    def runlog(self) -> RunLogPane:
        """The log."""
        return cast("RunLogPane", self.pane("runlog"))

    @property
    def gpu(self) -> GpuPane:
        """The devices."""
        return cast("GpuPane", self.pane("gpu"))

    @property
    def diff(self) -> DiffPane:
        """The diff."""
        return cast("DiffPane", self.pane("diff"))

    @property
    def researcher(self) -> ResearcherPane:
        """The talk."""
        return cast("ResearcherPane", self.pane("researcher"))

    def shows(self, ident: str) -> bool:
        """Whether the pane is on screen."""
        return any(pane.ident == ident for pane in self.on_screen())

    # Which panes are on screen

    @property
    def front(self) -> Pane:
        """The pane in front."""
        return self.pane(self.body.front)

    @property
    def zoomed(self) -> bool:
        """Whether one pane has the whole screen."""
        return self.body.zoomed

    def on_screen(self) -> list[Pane]:
        """The panes on screen, in the order of their keys."""
        places = self.body.places(self._body_size())
        fitting = (self._made[ident] for ident in PANES if ident in places and ident in self._made)
        return [pane for pane in fitting if pane.is_attached]

    def _body_size(self) -> Size:
        size = self.size or self.app.size
        return Size(size.width, max(1, size.height - status.ROWS - 1))

    def show_pane(self, ident: str, target: Widget | None = None) -> None:
        """Bring a pane on screen and give it, or `target` within it, the focus."""
        self.body.front = ident
        size = self._body_size()
        if layouts.mode(size.width, size.height) == "two" and ident not in ("experiments", "notes"):
            self.body.beside = ident
        self._show_fitting()
        (target or self.pane(ident).focus_target).focus()

    def step_pane(self, step: int) -> None:
        """The next pane on screen; where only one is, the next of all."""
        places = self.body.places(self._body_size())
        visible = [ident for ident in PANES if ident in places]
        ring = visible if len(visible) > 1 else list(PANES)
        at = ring.index(self.body.front) if self.body.front in ring else 0
        self.show_pane(ring[(at + step) % len(ring)])

    def zoom(self) -> None:
        """Give the pane in front the whole screen, and back."""
        self.body.zoomed = not self.body.zoomed
        self._show_fitting()

    def _show_fitting(self) -> None:
        if not self._painted:
            return
        places = self.body.places(self._body_size())
        for ident, pane in self._made.items():
            if pane.display != (ident in places):
                pane.display = ident in places
        self.body.refresh(layout=True)
        # Panes have their new sizes only after the layout.
        self.call_after_refresh(self.owner.repaint)

    @property
    def owner(self) -> OvernightApp:
        """The app."""
        return cast("OvernightApp", self.app)

    def on_resize(self, event: events.Resize) -> None:
        """Other panes may fit now; place and focus stay."""
        if self.is_mounted and self.body.front not in self.body.places(self._body_size()):
            self.body.beside = self.body.front
        self._show_fitting()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A click or a search line may move the focus: the pane in front is where it is."""
        for widget in event.widget.ancestors:
            if isinstance(widget, Pane):
                self.body.front = widget.ident
                break

    # Painting

    def show(self, view: View) -> None:
        """Paint what changed, on the panes that are on screen."""
        if not self.is_mounted:
            return
        self.status.show(view)
        for pane in self.on_screen():
            pane.show(view)

    def action_perform(self, action: str) -> None:
        """A key of the table of actions."""
        self.owner.perform(action)
