"""The virtual table: what it asks of its source, what it repaints, and where its cursor stays."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.geometry import Region

from tui.runs import Run
from tui.table.source import Column, ListSource
from tui.table.virtual import VirtualTable
from tui.table.widths import GAP, arrange, pieces, stops

COLUMNS = (
    Column("run", "run", 4, right=True),
    Column("metric", "val_bpb", 8, right=True),
    Column("status", "status", 7),
    Column("description", "description", 12, stretch=True),
)


class Record:
    def __init__(self, run: int) -> None:
        self.run = run
        self.metric: float | None = 1.5 - run * 0.0001 if run % 7 else None
        self.status = "crash" if self.metric is None else "discard" if run % 3 else "keep"
        self.description = f"change number {run}"


def cells(record: Record) -> Sequence[Run]:
    metric = "–" if record.metric is None else f"{record.metric:.6f}"
    return (str(record.run), ""), (metric, ""), (record.status, record.status), (record.description, "")


def make_source(count: int) -> ListSource[Record]:
    return ListSource(
        COLUMNS,
        cells=cells,
        key=lambda record: record.run,
        sort_value=lambda record, column: getattr(record, column),
        text=lambda record: f"{record.run} {record.status} {record.description}",
        records=[Record(run) for run in range(1, count + 1)],
    )


class TableApp(App[None]):
    def __init__(self, source: ListSource[Record]) -> None:
        super().__init__()
        self.source = source
        self.highlighted: list[object] = []
        self.selected: list[object] = []

    def compose(self) -> ComposeResult:
        yield VirtualTable(self.source)

    @property
    def table(self) -> VirtualTable:
        return self.query_one(VirtualTable)

    def on_virtual_table_row_highlighted(self, event: VirtualTable.RowHighlighted) -> None:
        self.highlighted.append(event.key)

    def on_virtual_table_row_selected(self, event: VirtualTable.RowSelected) -> None:
        self.selected.append(event.key)

    def shown(self) -> list[str]:
        table = self.table
        return [table.render_line(y).text.rstrip() for y in range(table.size.height)]


async def test_opens_at_the_newest_row_and_asks_for_few_rows() -> None:
    source = make_source(10_000)
    asked: list[int] = []
    real = source.row

    def counting(index: int) -> Sequence[Run]:
        asked.append(index)
        return real(index)

    source.row = counting  # type: ignore[method-assign]
    app = TableApp(source)
    async with app.run_test(size=(80, 24)):
        lines = app.shown()
        assert lines[0].split() == ["run", "val_bpb", "status", "description"]
        assert "change number 10000" in lines[-1]
        assert app.table.selected_key == 10_000
        assert min(asked) > 9_000, "rows far off the screen were asked for"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["g"], 1),
        (["g", "j", "j"], 3),
        (["k"], 499),
        (["G"], 500),
        (["g", "G", "up"], 499),
        (["home", "ctrl+d"], 12),
        (["home", "pagedown"], 23),
        (["end", "ctrl+u"], 489),
        (["end", "pageup"], 478),
        (["g", "up"], 1),
        (["end", "down"], 500),
    ],
)
async def test_keys_move_the_cursor(keys: list[str], expected: int) -> None:
    app = TableApp(make_source(500))
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.focus()
        await pilot.press(*keys)
        assert app.table.selected_key == expected
        assert any(line.strip(" ┃").endswith(f"change number {expected}") for line in app.shown())


async def test_the_selected_row_stays_selected_through_sorting_filtering_and_new_rows() -> None:
    source = make_source(300)
    app = TableApp(source)
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.table
        assert table.select(42)
        source.sort("metric", descending=True)
        table.reload()
        assert table.selected_key == 42
        source.filter("crash change")
        table.reload()
        assert table.selected_key == 42
        source.filter("")
        source.sort("")
        table.reload()
        assert (table.selected_key, table.cursor) == (42, 41)
        table.update_rows(source.append([Record(301)]))
        await pilot.pause()
        assert table.selected_key == 42
        assert not table.select("nowhere")


async def test_sorting_at_the_end_keeps_the_row_and_not_the_place() -> None:
    source = make_source(100)
    app = TableApp(source)
    async with app.run_test(size=(80, 24)):
        assert app.table.selected_key == 100
        source.sort("run", descending=True)
        app.table.reload()
        assert (app.table.selected_key, app.table.cursor) == (100, 0)


async def test_follows_new_rows_only_from_the_last_row() -> None:
    source = make_source(100)
    app = TableApp(source)
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.table
        table.update_rows(source.append([Record(101)]))
        assert table.selected_key == 101
        assert "change number 101" in app.shown()[-1]
        table.focus()
        await pilot.press("k")
        table.update_rows(source.append([Record(102)]))
        assert table.selected_key == 100
        await pilot.pause()
        assert app.highlighted[-1] == 100


async def test_only_the_lines_that_changed_are_painted_again() -> None:
    source = make_source(5)
    app = TableApp(source)
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.table
        table.focus()
        await pilot.press("g")
        await pilot.pause()
        painted: list[Region] = []
        refresh = table.refresh

        def watched(*regions: Region, **options: bool) -> VirtualTable:
            painted.extend(regions or [table.size.region])
            return refresh(*regions, **options)

        table.refresh = watched  # type: ignore[method-assign,assignment]
        table.update_rows(source.append([Record(6)]))
        assert [(region.y, region.height) for region in painted] == [(6, 1)]
        assert "change number 6" in app.shown()[6]
        painted.clear()
        await pilot.press("j")
        assert sorted((region.y, region.height) for region in painted) == [(1, 1), (2, 1)]


async def test_every_column_can_be_reached_in_a_narrow_pane() -> None:
    source = make_source(50)
    app = TableApp(source)
    async with app.run_test(size=(30, 10)) as pilot:
        app.table.focus()
        assert "change number 50" not in app.shown()[-1]
        assert app.shown()[0].endswith("›")
        await pilot.press("l", "l", "l", "l", "l", "l")
        assert "number 50" in app.shown()[-1]
        assert app.shown()[-1].split()[0] == "50", "the first column stays"
        assert app.shown()[0].endswith("‹")
        await pilot.press(*["h"] * 8)
        assert app.table.sideways == 0


async def test_sideways_goes_by_whole_columns_and_reaches_those_behind() -> None:
    columns = (*COLUMNS[:2], COLUMNS[3], Column("status", "status", 7, behind=True))
    source = ListSource(
        columns,
        cells=lambda record: [cells(record)[0], cells(record)[1], (record.description * 9, ""), cells(record)[2]],
        key=lambda record: record.run,
        records=[Record(run) for run in range(1, 51)],
    )
    app = TableApp(source)
    async with app.run_test(size=(80, 10)) as pilot:
        app.table.focus()
        assert app.shown()[0].split() == ["run", "val_bpb", "description", "›"]
        seen = ""
        while app.shown()[0].endswith("›"):
            words = app.shown()[0].split()[:-1]
            assert set(words) <= {"run", "val_bpb", "description", "status", "‹"}, "no heading is cut"
            assert app.shown()[-1].split()[0] == "50"
            before = app.table.sideways
            seen += app.shown()[-1]
            await pilot.press("l")
            assert app.table.sideways == before + 1
        assert "status" in app.shown()[0] and app.shown()[-1].split()[-2].endswith(("keep", "discard", "crash"))
        await pilot.press("l")
        assert "status" in app.shown()[0], "the end stays in sight"
        await pilot.press(*["h"] * 12)
        assert app.table.sideways == 0


@settings(max_examples=60, deadline=None)
@given(
    asked=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    kinds=st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=8, max_size=8),
    room=st.integers(12, 90),
)
def test_every_cell_of_every_column_is_drawn_at_some_stop(
    asked: list[int], kinds: list[tuple[bool, bool, bool]], room: int
) -> None:
    asked[0] = min(asked[0], 6)
    columns = [
        Column(str(place), "", min(width, 5), right, stretch and place > 0, 0, behind and place > 0)
        for place, (width, (right, stretch, behind)) in enumerate(zip(asked, kinds, strict=False))
    ]
    widths = arrange(columns, asked, room)
    drawn: dict[int, set[int]] = {place: set() for place in range(len(asked))}
    for number, stop in enumerate(stops(columns, widths, asked, room)):
        shown, _ = pieces(columns, asked if number else widths, room, stop)
        assert sum(piece.width for piece in shown) + GAP * (len(shown) - 1) <= room
        for piece in shown:
            drawn[piece.column] |= set(range(piece.skip, piece.skip + piece.width))
    assert all(cells >= set(range(asked[place])) for place, cells in drawn.items())


async def test_resizing_keeps_the_row_and_shows_it() -> None:
    app = TableApp(make_source(500))
    async with app.run_test(size=(120, 40)) as pilot:
        app.table.select(250)
        await pilot.resize_terminal(60, 12)
        await pilot.pause()
        assert app.table.selected_key == 250
        assert any("change number 250" in line for line in app.shown())


async def test_enter_and_a_second_click_look_inside() -> None:
    app = TableApp(make_source(9))
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.focus()
        await pilot.press("g", "enter")
        assert app.selected == [1]
        await pilot.click(VirtualTable, offset=(5, 3))
        assert app.table.selected_key == 3
        assert app.selected == [1]
        await pilot.click(VirtualTable, offset=(5, 3))
        assert app.selected == [1, 3]


async def test_without_rows_it_says_so_and_keys_do_nothing() -> None:
    source = make_source(0)
    app = TableApp(source)
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.focus()
        await pilot.press("j", "G", "g", "enter", "ctrl+d")
        assert app.shown()[1] == "nothing yet"
        assert app.table.selected_key is None
        app.table.update_rows(source.append([Record(1)]))
        await pilot.pause()
        assert app.table.selected_key == 1
        assert app.highlighted == [1]


async def test_rows_that_disappear_leave_the_cursor_on_a_row() -> None:
    source = make_source(100)
    app = TableApp(source)
    async with app.run_test(size=(80, 24)):
        source.hide(lambda record: record.status == "discard")
        app.table.reload()
        assert app.table.selected_key is not None
        assert source.index(app.table.selected_key) == app.table.cursor
        source.filter("no such text")
        app.table.reload()
        assert app.table.selected_key is None
