r"""Following a growing log by polling: its new lines as a terminal would have ended up showing them."""

from __future__ import annotations

import os

import msgspec

from engine.session.carriage import collapse
from engine.session.growth import Change, GrowingFile

_MOST_LINE = 64 * 1024  # bytes of an unfinished line that are kept


class Grown(msgspec.Struct, frozen=True):
    r"""What came since the last poll. `data`: the bytes, for `LossCurve.feed`; `lines`: complete lines, `\r` collapsed;
    `current`: what the unfinished last line shows now; `restarted`: the file was cut or replaced, all before is void;
    `more`: there is more to read at once.
    """

    data: bytes = b""
    lines: list[str] = []
    current: str = ""
    restarted: bool = False
    more: bool = False


class Tail:
    """Follows `path`, which need not exist yet. `last` bytes of what is there already are read, None = all of it."""

    def __init__(self, path: str | os.PathLike[str], last: int | None = None) -> None:
        self._file = GrowingFile(path)
        self._offset = 0 if last is None else max(0, self._file.size - last)
        # Begun within a line, its first part is not known; what is left of it is not shown as a line.
        self._skip = self._offset > 0 and self._file.pread(self._offset - 1, 1) not in (b"\n", b"\r")
        self._rest = b""

    def poll(self, most: int = 1024 * 1024) -> Grown:
        """Up to `most` new bytes. Cheap when nothing changed. Errors: OSError."""
        restarted = self._file.refresh() is Change.REPLACED
        if restarted:
            restarted = self._offset > 0
            self._offset, self._rest, self._skip = 0, b"", False
        data = self._file.pread(self._offset, most)
        self._offset += len(data)
        fresh = data
        if self._skip:
            cut = min((p for p in (data.find(b"\n"), data.find(b"\r")) if p >= 0), default=-1)
            fresh = data[cut + 1 :] if cut >= 0 else b""
            self._skip = cut < 0
        *complete, rest = (self._rest + fresh).split(b"\n")
        self._rest = _newest(rest)
        return Grown(
            data=data,
            lines=[collapse(line).decode("utf-8", "replace") for line in complete],
            current=collapse(self._rest).decode("utf-8", "replace"),
            restarted=restarted,
            more=self._offset < self._file.size,
        )

    def close(self) -> None:
        """Give the descriptor back."""
        self._file.close()


def _newest(rest: bytes) -> bytes:
    """What can still matter of an unfinished line: hours of progress without a newline must not pile up."""
    shown = rest.rstrip(b"\r\n \t\0")
    kept = rest[shown.rfind(b"\r") + 1 :]
    return kept if len(kept) <= _MOST_LINE else kept[-_MOST_LINE:]
