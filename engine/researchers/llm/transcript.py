"""What a model says while it says it, as plain lines in researcher.log."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from engine.session.inert import inert

NAME = "researcher.log"
_WIDE = 800  # characters after which a line is written without its end
_HELD = 300  # of its end that are held back: a credential that has only half arrived is not recognised yet


class Transcript:
    """Appends to researcher.log in `folder`, line by line, each harmless and passed through `redact`."""

    def __init__(self, folder: Path, redact: Callable[[str], str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = (folder / NAME).open("a", encoding="utf-8", errors="replace")
        self._redact = redact
        self._rest = ""

    def note(self, text: str) -> None:
        """A remark of our own, on a line of its own."""
        self.end()
        self._write(f"── {' '.join(text.split())}")

    def stream(self, text: str) -> None:
        """A piece of what the model says; complete lines are written at once."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._write(line)
        if len(self._rest) > _WIDE:
            known = self._redact(self._rest)
            space = known.rfind(" ", 0, -_HELD)
            cut = space + 1 if space > 0 else max(0, len(known) - _HELD)
            self._write(known[:cut])
            self._rest = known[cut:]

    def end(self) -> None:
        """Write what is left of an unfinished line."""
        if self._rest:
            self._write(self._rest)
            self._rest = ""

    def __enter__(self) -> "Transcript":
        return self

    def __exit__(self, *error: object) -> None:
        """Write the rest and let go of the file."""
        with self._file:
            self.end()

    def _write(self, line: str) -> None:
        self._file.write(inert(self._redact(line)) + "\n")
        self._file.flush()


class Unescaped:
    r"""The arguments of a tool call as they stream in, readable: JSON's `\n`, `\"` … undone, pieces cut anywhere."""

    def __init__(self) -> None:
        self._held = ""

    def piece(self, text: str) -> str:
        """The readable form of the next piece."""
        text = self._held + text
        self._held = _UNFINISHED.search(text)[0]  # type: ignore[index]  # it matches the empty end at least
        return _ESCAPE.sub(_meant, text[: len(text) - len(self._held)])


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_UNFINISHED = re.compile(r"(?:(?<!\\)(?:\\\\)*\\(?:u[0-9a-fA-F]{0,3})?)?\Z")


def _meant(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return {"n": "\n", "t": "\t", "r": "", "b": "", "f": ""}.get(found[2], found[2])
