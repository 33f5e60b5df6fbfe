"""What a verb prints: its result on standard output (text, or one JSON document), everything else on standard error."""

import os
import sys
from typing import Any, TextIO

import msgspec

from engine.session.inert import inert


class Output:
    """`json` is whether the result is to be a JSON document. Text that others wrote is made harmless."""

    def __init__(self, json: bool = False) -> None:
        self.json = json

    def result(self, document: Any, text: str) -> None:
        """The verb's result, once: `document` with --json, else `text` (which may hold colours of ours)."""
        if self.json:
            self.document(document)
        elif text:
            print(text, file=sys.stdout)

    def document(self, document: Any) -> None:
        """One JSON document, whatever the form asked for."""
        try:
            data = msgspec.json.encode(document)
        except UnicodeEncodeError:  # a file of a session that is not UTF-8
            data = msgspec.json.encode(_encodable(msgspec.to_builtins(document)))
        data = msgspec.json.format(data, indent=2)
        print(data.decode(), file=sys.stdout)

    def narrate(self, text: str) -> None:
        """A line for whoever looks on."""
        print(safe(text), file=sys.stderr, flush=True)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list) else value


def safe(text: str) -> str:
    """`text` with control characters made harmless; its line breaks stay."""
    return inert(text, newlines=True)


def coloured(stream: TextIO) -> bool:
    """Whether colours belong on `stream`: a terminal that shows them, and NO_COLOR not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


_CODES = {"keep": "32", "crash": "31", "checks_failed": "31", "discard": "2", "champion": "1;32", "+": "32", "-": "31"}
_CODES |= {"@": "36", "dim": "2", "bold": "1", "ok": "32", "note": "36", "warning": "33", "failing": "31"}


def paint(text: str, name: str, on: bool) -> str:
    """`text` in the colour of `name` where colours are `on`; an unknown name is plain."""
    code = _CODES.get(name)
    return f"\x1b[{code}m{text}\x1b[0m" if on and code else text
