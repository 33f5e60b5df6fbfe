"""The table of experiments with 10 and with 10,000 rows: first paint, a row appended, a page scrolled.

Reference, in the same run: Textual's own DataTable with the same rows. Aim: 10,000 rows as fast as 10.
"""

import asyncio
import time
from collections.abc import Callable

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import DataTable

from tui.runs import Run
from tui.table.source import Column, ListSource
from tui.table.virtual import VirtualTable

COUNTS = (10, 10_000)
STEPS = 20
_TITLES = ("run", "val_bpb", "change", "status", "description")


def cells(row: int) -> list[str]:
    """A row's texts."""
    return [f"{row}", f"{0.99 - row / 1e6:.6f}", f"-{row / 1e6:.6f}", "discard", f"a change number {row}"]


class Ours(App[None]):
    """The virtual table."""

    def __init__(self, count: int) -> None:
        super().__init__()
        columns = [Column(title, title, 8, stretch=title == "description") for title in _TITLES]
        self.source: ListSource[int] = ListSource(columns, cells=self._runs, key=lambda row: row, records=range(count))
        self.count = count

    def _runs(self, row: int) -> list[Run]:
        return [(text, "") for text in cells(row)]

    def compose(self) -> ComposeResult:
        """The table."""
        yield VirtualTable(self.source)

    def append(self) -> None:
        """One row more."""
        added = self.source.append([self.count])
        self.count += 1
        self.query_one(VirtualTable).update_rows(added)

    def scroll(self, down: bool) -> None:
        """A page."""
        self.query_one(VirtualTable).action_move("page_down" if down else "page_up")


class Theirs(App[None]):
    """Textual's table."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def compose(self) -> ComposeResult:
        """The table, filled."""
        table: DataTable[str] = DataTable()
        table.add_columns(*_TITLES)
        table.add_rows(cells(row) for row in range(self.count))
        yield table

    def append(self) -> None:
        """One row more."""
        self.query_one(DataTable).add_row(*cells(self.count))
        self.count += 1

    def scroll(self, down: bool) -> None:
        """A page."""
        table = self.query_one(DataTable)
        (table.action_page_down if down else table.action_page_up)()


async def each(pilot: Pilot[None], act: Callable[[int], None]) -> float:
    """Milliseconds of one act with its repaint."""
    began = time.perf_counter()
    for step in range(STEPS):
        act(step)
        await pilot.pause()
    return (time.perf_counter() - began) / STEPS * 1000


async def measure(make: type[Ours] | type[Theirs], count: int) -> tuple[float, float, float]:
    """First paint, append, page: milliseconds."""
    began = time.perf_counter()
    app = make(count)
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.pause()
        first = (time.perf_counter() - began) * 1000
        return (
            first,
            await each(pilot, lambda _: app.append()),
            await each(pilot, lambda step: app.scroll(step % 4 < 2)),
        )


def main() -> None:
    """Measure and print."""
    asyncio.run(measure(Ours, 1))  # imports
    for make, name in ((Ours, "the virtual table"), (Theirs, "Textual's DataTable")):
        for count in COUNTS:
            first, append, page = asyncio.run(measure(make, count))
            print(f"{name}, {count:,} rows: first {first:.0f} ms, append {append:.1f} ms, page {page:.1f} ms")


if __name__ == "__main__":
    main()
