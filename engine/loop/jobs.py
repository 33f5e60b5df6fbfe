"""Queued work: the table of its kinds, and how the shell does one, from the command to the events of its end.

It never touches the session's tree: a run's files are laid out in jobs/ID/tree, which goes when the work is done.
"""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from engine.loop.training import Training
from engine.loop.tree import SESSION_FILES, Tree
from engine.session import events as ev
from engine.session.settings import Settings
from engine.session.state import State
from engine.work import sandbox
from engine.work.benchmark import Confine
from engine.work.jobs import find_lr, profiling, rerun, sampling, verification
from engine.work.jobs.job import Done, Kind, Order, Place, Refused
from engine.work.leash import LeashError
from engine.work.plumbing import GitTrouble
from engine.work.worktree import place, read_file, remove_file, write_file

__all__ = ["KINDS", "Begun", "Refused", "begin", "ended"]

KINDS: dict[str, Kind] = {
    "rerun": rerun.KIND,
    "profile": profiling.KIND,
    "find-lr": find_lr.KIND,
    "sample": sampling.KIND,
    "verify": verification.KIND,
}
"""By the command's kind; the same names as `engine.session.inbox.JOBS`."""

DIRTY_PATCH = "dirty.patch"
TREE = "tree"


class Begun(msgspec.Struct):
    """Work that is laid out: write `event`, then call `run` in the worker's thread, then `ended`."""

    event: ev.JobBegan
    run: Callable[[], Done]


def begin(state: State, command: str, tree: Tree, training: Training, settings: Settings) -> Begun:
    """Check it once more and lay the run's files out. Errors: Refused, with nothing left behind."""
    asked = state.commands[command]
    kind = KINDS[asked.kind]
    experiment = kind.check(state, asked.args)
    segment = state.segments[experiment.segment]
    order = Order(command, asked.args, msgspec.structs.replace(experiment), segment, settings)
    folder = tree.paths.job(command)
    _clear(tree.paths.jobs)
    try:
        dirt = _dirt(tree, order) if kind.clean else []
        folder.mkdir(parents=True, exist_ok=True)
        tree.repo.export(experiment.commit, folder / TREE)
        if dirt:
            _lay_over(tree, folder, dirt)
    except (GitTrouble, OSError) as error:
        _clear(tree.paths.jobs)
        raise Refused(f"run {experiment.run}'s files cannot be laid out: {error}") from error
    where = Place(
        folder=folder,
        tree=folder / TREE,
        weights=tree.paths.weights / f"{experiment.run:04d}.pt",
        environment=functools.partial(training.job_environment, command, experiment.run),
        confine=_confine(folder / TREE, tree.paths.root, training, order),
        hold=training.hold,
    )
    try:
        kind.ready(order, where)
    except Refused:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    seed = kind.seed(experiment, segment, asked.args)
    event = ev.JobBegan(at=time.time(), command=command, kind=asked.kind, run=experiment.run, seed=seed)
    return Begun(event, functools.partial(_run, kind, order, where, bool(dirt)))


def ended(state: State, done: Done, signal: str = "") -> list[ev.AnyEvent]:
    """The events that end the job under way. `signal`: which one ended the engine meanwhile."""
    job, now = state.job, time.time()
    assert job is not None
    if done.outcome == "aborted":
        why = f"aborted by {job.abort}" if job.abort else f"interrupted: the engine was ended by {signal or 'a stop'}"
        done = msgspec.structs.replace(done, outcome="aborted" if job.abort else "interrupted", detail=why, answer="")
    end: ev.AnyEvent = ev.CommandDone(at=now, id=job.command, answer=done.answer)
    if not done.answer:
        end = ev.CommandRefused(at=now, id=job.command, reason=done.detail or f"the {job.kind} found nothing out")
    return [
        ev.JobEnded(
            at=now,
            command=job.command,
            kind=job.kind,
            run=job.run,
            outcome=done.outcome,
            detail=done.detail,
            metric=done.metric,
            metrics=done.metrics,
            files=done.files,
            duration_s=done.duration_s,
        ),
        end,
    ]


def _run(kind: Kind, order: Order, where: Place, dirty: bool) -> Done:
    """In the worker's thread. What goes wrong is the job's end, never the engine's."""
    began = time.monotonic()
    try:
        done = kind.run(order, where)
    except (LeashError, OSError, msgspec.DecodeError, ValueError) as error:
        done = Done(outcome="crash", detail=f"it could not be carried out: {error}")
    shutil.rmtree(where.tree, ignore_errors=True)
    files = (*done.files, DIRTY_PATCH) if dirty else done.files
    took = done.duration_s or round(time.monotonic() - began, 3)
    return msgspec.structs.replace(done, files=files, duration_s=took)


def _dirt(tree: Tree, order: Order) -> list[str]:
    """Uncommitted files that a run would read, where the command takes them along. Errors: Refused, GitTrouble."""
    about = {name for name in SESSION_FILES if name not in order.segment.pinned}
    changed = [name for name in tree.repo.changed_files() if name not in about and not name.startswith(("hooks/", "."))]
    changed = [name for name in changed if name != tree.paths.document.name]
    if not changed:
        return []
    names = ", ".join(changed)
    if order.args.get("dirty") != "true":
        raise Refused(
            f"{names} in {tree.paths.root} differs from the last commit, so it is not clear what would be measured:"
            " commit it, take it back, or measure with it: --dirty (the difference is recorded)"
        )
    commit, head = order.experiment.commit, tree.repo.head()
    other = [name for name in changed if tree.repo.text_at(commit, name) != tree.repo.text_at(head, name)]
    if other:
        raise Refused(
            f"the uncommitted edit of {', '.join(other)} was made to another text than run {order.experiment.run}'s:"
            " commit it or take it back"
        )
    return changed


def _lay_over(tree: Tree, folder: Path, names: Sequence[str]) -> None:
    """Put the work tree's texts of `names` into the laid out files, and record the difference."""
    patch = tree.repo.uncommitted(names)
    (folder / DIRTY_PATCH).write_text(patch, encoding="utf-8", errors="surrogateescape")
    for name in names:
        found = read_file(tree.paths.root, name)
        if found is None:
            remove_file(folder / TREE, name)
        else:
            place(folder / TREE, name).parent.mkdir(parents=True, exist_ok=True)
            write_file(folder / TREE, name, found[1], found[0])


def _confine(
    laid_out: Path, session: Path, training: Training, order: Order
) -> Callable[[Sequence[Path], Sequence[Path]], Confine]:
    segment = order.segment

    def confine(writable: Sequence[Path], readable: Sequence[Path]) -> Confine:
        return functools.partial(
            sandbox.wrap,
            kind="train",
            session=laid_out,
            setting=order.settings.guard.sandbox,
            device=training.device,
            writable=writable,
            readable=[session, *readable],
            pinned=(*segment.editable, *segment.pinned),
            strict=sandbox.is_template(laid_out, segment.run.command),
        )

    return confine


def _clear(jobs: Path) -> None:
    """Remove what a killed engine left laid out."""
    for left in jobs.glob(f"*/{TREE}"):
        shutil.rmtree(left, ignore_errors=True)
