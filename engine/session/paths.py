"""Where a session keeps what: the layout of its folder, and how one is found by name."""

import os
from pathlib import Path

PATCH = "change.patch"
"""In a run's folder of a recording: its difference from the champion it was tried on."""

RECORDING = "a recording, which is only looked at"
"""What a session is that came without its repository, in the words of every refusal."""


class NoSession(Exception):
    """No session of that name or path. The message says what was looked for and what there is (exit code 3)."""


class SessionPaths:
    """The files of the session in `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.private = root / ".overnight"
        self.journal = self.private / "journal.jsonl"
        self.inbox = self.private / "inbox"
        self.lock = self.private / "engine.lock"
        self.engine_log = self.private / "engine.log"
        self.reserve = self.private / "reserve"
        self.search = self.private / "search.json"
        self.runs = self.private / "runs"
        self.jobs = self.private / "jobs"
        self.weights = self.private / "weights"
        self.outbox = self.private / "outbox"
        self.swarm = self.private / "swarm"
        self.growth_log = root / "grow.yaml"
        self.growth_earlier = self.private / "grow-earlier.yaml"
        self.public_log = root / "autoresearch.jsonl"
        self.run_log = root / "run.log"
        self.document = root / "autoresearch.md"
        self.ideas = root / "autoresearch.ideas.md"
        self.settings = root / "overnight.toml"
        self.checks = root / "autoresearch.checks.sh"
        self.program = root / "program.md"

    def run(self, run: int) -> Path:
        """The folder of one run."""
        return self.runs / f"{run:04d}"

    def job(self, command: str) -> Path:
        """The folder of one piece of queued work, by its command's id."""
        return self.jobs / command

    @property
    def name(self) -> str:
        """The session's name: its folder's."""
        return self.root.name

    @property
    def recorded(self) -> bool:
        """Whether it is only to be looked at: it came without its repository, each run's difference in `PATCH`."""
        return not (self.root / ".git").exists()

    @property
    def exists(self) -> bool:
        """Whether this is a session: it has a private folder, and settings or a history.

        On a branch that lacks overnight.toml the history alone tells, so that the session can still be stopped.
        """
        return self.private.is_dir() and (self.settings.exists() or self.journal.exists())


def sessions_dir(given: str | None = None) -> Path:
    """The sessions folder: `given`, else OVERNIGHT_SESSIONS, else ./sessions."""
    return Path(given or os.environ.get("OVERNIGHT_SESSIONS") or "sessions").absolute()


def all_sessions(folder: Path) -> list[SessionPaths]:
    """Every session in `folder`, the most recently active last. A hidden folder is one that is being made."""
    if not folder.is_dir():
        return []
    found = [SessionPaths(child) for child in folder.iterdir() if child.is_dir() and child.name[0] != "."]
    return sorted((paths for paths in found if paths.exists), key=last_active)


def last_active(paths: SessionPaths) -> tuple[float, str]:
    """When the journal (or, without one, the settings) last changed; for sorting."""
    for path in (paths.journal, paths.settings):
        try:
            return path.stat().st_mtime, paths.name
        except OSError:
            continue
    return 0.0, paths.name


def find(session: str | None, folder: Path) -> SessionPaths:
    """The session of that name or path; without one the newest, a recording only where there is no other.

    Errors: NoSession.
    """
    if session is None:
        here = SessionPaths(Path.cwd())
        if here.exists:
            return here
        there = all_sessions(folder)
        if not there:
            raise NoSession(f"no sessions in {folder}; make one: overnight new NAME")
        return ([paths for paths in there if not paths.recorded] or there)[-1]
    by_name = SessionPaths(Path(os.path.normpath(folder / session)))  # without "..": the folder's name is the session's
    by_path = SessionPaths(Path(os.path.normpath(Path(session).absolute())))
    for candidate in (by_name, by_path):
        if candidate.exists:
            return candidate
    names = ", ".join(paths.name for paths in all_sessions(folder)) or "none"
    raise NoSession(f"no session {session!r} in {folder} (there: {names}), and no session in a folder of that path")
