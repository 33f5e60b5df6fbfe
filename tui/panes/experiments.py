"""Every run with its result: a virtual table over the folded state, sorted, filtered, discards hidden on demand."""

from __future__ import annotations

from collections.abc import Iterator

from textual.widget import Widget

from engine.session.state import Experiment, State
from tui import rows
from tui.model import View
from tui.panes.pane import Pane
from tui.runs import Run
from tui.table.source import ListSource
from tui.table.virtual import VirtualTable

_NONE_YET = "no experiments yet; r starts the engine"


class ExperimentsPane(Pane):
    """The table. `changed_from` tells it the first run that may look different."""

    ident = "experiments"
    title = "experiments"

    def __init__(self) -> None:
        super().__init__()
        self._state = State()
        self._count = 0
        self._first: int | None = None
        self._metric = "result"
        self._engine = True
        self.discards_hidden = False
        # Its records are the runs' numbers: ten thousand experiments themselves would be much memory.
        self.source: ListSource[int] = ListSource(
            rows.COLUMNS,
            cells=self._cells,
            key=int,
            sort_value=lambda run, column: rows.sort_value(self._state, self._experiment(run), column),
            text=lambda run: rows.text(self._experiment(run), engine=self._engine),
        )
        self.table = VirtualTable(self.source, empty_text=_NONE_YET, id="experiments-table")

    def body(self) -> Iterator[Widget]:
        """The table."""
        yield self.table

    @property
    def focus_target(self) -> Widget:
        """The table."""
        return self.table

    def changed_from(self, run: int) -> None:
        """Runs from this one on may look different at the next `show`."""
        self._first = run if self._first is None else min(self._first, run)

    def show(self, view: View) -> None:
        """Take in new runs and changed ones."""
        state = view.state
        anew = state is not self._state
        if view.running != self._engine:
            self._engine = view.running
            if state.current is not None:
                self.changed_from(state.current.run)
        if state.segment is not None:
            self._metric = state.segment.metric.name
        columns = rows.columns(self._metric, self.table.size.width)
        if columns != self.source.columns:
            self.source.columns = columns
            anew = True
        if anew:
            self._state, self._count, self._first = state, len(state.experiments), None
            self.source.replace(range(1, self._count + 1))
            self._show_rows()
        elif self._first is not None or len(state.experiments) != self._count:
            self._update(state)
        self._say(view)

    def _experiment(self, run: int) -> Experiment:
        return self._state.experiments[run - 1]

    def _cells(self, run: int) -> list[Run]:
        found = rows.cells(self._state, self._experiment(run), engine=self._engine)
        return [found[column.id] for column in self.source.columns]

    def _update(self, state: State) -> None:
        first = self._first if self._first is not None else self._count + 1
        fresh = range(self._count + 1, len(state.experiments) + 1)
        self._count, self._first = len(state.experiments), None
        if self._arranged:
            self.source.replace(range(1, self._count + 1))
            self._show_rows()
            return
        added = self.source.append(fresh)
        self.table.update_rows(min(first - 1, added))

    @property
    def _arranged(self) -> bool:
        return bool(self.source.sorted_by or self.source.filter_text or self.discards_hidden)

    def _show_rows(self) -> None:
        """The source was sorted, filtered or filled anew; without a row the table says why."""
        if self.source.filter_text:
            self.table.empty_text = "no run matches; Esc clears"
        elif self._count:
            self.table.empty_text = "no run was kept; the others are hidden"
        else:
            self.table.empty_text = _NONE_YET
        self.table.reload()

    def _say(self, view: View) -> None:
        says = []
        if self.source.filter_text:
            says.append(f"filter {self.source.filter_text!r}")
        if self.discards_hidden:
            says.append("discards hidden")
        if self.source.sorted_by:
            says.append(f"by {self.source.sorted_by}")
        shown, total = len(self.source), len(view.state.experiments)
        says.append(f"{shown:,} of {total:,}" if shown != total else f"{total:,}")
        self.heading.say((" · ".join(says), ""))

    # What the keys do

    def find(self) -> str | None:
        """`/` filters."""
        return "filter"

    def find_text(self, text: str) -> None:
        """Show only rows that contain every word; "" shows all."""
        self.source.filter(text)
        self._show_rows()

    def sort_next(self) -> None:
        """Order by the next column."""
        at = rows.SORTS.index(self.source.sorted_by) if self.source.sorted_by in rows.SORTS else 0
        self.source.sort(rows.SORTS[(at + 1) % len(rows.SORTS)], descending=False)
        self._show_rows()

    def sort_reverse(self) -> None:
        """Turn the order round."""
        self.source.sort(self.source.sorted_by or "run", descending=not self.source.descending)
        self._show_rows()

    def hide_discards(self) -> None:
        """Hide the runs that were not kept, or show them again; what runs now stays."""
        self.discards_hidden = not self.discards_hidden
        self.source.hide(self._not_kept if self.discards_hidden else None)
        self._show_rows()

    def _not_kept(self, run: int) -> bool:
        return self._experiment(run).status not in ("keep", "")
