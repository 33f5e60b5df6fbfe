"""The main screen: the status strip, the panes as the size allows, the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

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
from tui.panes.chart import ChartPane
from tui.panes.diff import DiffPane
from tui.panes.experiments import ExperimentsPane
from tui.panes.footer import AskLine, KeysLine
from tui.panes.gpu import GpuPane
from tui.panes.notes import NotesPane
from tui.panes.pane import Pane
from tui.panes.researcher import ResearcherPane
from tui.panes.runlog import RunLogPane
from tui.panes.status import StatusStrip

if TYPE_CHECKING:
    from tui.app import OvernightApp


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

    BINDINGS: list[BindingType] = [
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
        self.experiments = ExperimentsPane()
        self.runlog = RunLogPane()
        self.gpu = GpuPane()
        self.notes = NotesPane()
        self.diff = DiffPane()
        self.researcher = ResearcherPane()
        self.chart = ChartPane()
        everything = (self.experiments, self.runlog, self.gpu, self.notes, self.diff, self.researcher, self.chart)
        self.panes: dict[str, Pane] = {pane.ident: pane for pane in everything}
        self.body = Body(*everything)
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
        """Show what fits, focus the pane in front."""
        self._show_fitting()
        self.front.focus_target.focus()

    # Which panes are on screen

    @property
    def front(self) -> Pane:
        """The pane in front."""
        return self.panes[self.body.front]

    @property
    def zoomed(self) -> bool:
        """Whether one pane has the whole screen."""
        return self.body.zoomed

    def visible(self) -> list[Pane]:
        """The panes on screen, in the order of their keys."""
        places = self.body.places(self._body_size())
        return [self.panes[ident] for ident in PANES if ident in places]

    def _body_size(self) -> Size:
        size = self.size or self.app.size
        return Size(size.width, max(1, size.height - status.ROWS - 1))

    def show_pane(self, ident: str) -> None:
        """Bring a pane on screen and give it the focus."""
        self.body.front = ident
        size = self._body_size()
        if layouts.mode(size.width, size.height) == "two" and ident not in ("experiments", "notes"):
            self.body.beside = ident
        self._show_fitting()
        self.panes[ident].focus_target.focus()

    def step_pane(self, step: int) -> None:
        """The next pane on screen; where only one is, the next of all."""
        visible = [pane.ident for pane in self.visible()]
        ring = visible if len(visible) > 1 else list(PANES)
        at = ring.index(self.body.front) if self.body.front in ring else 0
        self.show_pane(ring[(at + step) % len(ring)])

    def zoom(self) -> None:
        """Give the pane in front the whole screen, and back."""
        self.body.zoomed = not self.body.zoomed
        self._show_fitting()

    def _show_fitting(self) -> None:
        visible = {pane.ident for pane in self.visible()}
        for ident, pane in self.panes.items():
            if pane.display != (ident in visible):
                pane.display = ident in visible
        self.body.refresh(layout=True)
        # Panes have their new sizes only after the layout.
        self.call_after_refresh(self.console.repaint)

    @property
    def console(self) -> OvernightApp:
        """The app."""
        return cast("OvernightApp", self.app)

    def on_resize(self, event: events.Resize) -> None:
        """Other panes may fit now; place and focus stay."""
        if self.is_mounted and self.front.ident not in {pane.ident for pane in self.visible()}:
            self.body.beside = self.front.ident
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
        for pane in self.visible():
            pane.show(view)

    def action_perform(self, action: str) -> None:
        """A key of the table of actions."""
        self.console.perform(action)
