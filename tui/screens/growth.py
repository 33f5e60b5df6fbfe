"""The growth search: its rounds, the candidates of one, and the path taken, as they come in."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.worker import get_current_worker

from engine.session.growing import Growth
from engine.session.inert import inert
from tui import growthdata, growthrows
from tui.growthrows import Numbered, Tried
from tui.growthsource import GrowthSource, Reading
from tui.panes.folded import FoldedView
from tui.panes.footer import AskLine
from tui.runs import Line
from tui.screens.full import FullScreen, Row, keys_line
from tui.table.source import ListSource
from tui.table.virtual import VirtualTable

_LOOK_S, _SLOW_LOOK_S = 1.0, 10.0
_LOW_ROWS = 12  # below so many the chart gives way to the candidates
_TALL_ROWS = 36  # from so many on it has the larger part


class GrowthScreen(FullScreen[int]):
    """Its result is the run to go to, None for none. `slow`: on a slow line it looks less often."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab,shift+tab", "turn", "the other table", show=False, id="pane.next"),
        Binding("o", "sort", "sort by the next column", show=False, id="look.sort"),
        Binding("O", "reverse", "sort the other way", show=False, id="look.reverse"),
        Binding("slash", "find", "filter", show=False, id="look.find"),
        Binding("f", "follow", "the newest round", show=False, id="look.follow"),
        Binding("q", "leave", "close", show=False),
    ]
    DEFAULT_CSS = """
    GrowthScreen > Horizontal { height: 1fr; }
    GrowthScreen #growth-rounds { width: 14; margin: 0 1 0 0; }
    GrowthScreen.middle #growth-rounds { width: 24; }
    GrowthScreen.wide #growth-rounds { width: 44; }
    GrowthScreen Vertical { width: 1fr; height: 1fr; }
    GrowthScreen FoldedView { height: 1fr; }
    GrowthScreen.tall FoldedView { height: 2fr; }
    GrowthScreen.low FoldedView, GrowthScreen.low #growth-heading { display: none; }
    GrowthScreen AskLine { height: 1; }
    """
    AUTO_FOCUS = "#growth-candidates"

    def __init__(self, source: GrowthSource, *, slow: bool = False) -> None:
        super().__init__()
        self.figures = source
        self.slow = slow
        self._reading = Reading(Growth(), None)
        self._wide = False
        self.rounds: ListSource[Numbered] = ListSource(
            growthrows.round_columns(False),
            cells=lambda one: growthrows.round_cells(one, self._wide),
            key=lambda one: one.place,
        )
        self.candidates: ListSource[Tried] = ListSource(
            growthrows.columns("params", 0),
            cells=lambda one: growthrows.cells(one, self._cost),
            key=lambda one: one.place,
            sort_value=lambda one, column: growthrows.sort_value(one, column, self._cost),
            text=growthrows.text,
        )
        self._shown: tuple[int, int] | None = None  # place and number of the round whose candidates are in the table
        self._title = Row(id="growth-title", classes="full-title")
        self._standing = Row(id="growth-standing")
        self.round_table = VirtualTable(self.rounds, empty_text="no rounds yet", id="growth-rounds")
        self._round = Row(id="growth-round")
        self.table = VirtualTable(self.candidates, empty_text="reading …", id="growth-candidates")
        self._candidate = Row(id="growth-candidate")
        self._heading = Row(id="growth-heading")
        self._chart = FoldedView(self._chart_lines, id="growth-chart")
        self._keys = Row(id="growth-keys")
        self.ask = AskLine()

    def compose(self) -> ComposeResult:
        """Title, how it stands, rounds beside candidates and chart, keys."""
        yield self._title
        yield self._standing
        with Horizontal():
            yield self.round_table
            with Vertical():
                yield self._round
                yield self.table
                yield self._candidate
                yield self._heading
                yield self._chart
        yield self._keys
        yield self.ask

    def on_mount(self) -> None:
        """Begin to look."""
        self._chart.can_focus = False
        self._arrange()
        self._say()
        self.set_interval(_SLOW_LOOK_S if self.slow else _LOOK_S, self.look)
        self.look()

    def on_resize(self) -> None:
        """More columns, or fewer."""
        self._arrange()

    def _arrange(self) -> None:
        self._wide = self.size.width >= growthrows.WIDE
        self.set_class(self._wide, "wide")
        self.set_class(growthrows.MIDDLE <= self.size.width < growthrows.WIDE, "middle")
        self.set_class(self.size.height < _LOW_ROWS, "low")
        self.set_class(self.size.height >= _TALL_ROWS, "tall")
        self._set_columns()
        self._say_keys()

    def _set_columns(self) -> None:
        self.rounds.columns = growthrows.round_columns(self._wide)
        self.candidates.columns = growthrows.columns(self._cost, self.size.width)
        self.round_table.reload()
        self.table.reload()

    # What is shown

    @property
    def growth(self) -> Growth:
        """The search as it was read last."""
        return self._reading.growth

    @property
    def _cost(self) -> str:
        return self.growth.cost

    @property
    def shown(self) -> Numbered | None:
        """The round under its table's cursor."""
        return self.rounds.record(self.round_table.cursor) if len(self.rounds) else None

    @property
    def here(self) -> Tried | None:
        """The candidate under its table's cursor."""
        return self.candidates.record(self.table.cursor) if len(self.candidates) else None

    def _say(self) -> None:
        reading, shown = self._reading, self.shown
        self._title.say([(f"growth · {self.figures.name}", "strong")], growthdata.gained(reading.growth))
        trouble: Line = [("✖ ", "bad"), (reading.trouble, "bad")]
        self._standing.say(trouble if reading.trouble else growthdata.standing(reading.growth, reading.doing))
        self._round.say(growthdata.about_round(shown.round if shown else None))
        self._candidate.say(growthdata.about_candidate(self.here))
        left: Line = [("score against cost", "title")]
        self._heading.say(left, growthdata.LEGEND)

    def _say_keys(self) -> None:
        keys = [("Esc", "close"), ("Tab", "rounds" if self.table.has_focus else "candidates")]
        if self.figures.runs:
            keys.append(("Enter", "its run"))
        found = self.candidates
        keys += [("o O", "sort"), ("/", f"filter: {inert(found.filter_text)}" if found.filter_text else "filter")]
        self._keys.say(keys_line(*keys, ("h l", "columns"), ("f", "newest")))

    def _chart_lines(self, width: int) -> list[Line]:
        shown, here = self.shown, self.here
        found = shown.round if shown else None
        return growthdata.chart(
            self.growth, found, here.candidate if here else None, width, max(1, self._chart.size.height)
        )

    # Reading

    def look(self) -> None:
        """See what came in."""
        self.run_worker(self._look, thread=True, exclusive=True, group="growth", exit_on_error=False)

    def _look(self) -> None:
        found = self.figures.look()
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._take, found)

    def _take(self, found: Reading) -> None:
        if not self.is_attached:
            return
        before, self._reading = self._reading, found
        if found.stamp != before.stamp:
            if found.growth.cost != before.growth.cost:
                self._set_columns()
            self.rounds.replace(growthrows.numbered(found.growth.rounds))
            self.round_table.reload() if not self.round_table.following else self.round_table.update_rows(0)
            self.table.empty_text = "no candidates in this round" if found.growth.rounds else ""
            self._fill()
            self._chart.relay()
        self._say()

    def _fill(self) -> None:
        """Put the round's candidates into their table; of another round the one that was taken is selected."""
        shown = self.shown
        self.candidates.replace(growthrows.tried(shown.round) if shown else [])
        self.table.reload()
        now = (shown.place, shown.round.number) if shown else None
        if now != self._shown:
            self._shown = now
            rows = [self.candidates.record(index) for index in range(len(self.candidates))]
            marked = [one.place for one in rows if one.taken or one.candidate.status == "running"]
            self.table.select(marked[0]) if marked else self.table.action_move("start")

    # What the keys do

    @on(VirtualTable.RowHighlighted, "#growth-rounds")
    def _other_round(self, event: VirtualTable.RowHighlighted) -> None:
        event.stop()
        self._fill()
        self._chart.relay()
        self._say()

    @on(VirtualTable.RowHighlighted, "#growth-candidates")
    def _other_candidate(self, event: VirtualTable.RowHighlighted) -> None:
        event.stop()
        self._chart.relay()
        self._say()

    @on(VirtualTable.RowSelected)
    def _chosen(self, event: VirtualTable.RowSelected) -> None:
        event.stop()
        if event.table is self.round_table:
            self.table.focus()
            return
        here = self.here
        if here is not None and here.candidate.run is not None and self.figures.runs:
            self.dismiss(here.candidate.run)

    def on_descendant_focus(self) -> None:
        """Tab goes elsewhere now."""
        self._say_keys()

    def action_turn(self) -> None:
        """The other table."""
        (self.round_table if self.table.has_focus else self.table).focus()

    def action_follow(self) -> None:
        """The newest round, and those that come."""
        self.round_table.action_move("end")

    def action_sort(self) -> None:
        """The next column; figures begin with the greatest."""
        sorts = growthrows.SORTS
        column = sorts[(sorts.index(self.candidates.sorted_by) + 1) % len(sorts)]
        self.candidates.sort(column, descending=column not in ("", "param", "cost", "spread"))
        self._ordered()

    def action_reverse(self) -> None:
        """The other way round."""
        self.candidates.sort(self.candidates.sorted_by, descending=not self.candidates.descending)
        self._ordered()

    def _ordered(self) -> None:
        self.table.reload()
        self._say_keys()

    def action_find(self) -> None:
        """Ask for what a candidate must contain."""
        self.ask.ask("candidates", "filter: words that a candidate must contain", self.candidates.filter_text)

    @on(AskLine.Answered)
    def _filter(self, event: AskLine.Answered) -> None:
        event.stop()
        self._find(event.text)

    def _find(self, text: str) -> None:
        self.candidates.filter(text)
        self.table.empty_text = "no candidate contains that; Esc shows all" if text else "no candidates in this round"
        self._ordered()
        self._chart.relay()
        self._say()

    def action_close(self) -> None:
        """Esc: the filter first."""
        if self.candidates.filter_text:
            self._find("")
        else:
            self.dismiss(None)

    def action_leave(self) -> None:
        """Close at once."""
        self.dismiss(None)
