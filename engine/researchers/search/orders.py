"""The operator's `try`, `freeze` and `unfreeze`, kept in .overnight/search.json so that none is lost or done twice."""

import os
import re
from pathlib import Path

import msgspec

from engine.researchers.base import ResearcherFailed
from engine.session.paths import SessionPaths

UNDERSTOOD = "I understand: try NAME=VALUE (several, separated by commas), freeze NAME, unfreeze NAME"
_REMEMBERED = 200
_ORDER = re.compile(r"^\s*(try|freeze|unfreeze)\b[:\s]*(.*)$", re.IGNORECASE | re.DOTALL)
_ASSIGNMENT = re.compile(r"(?:^|[\s,;]+(?:and\s+|try\s+)?)([A-Za-z_]\w*)\s*=(?!=)\s*")


class Try(msgspec.Struct):
    """A value to try: the source text `value` for `name`. `run` and `attempt` say when it was last proposed."""

    message: str
    name: str
    value: str
    note: str = ""
    run: int = 0
    attempt: int = 0


class Orders(msgspec.Struct):
    """What the operator has asked for so far. `answers` maps a message's id to what was answered."""

    frozen: list[str] = []
    queue: list[Try] = []
    answers: dict[str, str] = {}

    def answered(self, message: str, answer: str) -> None:
        """Remember the answer, so that the same message delivered again does nothing more."""
        self.answers[message] = answer
        for old in list(self.answers)[:-_REMEMBERED]:
            del self.answers[old]


class Order(msgspec.Struct, frozen=True):
    """A message taken apart: `kind` is try, freeze or unfreeze; `values` is empty for the latter two."""

    kind: str
    names: tuple[str, ...]
    values: tuple[str, ...] = ()


def understand(text: str) -> list[Order] | None:
    """The orders in a message, one a line; None where a line is none."""
    lines = [line for line in text.splitlines() if line.strip()]
    orders = [_order(line) for line in lines]
    found = [order for order in orders if order is not None]
    return found if found and len(found) == len(lines) else None


def _order(line: str) -> Order | None:
    match = _ORDER.match(line.strip().rstrip("."))
    if match is None:
        return None
    kind, rest = match[1].lower(), match[2].strip()
    if kind != "try":
        names = tuple(name for name in re.split(r"[\s,;]+(?:and\s+)?", rest) if name)
        return Order(kind, names) if names and all(name.isidentifier() for name in names) else None
    marks = list(_ASSIGNMENT.finditer(rest))
    if not marks or marks[0].start() != 0:
        return None
    ends = [mark.start() for mark in marks[1:]] + [len(rest)]
    values = tuple(rest[mark.end() : end].strip().rstrip(",;") for mark, end in zip(marks, ends, strict=True))
    return Order(kind, tuple(mark[1] for mark in marks), values) if all(values) else None


def load(session: Path) -> Orders:
    """The session's orders; none where nothing was asked yet. Errors: ResearcherFailed."""
    path = SessionPaths(session).search
    try:
        return msgspec.json.decode(path.read_bytes(), type=Orders)
    except FileNotFoundError:
        return Orders()
    except (OSError, msgspec.DecodeError) as error:
        raise ResearcherFailed(
            f"{path}: cannot be read: {error}. It holds queued tries and frozen constants; mend it or remove it"
        ) from error


def save(session: Path, orders: Orders) -> None:
    """Replace the file at once, or leave it as it was. Errors: ResearcherFailed."""
    path = SessionPaths(session).search
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(orders))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ResearcherFailed(f"{path}: cannot be written: {error}") from error
