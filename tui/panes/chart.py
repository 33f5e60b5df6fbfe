"""The small chart: all results of the segment with the champions' staircase, or the loss curve of the run under way."""

from __future__ import annotations

from collections.abc import Iterator

from textual.widget import Widget

from tui import chartdata
from tui.braille import results_plot
from tui.model import View
from tui.panes.folded import FoldedView
from tui.panes.pane import Pane
from tui.runs import Line, line_width


def lines(view: View, width: int, height: int) -> list[Line]:
    """Exactly `height` lines: the plot, and where there is room what its glyphs mean."""
    state = view.state
    marks = chartdata.marks(state)
    if not marks or height < 1:
        return [[("no results yet", "dim")]][:height]
    legend = chartdata.legend(state)
    foot = [legend] if height >= 6 and line_width(legend) <= width else []
    segment = state.segment
    name = segment.metric.name if segment else ""
    plot = results_plot(
        marks,
        width,
        height - len(foot),
        lower=chartdata.lower_is_better(state),
        x_title="run",
        y_title=name,
        steps=chartdata.champion_steps(state, name),
    )
    return plot + foot


class ChartPane(Pane):
    """Draws anew only when a result came, a decision changed one, or the pane's size did."""

    ident = "chart"
    title = "chart"

    def __init__(self) -> None:
        super().__init__()
        self._view = View()
        self._drawn: tuple[object, ...] = ()
        self.plot = FoldedView(lambda width: lines(self._view, width, self.plot.size.height), id="chart-plot")

    def body(self) -> Iterator[Widget]:
        """The plot."""
        yield self.plot

    @property
    def focus_target(self) -> Widget:
        """The plot."""
        return self.plot

    def show(self, view: View) -> None:
        """Draw what changed."""
        self._view = view
        state = view.state
        last = state.experiments[-1] if state.experiments else None
        decided = (len(state.experiments), last.status if last else "", last.metric if last else None)
        drawn = (id(state), *decided, len(state.overrides), len(state.decisions), len(state.segments), self.plot.size)
        if drawn != self._drawn:
            self._drawn = drawn
            self.plot.relay()
            self.heading.say(*chartdata.best_words(state))
