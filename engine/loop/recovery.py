"""What an engine does before anything else: kill what an earlier one left, refuse what it cannot go on from, set the
tree right."""

import time

from engine.loop.projection import Projection
from engine.loop.record import Record
from engine.loop.tree import Tree
from engine.session import events as ev
from engine.session.cookie import session_id
from engine.session.settings import Settings
from engine.work import sweep


class StartRefused(Exception):
    """The session cannot be started as it is; nothing was changed. The message says what to do."""


def sweep_children(record: Record) -> list[str]:
    """Kill every process an earlier engine of this session left; their names."""
    return [str(one) for one in sweep.sweep(session_id(record.paths.root))]


def check_tree(record: Record, tree: Tree, settings: Settings, dirty: bool) -> None:
    """Refuse edits nobody accounted for, before anything is written. Errors: StartRefused, GitTrouble."""
    names = _editable(record, settings)
    links = [name for name in names if (record.paths.root / name).is_symlink()]
    if links:
        raise StartRefused(
            f"{', '.join(links)} in {record.paths.root} is a symbolic link, and experiments write to it:"
            " put the file itself in its place and commit it"
        )
    missing = [name for name in names if not (record.paths.root / name).is_file() and not _held(tree, name)]
    if missing:
        raise StartRefused(f"{record.paths.root} has no {', '.join(missing)}, which scope.editable names")
    segment = record.state.segment
    if segment is not None and segment.branch not in ("", tree.repo.branch()):
        raise StartRefused(
            f"{record.paths.root} is on branch {tree.repo.branch()}, and this session's is {segment.branch}:"
            f" git -C {record.paths.root} switch {segment.branch}, then start"
        )
    if in_flight(record) or dirty:
        return
    changed = tree.repo.dirty(names)
    if changed and not _half_restored(record, tree, changed):
        raise StartRefused(
            f"{', '.join(changed)} in {record.paths.root} differs from the last commit. Commit it, take it back"
            f" (git -C {record.paths.root} checkout -- {' '.join(changed)}), or let the session go on from it:"
            " overnight start --dirty"
        )


def _half_restored(record: Record, tree: Tree, changed: list[str]) -> bool:
    """Whether these files hold a champion's text: what a kill in the middle of a restoration leaves, and no edit."""
    segment = record.state.segment
    if segment is None:
        return False
    runs = {run for decision in record.state.decisions[-4:] for run in decision.before} | set(segment.line)
    commits = {record.state.experiments[run - 1].commit for run in runs} - {""}
    return any(all(tree.text(n) == tree.repo.text_at(commit, n) for n in changed) for commit in commits)


def check_log(record: Record, tree: Tree) -> None:
    """Refuse a public log that is not this journal's, as one of a loop by hand. Errors: StartRefused."""
    number = Projection(record, tree).foreign()
    if number:
        path = record.paths.public_log
        raise StartRefused(
            f"{path}, line {number}: not of this session's journal, from which this log is written; runs would be"
            f" numbered twice. Move the file away (mv {path.name} {path.stem}.mine.jsonl), then start: what the journal"
            " knows is written anew"
        )


def _held(tree: Tree, name: str) -> bool:
    return tree.repo.text_at(tree.repo.head(), name) is not None


def _editable(record: Record, settings: Settings) -> list[str]:
    segment = record.state.segment
    names = list(segment.editable) if segment else []
    return names + [name for name in settings.scope.editable if name not in names]


def in_flight(record: Record) -> bool:
    """Whether the journal shows a change that may be in the tree without a verdict."""
    current = record.state.current
    return current is not None and current.phase in ("accepted", "committed", "decided")


def take_dirt(record: Record, tree: Tree, settings: Settings) -> None:
    """`--dirty`: the operator's edit becomes a commit, and with it a new segment's start. Safe to repeat."""
    names = _editable(record, settings)
    changed = tree.repo.dirty(names)
    if not changed or in_flight(record):
        return
    ref = tree.repo.rescue(changed, "the operator's edit, taken by --dirty") or ""
    commit = tree.commit_rest("the operator's edit of " + ", ".join(changed), [], tuple(changed))
    record.write(ev.DirtTaken(at=time.time(), commit=commit or tree.repo.head(), ref=ref))


def mend(record: Record, tree: Tree) -> None:
    """Set right the work tree of a change that a killed engine left open.

    A trial that cannot have ended is the core's to close, and a command that was claimed is the engine's to take in:
    both do so after a crash as at any time.
    """
    current, champion = record.state.current, record.state.champion
    if current is None:
        if champion is not None and tree.repo.dirty(list(record.state.segments[-1].editable)):
            tree.restore(champion.run, None)
        return
    if current.phase == "proposing" and not current.is_baseline and tree.moved():
        reason = "the session's files were changed before a change was proposed"
        record.write(ev.ProposalFailed(at=time.time(), run=current.run, reason=reason))
    if current.phase == "committed":
        segment = record.state.segments[-1]
        names = list(segment.editable)
        known = tuple(c for c in (current.commit, champion.commit if champion else "", record.state.head) if c)
        if tree.repo.dirty(names):
            tree.rescue("edits of the editable files found after the engine was killed", known)
            tree.put(current.commit)
