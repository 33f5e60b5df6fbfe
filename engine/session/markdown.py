"""Texts of others put into Markdown."""

from collections.abc import Iterable, Sequence

from engine.session.inert import inert


def one_line(text: str) -> str:
    """A text of somebody's as one harmless line, fit for a table's cell; it cannot open a comment."""
    flat = " ".join(inert(text).split())
    return flat.replace("<!--", "<!‐‐").replace("|", "\\|")


def prose(text: str) -> str:
    """A text of somebody's within a sentence: one line in which no HTML and no picture comes to life."""
    return one_line(text).replace("<", "&lt;").replace("![", "!\\[")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table's lines; none without rows. Cells are one line each, with no bare "|" (see `one_line`)."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *body] if body else []


def fenced(text: str, language: str = "") -> list[str]:
    """Lines as they are, in a fence that nothing in them closes."""
    lines = inert(text, newlines=True).replace("<!--", "<!‐‐").split("\n")
    longest = max((len(line) - len(line.lstrip("`")) for line in (line.strip() for line in lines)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + language, *lines, fence]
