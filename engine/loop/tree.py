"""The effects that touch the session's git tree: segments, changes, restorations, and nobody's edit lost."""

import time
from collections.abc import Mapping

import msgspec

from engine.loop.record import Record
from engine.session import events as ev
from engine.session.settings import Settings
from engine.session.state import Segment
from engine.work.contract import hashes
from engine.work.repo import Repo

SESSION_FILES = (
    "overnight.toml",
    "program.md",
    "autoresearch.md",
    "autoresearch.ideas.md",
    "autoresearch.sh",
    "autoresearch.checks.sh",
    "prepare.py",
    "corpus.py",
    "device.py",
    "attention.py",
    "fused.py",
    "pyproject.toml",
    "search_space.toml",
    "gpu-training-guide.md",
    ".gitignore",
    "hooks/",
)
"""What a person or the engine edits besides the editable files; committed as `session: …`."""


class StoredProposal(msgspec.Struct):
    """runs/NNNN/proposal.json: the new text of each changed file, written ahead of the commit."""

    files: dict[str, str]


class Tree:
    """The session's work tree between the engine's hands. Errors of every method: GitTrouble, OSError, NoRoom."""

    def __init__(self, repo: Repo, record: Record) -> None:
        self.repo, self.record = repo, record
        self.paths = record.paths
        self._stamps: tuple[tuple[str, int, int], ...] | None = None
        self._reason = ""

    def store(self, run: int, files: Mapping[str, str]) -> None:
        """Write an accepted change down, so that a crash before its commit loses nothing."""
        folder = self.paths.run(run)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / "proposal.json.tmp"
        temporary.write_bytes(msgspec.json.encode(StoredProposal(dict(files))))
        temporary.rename(folder / "proposal.json")

    def new_segment(self, settings: Settings) -> str:
        """Why the open segment no longer describes what would be run, or "". Files are read only when they changed."""
        segment = self.record.state.segment
        if segment is None:
            return "the session's first segment"
        if settings.metric != segment.metric:
            return "the metric was changed"
        if settings.run != segment.run:
            return "the run's settings were changed"
        if self.record.state.length != segment.budget:
            length = self.record.state.length or "prepare.py's own"
            return f"the training length is {length} now"
        seeds = settings.grow.seeds if settings.researcher.kind == "grow" else 1
        baseline = self.record.state.baseline
        if baseline is not None and baseline.seeds != seeds:
            return f"each change is measured with {seeds} seeds now"
        if tuple(settings.scope.editable) != segment.editable:
            return "the list of editable files was changed"
        if set(settings.scope.pinned) & set(segment.pinned) != set(segment.pinned) or any(
            name not in segment.pinned and (self.paths.root / name).is_file() for name in settings.scope.pinned
        ):
            return "the list of pinned files was changed"
        stamps = self._stat(segment.pinned)
        if stamps != self._stamps:
            changed = self.changed_pins(segment)
            self._reason = f"{', '.join(changed)} changed" if changed else ""
            self._stamps = stamps
        return self._reason or self.moved()

    def _stat(self, names: Mapping[str, str]) -> tuple[tuple[str, int, int], ...]:
        found = []
        for name in names:
            try:
                stat = (self.paths.root / name).stat()
                found.append((name, stat.st_mtime_ns, stat.st_size))
            except OSError:
                found.append((name, 0, -1))
        return tuple(found)

    def changed_pins(self, segment: Segment) -> list[str]:
        """Pinned files whose text is no longer the segment's."""
        now = hashes(self.paths.root, list(segment.pinned))
        return [name for name, digest in segment.pinned.items() if now.get(name) != digest]

    def moved(self, on: str = "") -> str:
        """Why HEAD no longer holds the champion's text (or that of commit `on`): a person committed another, or "".

        Between experiments that opens a new segment; during one, the experiment loses its ground and theirs stays.
        """
        state, segment = self.record.state, self.record.state.segments[-1]
        head = self.repo.head()
        if head == state.head:
            return ""
        self.repo.check_branch()
        names = list(segment.editable)
        champion = state.champion
        base = on or (champion.commit if champion else segment.commit)
        if self.repo.files_at(head, names) != self.repo.files_at(base, names):
            return f"commit {head[:7]} changed {', '.join(names)} by hand"
        return ""

    def open_segment(self, settings: Settings, reason: str) -> None:
        """Commit what else of the session changed, and pin it."""
        root, state = self.paths.root, self.record.state
        editable = list(settings.scope.editable)
        self.commit_rest("a new segment: " + reason, editable)
        pinned = hashes(root, [name for name in settings.scope.pinned if (root / name).is_file()])
        self.record.write(
            ev.SegmentOpened(
                at=time.time(),
                segment=len(state.segments),
                name=f"Optimize {settings.metric.name}",
                metric=settings.metric,
                command=settings.run.command,
                timeout_s=settings.run.timeout_s,
                checks_timeout_s=settings.run.checks_timeout_s,
                seed=settings.run.seed,
                editable=tuple(editable),
                pinned=pinned,
                commit=self.repo.head(),
                budget=state.length,
                branch=self.repo.branch(),
                reason=reason,
            )
        )
        self._stamps = None

    def apply_change(self, run: int) -> None:
        """Write and commit the accepted change; once, however often this is asked."""
        head = self.repo.head()
        stored = msgspec.json.decode((self.paths.run(run) / "proposal.json").read_bytes(), type=StoredProposal)
        done = self.repo.run_of(head) == run
        if not done or any((self.repo.text_at(head, name) or "") != text for name, text in stored.files.items()):
            experiment = self.record.state.experiments[run - 1]
            moved = "" if done or experiment.mends else self.moved()
            if moved:
                self.record.write(ev.ProposalFailed(at=time.time(), run=run, reason=f"{moved} before it was tried"))
                return
            self.rescue(f"edits of train.py found when run {run} was to be applied")
            self.commit_rest("what changed before the next experiment", self._editable())
            head = self.repo.commit_experiment(run, experiment.description, stored.files)
        self.repo.set_run_ref(run, head)
        self.record.write(ev.ChangeCommitted(at=time.time(), run=run, commit=head))

    def commit_rest(self, message: str, editable: list[str], also: tuple[str, ...] = ()) -> str | None:
        """Commit what changed in the session's other files, the operator's edits and the engine's; never more.

        In a repository that was somebody's before it was a session, files of theirs that are not the session's are
        left alone.
        """
        segment = self.record.state.segment
        pinned = tuple(segment.pinned) if segment else ()
        own = [self.paths.document.name, *also]
        return self.repo.commit_session(message, names=own, exclude=editable, only=(*SESSION_FILES, *pinned, *also))

    def _editable(self) -> list[str]:
        return list(self.record.state.segments[-1].editable)

    def rescue(self, why: str, known: tuple[str, ...] = ()) -> None:
        """Save what differs in the editable files under a reference, unless it is one of `known` commits' text."""
        names = self.repo.dirty(self._editable())
        if not names:
            return
        now = {name: self.text(name) for name in names}
        for commit in known:
            if all(self.repo.text_at(commit, name) == text for name, text in now.items()):
                return
        self.save(names, why)

    def save(self, names: list[str], why: str) -> None:
        """Put the work tree's texts of `names` under a reference, and say so."""
        ref = self.repo.rescue(names, why)
        if ref is not None:
            self.record.write(ev.Rescued(at=time.time(), ref=ref, reason=why))

    def text(self, name: str) -> str | None:
        """The work tree's text of `name`; None where there is none."""
        try:
            return (self.paths.root / name).read_bytes().decode("utf-8", "surrogateescape")
        except OSError:
            return None

    def restore(self, champion: int, of: int | None) -> None:
        """The editable files become the champion's again, as a revert of `of`'s commit when given."""
        state = self.record.state
        experiments, names = state.experiments, self._editable()
        target = experiments[champion - 1].commit
        moved = self.moved(experiments[of - 1].commit) if of is not None else ""
        if moved and self.moved():  # theirs stays: state.head does not follow, so that the next segment starts from it
            self.record.write(ev.TreeSettled(at=time.time(), commit=state.head, champion=champion, run=of))
            return
        self._tell_moved(names, (target, experiments[of - 1].commit if of else "", state.head))
        known = tuple(c for c in (target, experiments[of - 1].commit if of else "", state.head) if c)
        self.rescue("edits of the editable files found when the champion was restored", known)
        self.commit_rest("edits before a restoration", names)
        if of is not None and of != champion:
            commit = self.repo.revert_experiment(experiments[of - 1].commit, target, names)
        else:
            commit = self.repo.restore(target, names, f"session: restore the champion, run {champion}", "")
        self.record.write(ev.TreeSettled(at=time.time(), commit=commit, champion=champion, run=of))

    def _tell_moved(self, names: list[str], ours: tuple[str, ...]) -> None:
        """The operator committed another text of an editable file while a run was on: it stays in the history."""
        head = self.repo.head()
        if head in ours:
            return
        now = self.repo.files_at(head, names)
        if all(now != self.repo.files_at(commit, names) for commit in ours if commit):
            text = f"commit {head[:7]} changed {', '.join(names)} by hand while a run was on; it stays in the history"
            text += ", and the champion's files come back. To go on from it: commit it again between two runs"
            self.record.write(ev.Trouble(at=time.time(), text=text))

    def put(self, commit: str) -> None:
        """Write the editable files as in `commit` into the work tree, without a commit (for a champion's trial)."""
        for name in self._editable():
            self.repo.write({name: self.repo.text_at(commit, name) or ""})

    def guard(self, commit: str) -> "Guard":
        """Watch over what a run must not change. `commit` holds the editable files' text that it runs on."""
        return Guard(self, self.record.state.segments[-1], commit)


