"""Search/replace edits of files: each must match exactly once, else it is told why not. Pure."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol


class EditRefused(ValueError):
    """An edit does not apply; the message tells the model which, why, and what to do. `empty`: there was none."""

    def __init__(self, message: str, empty: bool = False) -> None:
        super().__init__(message)
        self.empty = empty


class Edit(Protocol):
    """In `file`, `search` becomes `replace`; an empty `search` gives an empty or new file its text."""

    @property
    def file(self) -> str: ...
    @property
    def search(self) -> str: ...
    @property
    def replace(self) -> str: ...


def applied(files: Mapping[str, str], edits: Sequence[Edit], editable: Collection[str]) -> dict[str, str]:
    """The new text of each changed file, the edits made in order, each to what the ones before left.

    Errors: EditRefused, which names every edit that does not apply.
    """
    if not edits:
        raise EditRefused("there are no edits: propose a change", empty=True)
    texts, wrong = dict(files), []
    for number, edit in enumerate(edits, 1):
        name = edit.file.removeprefix("./")
        if name not in editable:
            wrong.append(f"edit {number}: {edit.file!r} may not be changed; only {', '.join(editable)}")
            continue
        text = texts.get(name, "")
        if reason := _objection(text, edit.search, name):
            wrong.append(f"edit {number}: {reason}")
        else:
            texts[name] = text.replace(edit.search, edit.replace, 1) if edit.search else edit.replace
    if wrong:
        raise EditRefused("\n".join([*wrong, "None of the edits was made. Send all of them again, mended."]))
    changed = {name: text for name, text in texts.items() if text != files.get(name, "")}
    if not changed:
        raise EditRefused("the edits leave every file as it is: propose a change", empty=True)
    return changed


def _objection(text: str, search: str, name: str) -> str:
    if not search:
        return f"its search text is empty, but {name} is not" if text.strip() else ""
    found = text.count(search)
    if found == 1:
        return ""
    if found > 1:
        at, lines = -1, list[str]()
        while len(lines) < 8 and (at := text.find(search, at + 1)) >= 0:
            lines.append(str(text.count("\n", 0, at) + 1))
        where = f"from lines {', '.join(lines)} on"
        return f"its search text occurs {found} times in {name} ({where}); add lines around it until it is the only one"
    return (
        f"its search text does not occur in {name}; copy it to the letter, with its indentation{_nearest(text, search)}"
    )


def _nearest(text: str, search: str) -> str:
    """The line that is most like the first one looked for, with its number."""
    wanted = next((line for line in search.splitlines() if line.strip()), "")[:200]
    lines = [line for line in text.splitlines() if line.strip()]
    near = difflib.get_close_matches(wanted, [line[:200] for line in lines[:5000]], n=1, cutoff=0.6)
    if not near:
        return ""
    number = next(n for n, line in enumerate(text.splitlines(), 1) if line[:200] == near[0])
    return f". The nearest is line {number}: {near[0]!r}"
