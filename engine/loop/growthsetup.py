"""What a growth search starts from: a configuration of elsewhere put into the session, or a whole log gone on from."""

import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from engine.loop.editing import no_length
from engine.loop.growthplan import own_length
from engine.loop.main import LaunchRefused
from engine.loop.projection import Projection
from engine.loop.record import NoRoom, Record
from engine.loop.tree import Tree
from engine.researchers.base import ResearcherFailed
from engine.researchers.grow.space import Space, space
from engine.researchers.search.values import is_number, plain
from engine.session import events as ev
from engine.session import growthread
from engine.session.journal import JournalError, read
from engine.session.locking import Held, Lock
from engine.session.paths import SessionPaths
from engine.session.settings import Settings
from engine.session.state import MAX_ITERS
from engine.work.repo import GitTrouble, Repo


class Differing(msgspec.Struct):
    """`edits` are what `overnight edit` has to set, key → value; `unknown` the names that nothing here is called."""

    edits: dict[str, str] = {}
    unknown: list[str] = []


def differing(paths: SessionPaths, config: Mapping[str, Any], settings: Settings) -> Differing:
    """What of `config` differs from the session as it is. Errors: ResearcherFailed, OSError, JournalError."""
    known = _known(paths, settings)
    found = Differing()
    for asked, value in config.items():
        name = known.name_of(asked)
        if asked == MAX_ITERS:
            present = read(paths.journal).length or own_length(paths.root)
            if why := no_length(str(value)):
                raise ResearcherFailed(why)
            if str(value) != present:
                found.edits[MAX_ITERS] = str(value)
        elif asked == "seed":
            if value != settings.run.seed:
                found.edits["run.seed"] = str(value)
        elif not name:
            found.unknown.append(asked)
        elif plain(value) != (plain(_value(known.pinned[name])) if name in known.pinned else known.values[name]):
            if is_number(known.values[name]) and not is_number(value):
                raise ResearcherFailed(f"{asked} is {known.texts[name]}; a number is expected, and {value!r} is none")
            found.edits[name] = repr(value) if isinstance(value, list | tuple | str) else str(value)
    return found


def nowhere(paths: SessionPaths, names: Collection[str], settings: Settings) -> list[str]:
    """Which of `names` no setting of the session is called. Errors: ResearcherFailed, OSError."""
    known = _known(paths, settings)
    return [name for name in names if not known.name_of(name)]


def _known(paths: SessionPaths, settings: Settings) -> Space:
    texts = {name: _text(paths.root / name) for name in settings.scope.editable}
    return space(texts, settings.grow, paths.root)


def _value(source: str) -> Any:
    return float(source) if "." in source else int(source)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def go_on_from(paths: SessionPaths, log: Path, by: str) -> dict[str, Any]:
    """Make the session's rounds follow those of the growth log `log`; returns it as loaded.

    Errors: GrowthLogError; LaunchRefused while an engine runs or an experiment is unfinished.
    """
    found = growthread.load(log)
    rounds = max((entry["iter"] for entry in found["iterations"]), default=-1) + 1
    try:
        with Lock(paths.lock, "grow", kind="hand"):
            record = Record(paths)
            try:
                if record.state.current is not None:
                    raise LaunchRefused(
                        f"run {record.state.current.run} of {paths.name} is unfinished: overnight start {paths.name},"
                        f" then overnight stop {paths.name}, then ask again",
                        4,
                    )
                shutil.copyfile(log, paths.growth_earlier)
                record.write(ev.GrowthBegun(at=time.time(), rounds=rounds, path=str(log), by=by))
                Projection(record, Tree(Repo(paths.root, paths.name), record)).complete()
            finally:
                record.close()
    except Held as error:
        raise LaunchRefused(
            f"session {paths.name} has an engine: overnight stop {paths.name}, then ask again", 4
        ) from error
    except (GitTrouble, JournalError, NoRoom) as error:
        raise LaunchRefused(str(error), 1) from error
    return found
