"""What a virtual table shows: a protocol that any data can serve, and a source for records held in memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import count
from typing import Generic, NamedTuple, Protocol, TypeVar

from tui.runs import Run

R = TypeVar("R")


class Column(NamedTuple):
    """A column: its id, its heading, the least width in cells, its alignment, and whether it takes what is left over.

    `most` bounds the width that a long cell may claim (0: no bound); a stretching column has none in effect.
    `behind` claims no room beside the others: the table is scrolled sideways to it.
    """

    id: str
    title: str
    least: int = 3
    right: bool = False
    stretch: bool = False
    most: int = 0
    behind: bool = False


class Source(Protocol):
    """Rows by index. Called for the rows on screen only, so each call must be cheap; keys must be unique."""

    @property
    def columns(self) -> Sequence[Column]:
        """The columns, from left to right."""
        ...

    def __len__(self) -> int: ...

    def row(self, index: int) -> Sequence[Run]:
        """One `(text, styles)` for each column; the text is shown as it is, so it must hold no control characters."""
        ...

    def key(self, index: int) -> Hashable:
        """What the row is, wherever it stands."""
        ...

    def index(self, key: Hashable) -> int | None:
        """Where the row with this key stands now, None where it is not shown."""
        ...


class ListSource(Generic[R]):
    """Records in memory, shown sorted and filtered.

    `cells` makes a record's row, `key` its key. `sort_value(record, column_id)` gives something comparable or None
    (None goes last either way); `text` gives what a filter is looked for in (each word of the filter must occur).
    """

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        cells: Callable[[R], Sequence[Run]],
        key: Callable[[R], Hashable],
        sort_value: Callable[[R, str], object] | None = None,
        text: Callable[[R], str] | None = None,
        records: Iterable[R] = (),
    ) -> None:
        self.columns: Sequence[Column] = columns
        self._cells, self._key = cells, key
        self._sort_value, self._text = sort_value, text
        self._records: list[R] = list(records)
        self._places: dict[Hashable, int] = {}
        self._shown: list[R] = []
        self.sorted_by = ""
        self.descending = False
        self.filter_text = ""
        self._hidden: Callable[[R], bool] | None = None
        self._arrange()

    def __len__(self) -> int:
        return len(self._shown)

    @property
    def total(self) -> int:
        """Records in all, hidden ones included."""
        return len(self._records)

    def row(self, index: int) -> Sequence[Run]:
        return self._cells(self._shown[index])

    def key(self, index: int) -> Hashable:
        return self._key(self._shown[index])

    def index(self, key: Hashable) -> int | None:
        return self._places.get(key)

    def record(self, index: int) -> R:
        """The record on row `index`."""
        return self._shown[index]

    def replace(self, records: Iterable[R]) -> int:
        """Show these records instead; returns the first row that may look different (the number of rows if none)."""
        before = self._shown
        self._records = list(records)
        self._arrange()
        pairs = zip(before, self._shown, strict=False)
        first = next((place for place, (old, new) in enumerate(pairs) if old is not new and old != new), None)
        return min(len(before), len(self._shown)) if first is None else first

    def append(self, records: Iterable[R]) -> int:
        """Add records at the end; returns the first row that may look different."""
        added = list(records)
        self._records.extend(added)
        if self.sorted_by:
            self._arrange()
            return 0
        first = len(self._shown)
        self._extend(added)
        return first

    def sort(self, column: str, *, descending: bool = False) -> None:
        """Order rows by a column's sort values, equal ones as they came; "" restores the order of the records."""
        self.sorted_by, self.descending = column, descending
        self._arrange()

    def filter(self, text: str) -> None:
        """Show only records that contain every word of `text`, letters of either case alike."""
        self.filter_text = text
        self._arrange()

    def hide(self, hidden: Callable[[R], bool] | None) -> None:
        """Leave out the records for which `hidden` is true; None shows all."""
        self._hidden = hidden
        self._arrange()

    def _arrange(self) -> None:
        self._shown = []
        self._places = {}
        self._extend(self._ordered())

    def _ordered(self) -> list[R]:
        value = self._sort_value
        if not self.sorted_by or value is None:
            return self._records
        valued = [(value(record, self.sorted_by), record) for record in self._records]
        present = [pair for pair in valued if pair[0] is not None]
        present.sort(key=lambda pair: pair[0], reverse=self.descending)  # type: ignore[arg-type,return-value]
        return [record for _, record in present] + [record for found, record in valued if found is None]

    def _extend(self, records: Iterable[R]) -> None:
        words = self.filter_text.casefold().split()
        if self._hidden is None and not (words and self._text is not None):
            added = list(records)
            self._places.update(zip(map(self._key, added), count(len(self._shown)), strict=False))
            self._shown += added
            return
        for record in records:
            if self._hidden is not None and self._hidden(record):
                continue
            if words and self._text is not None:
                text = self._text(record).casefold()
                if not all(word in text for word in words):
                    continue
            self._places[self._key(record)] = len(self._shown)
            self._shown.append(record)
