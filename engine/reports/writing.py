"""The journal of a session written to a file, pictures beside it; what a person wrote into it stays where it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from engine.reports import pictures
from engine.reports.entry import Around
from engine.reports.material import Material, commit_pages, gather
from engine.reports.page import parts
from engine.reports.todos import Todo, open_todos
from engine.reports.versions import Version, versions
from engine.session import profiles
from engine.session.marked import merged, parts_of
from engine.session.night import Night, night
from engine.session.paths import SessionPaths
from engine.session.state import State
from engine.work.repo import GitTrouble, Repo

FOLDER, PAGE = "autoresearch.journal", "journal.md"
_LEAD = (
    "# Journal of {name}\n\nMade by `overnight journal`; write wherever you like outside the marked parts: it stays"
    " there when the journal is made again.\n"
)


class JournalTrouble(Exception):
    """The journal cannot be written. The message says where and what to do."""


class Journal(msgspec.Struct, frozen=True):
    """What the journal is made from. `materials` maps a version's run to what git and the disk tell of it."""

    name: str
    state: State
    found: list[Version]
    materials: dict[int, Material]
    night: Night
    todos: list[Todo]
    pages: str

    def text(self, old: str, shown: dict[int | str, str]) -> str:
        """The whole page; `old` is the page as it was ("" = none), `shown` the pictures' addresses."""
        around = Around(self.state, {one.run: one.name for one in self.found}, self.pages)
        made = parts(self.found, self.materials, shown, self.night, self.todos, around)
        return merged(old or _LEAD.format(name=self.name), made, in_order=True)


def collect(paths: SessionPaths, state: State) -> Journal:
    """Everything, read from the session. Errors: none; without git the entries are shorter."""
    found = versions(state)
    materials: dict[int, Material] = {}
    pages, profiled = "", profiles.by_run(paths.jobs)
    try:
        with closing(Repo(paths.root, paths.name)) as repo:
            pages = commit_pages(repo.remote())
            for one in found:
                experiment = state.experiments[one.run - 1]
                materials[one.run] = gather(paths, repo, state, experiment, profiled.get(one.run))
    except GitTrouble:
        pass  # a copy without its repository: the journal's own records still tell most
    return Journal(paths.name, state, found, materials, night(state), open_todos(state), pages)


def default(paths: SessionPaths) -> Path:
    """Where the session's journal lies: a folder that git ignores by a file of its own."""
    return paths.root / FOLDER / PAGE


def write(journal: Journal, out: Path, own: bool, told: Callable[[str], None]) -> int:
    """Write it; how many pictures it shows. `own`: it is the session's (see `default`). Errors: JournalTrouble.

    `told` hears of pictures that could not be drawn.
    """
    if out.is_dir():
        raise JournalTrouble(f"{out} is a folder; name a file in it: --out {out / PAGE}")
    if not own and not out.parent.is_dir():
        raise JournalTrouble(f"{out.parent} is no folder; make it first: mkdir -p {out.parent}")
    try:
        old = out.read_text(encoding="utf-8", errors="surrogateescape") if out.exists() else ""
        if old.strip() and "head" not in parts_of(old):
            raise JournalTrouble(f"{out} is there already and no journal of overnight's; choose another file")
        if own:
            out.parent.mkdir(exist_ok=True)
            (out.parent / ".gitignore").write_text("*\n")
        shown = _draw(journal, out, told)
        text = journal.text(old, shown)
        if text != old:
            temporary = out.with_name(f".{out.name}.tmp")
            temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
            temporary.replace(out)
    except OSError as error:
        raise JournalTrouble(f"{error.filename or out}: the journal cannot be written: {error.strerror}") from error
    return len(shown)


def _draw(journal: Journal, out: Path, told: Callable[[str], None]) -> dict[int | str, str]:
    """The pictures' addresses by run or segment. A run's is drawn once: its log never changes."""
    if not pictures.available():
        told(pictures.MISSING)
        return {}
    folder = out.with_name(f"{out.stem}-pictures")
    names = {one.run: one.name for one in journal.found}
    shown: dict[int | str, str] = {}
    for one in journal.found:
        material, experiment = journal.materials.get(one.run, Material()), journal.state.experiments[one.run - 1]
        if len(material.curve) < 2:
            continue
        file = folder / f"run-{one.run:04d}.svg"
        if not file.exists():
            base = names.get(experiment.champion or 0, f"run {experiment.champion}")
            curves = [(base, material.base_curve), (one.name, material.curve)]
            _put(file, pictures.loss(f"{one.name}, run {one.run}", curves))
        shown[one.run] = f"{folder.name}/{file.name}"
    for segment in journal.state.segments:
        if len([run for run in segment.runs if journal.state.experiments[run - 1].metric is not None]) > 1:
            file = folder / f"segment-{segment.number}.svg"
            _put(file, pictures.progress(journal.state, segment, names))
            shown[f"segment {segment.number}"] = f"{folder.name}/{file.name}"
    return shown


def _put(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(file)