class Guard:
    """The pinned files, the editable files and the checks as they were before a run."""

    def __init__(self, tree: Tree, segment: Segment, commit: str) -> None:
        self._tree, self._segment, self._commit = tree, segment, commit
        self._checks = tree.paths.checks.read_bytes() if tree.paths.checks.is_file() else None

    def broken(self) -> tuple[str, ...]:
        """Flags of what the run changed; each is saved under a reference and set back. Errors: as Tree's."""
        tree = self._tree
        flags: list[str] = []
        pinned = tree.changed_pins(self._segment)
        editable = [name for name in self._segment.editable if tree.text(name) != tree.repo.text_at(self._commit, name)]
        if editable and (moved := tree.moved(self._commit)):
            flags.append("base_withdrawn")
            text = f"{moved} while a run was on; the run is discarded, and the next segment starts from it"
            tree.record.write(ev.Trouble(at=time.time(), text=text))
            editable = []
        if pinned:
            flags.append("pinned_changed")
        if editable:
            flags.append("editable_changed")
        for names, commit in ((pinned, tree.repo.head()), (editable, self._commit)):
            if names:
                tree.save(names, f"changed while a run was on: {', '.join(names)}")
                for name in names:
                    tree.repo.write({name: tree.repo.text_at(commit, name) or ""})
        checks = tree.paths.checks
        if self._checks is not None and (not checks.is_file() or checks.read_bytes() != self._checks):
            flags.append("checks_changed")
            tree.save([checks.name], f"changed while a run was on: {checks.name}")
            checks.write_bytes(self._checks)
        return tuple(flags)
