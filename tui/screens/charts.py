"""The charts: all results with the champions' staircase, any metric of theirs, and the loss against the champion's."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.worker import get_current_worker

from engine.session.inert import inert
from engine.session.paths import SessionPaths
from engine.session.state import Segment, State
from tui import chartdata
from tui.braille import Curve, curves_plot, results_plot
from tui.chartdata import Loss
from tui.losscurves import CurveReader
from tui.model import View
from tui.panes.folded import FoldedView
from tui.runs import Line, plain
from tui.screens.full import FullScreen, Row, keys_line

_BOTH_ROWS = 26  # rows of a screen from which on both charts are shown
_READ_S, _SLOW_READ_S = 2.0, 10.0


class ChartsScreen(FullScreen[None]):
    """`view()` gives what the console knows at the moment; the logs it reads itself, in a thread."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab,shift+tab", "turn", "results or loss", show=False, id="pane.next"),
        Binding("z", "zoom", "one or both", show=False, id="pane.zoom"),
        Binding("l,right,m", "metric(1)", "next metric", show=False, id="move.right"),
        Binding("h,left,M", "metric(-1)", "metric before", show=False, id="move.left"),
        Binding("o", "segment", "older segment", show=False),
    ]
    DEFAULT_CSS = """
    ChartsScreen > FoldedView { height: 1fr; }
    ChartsScreen > .chart-heading { text-style: bold; }
    ChartsScreen > .hidden { display: none; }
    """
    AUTO_FOCUS = ""

    def __init__(self, paths: SessionPaths, view: Callable[[], View]) -> None:
        super().__init__()
        self.paths = paths
        self.metric = ""
        self.segment_back = 0
        self.turned = False
        self.zoomed: bool | None = None
        self._now = view
        self._view = view()
        self._curves = (Loss(0), Loss(0))
        self._reader = CurveReader(paths)
        self._drawn: tuple[object, ...] = ()
        self._timer: Timer | None = None
        self._title = Row(id="charts-title", classes="full-title")
        self._results_heading = Row(id="results-heading", classes="chart-heading")
        self._results = FoldedView(self._results_lines, id="results-plot")
        self._loss_heading = Row(id="loss-heading", classes="chart-heading")
        self._loss = FoldedView(self._loss_lines, id="loss-plot")
        self._keys = Row(id="charts-keys")

    def compose(self) -> ComposeResult:
        """Title, results, loss, keys."""
        yield self._title
        yield self._results_heading
        yield self._results
        yield self._loss_heading
        yield self._loss
        yield self._keys

    def on_mount(self) -> None:
        """Draw what is known, and begin to read the logs."""
        for plot in (self._results, self._loss):
            plot.can_focus = False
        self._timer = self.set_interval(_SLOW_READ_S if self._view.slow else _READ_S, self._read)
        self._arrange()
        self._read()

    def on_unmount(self) -> None:
        """Give the log back."""
        self._reader.close()

    def on_resize(self) -> None:
        """Both charts, or one."""
        self._arrange()

    # What is shown

    @property
    def both(self) -> bool:
        """Whether both charts are on screen."""
        return self.size.height >= _BOTH_ROWS if self.zoomed is None else not self.zoomed

    @property
    def segment(self) -> Segment | None:
        """The segment whose results are shown."""
        segments = self._view.state.segments
        return segments[-1 - self.segment_back] if segments else None

    def show(self) -> None:
        """Draw anew what changed."""
        self._view = self._now()
        state = self._view.state
        segment = self.segment
        known = chartdata.metrics_of(state, segment)
        if self.metric not in known:
            self.metric = known[0] if known else ""
        last = state.experiments[-1] if state.experiments else None
        told = (last.status, last.metric) if last else ()
        drawn = (id(state), len(state.experiments), *told, len(state.overrides), self.metric, self.segment_back)
        if drawn != self._drawn:
            self._drawn = drawn
            self._say(state, segment, known)
            self._results.relay()
        self._say_loss()

    def _say(self, state: State, segment: Segment | None, known: list[str]) -> None:
        self._title.say(
            [(f"charts · {inert(self._view.name)}", "strong")], [(plain(chartdata.best_words(state)), "strong")]
        )
        at = f"{known.index(self.metric) + 1} of {len(known)} metrics" if known else ""
        which = ""
        if segment is not None and len(state.segments) > 1:
            which = f" · segment {segment.number}: {segment.name}"
        left: Line = [(inert(self.metric or "results"), "title"), (f"  {at}{inert(which)}", "dim")]
        self._results_heading.say(left, chartdata.legend(state, segment))
        keys = [("Esc", "close"), ("h l", "metric"), ("z", "one or both"), ("Tab", "the other chart")]
        if len(state.segments) > 1:
            keys.append(("o", "older segment"))
        self._keys.say(keys_line(*keys))

    def _say_loss(self) -> None:
        current, champion = self._curves
        self._loss_heading.say([("loss", "title"), ("  ", ""), *chartdata.comparison(current, champion)])

    def _results_lines(self, width: int) -> list[Line]:
        state, segment, height = self._view.state, self.segment, self._results.size.height
        marks = chartdata.marks(state, self.metric, segment)
        if not marks:
            return [[("no results yet", "dim")]]
        return results_plot(
            marks,
            width,
            height,
            lower=chartdata.lower_is_better(state, segment),
            x_title="run",
            y_title=inert(self.metric),
            steps=chartdata.champion_steps(state, self.metric, segment),
        )

    def _loss_lines(self, width: int) -> list[Line]:
        current, champion = self._curves
        if not current.points and not champion.points:
            return [[("no run.log with steps yet", "dim")]]
        curves = []
        begin = chartdata.first_step(current, champion)
        if champion.points and champion.run != current.run:
            name = f"champion, run {champion.run}"
            curves.append(Curve(chartdata.curve_points(champion, begin), "reference", name))
        if current.points:
            now = self._view.state.current
            name = f"run {current.run}" + (", now" if now is not None and now.run == current.run else "")
            curves.append(Curve(chartdata.curve_points(current, begin), "curve", name))
        return curves_plot(curves, width, self._loss.size.height, x_title="step")

    # Reading

    def _read(self) -> None:
        self.show()
        self.run_worker(self._read_curves, thread=True, exclusive=True, group="curves", exit_on_error=False)

    def _read_curves(self) -> None:
        found = self._reader.read(self._view.state)
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._take, found)

    def _take(self, found: tuple[Loss, Loss]) -> None:
        if found != self._curves and self.is_attached:
            self._curves = found
            self._loss.relay()
            self._say_loss()

    # What the keys do

    def _arrange(self) -> None:
        show_results, show_loss = self.both or not self.turned, self.both or self.turned
        for widget, shown in (
            (self._results_heading, show_results),
            (self._results, show_results),
            (self._loss_heading, show_loss),
            (self._loss, show_loss),
        ):
            widget.set_class(not shown, "hidden")

    def action_turn(self) -> None:
        """The other chart, where only one is on screen."""
        self.turned = not self.turned
        self._arrange()

    def action_zoom(self) -> None:
        """One chart or both."""
        self.zoomed = self.both
        self._arrange()

    def action_metric(self, step: int) -> None:
        """Another metric's results."""
        known = chartdata.metrics_of(self._view.state, self.segment)
        if known:
            at = known.index(self.metric) if self.metric in known else 0
            self.metric = known[(at + step) % len(known)]
            self.show()

    def action_segment(self) -> None:
        """The segment before; after the oldest the open one again."""
        segments = self._view.state.segments
        if segments:
            self.segment_back = (self.segment_back + 1) % len(segments)
            self.metric = ""
            self.show()
