"""The first start of a session on a GPU: the largest configuration of its tier that fits, found and written down."""

from __future__ import annotations

import functools
import queue
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from engine.gpu.sampler import Sampler
from engine.gpu.samples import GpuSample, device_of
from engine.loop.training import Training
from engine.loop.tree import Tree
from engine.session import events as ev
from engine.session.paths import SessionPaths
from engine.session.settings import Settings
from engine.session.state import State
from engine.work import fitting, sandbox

ALREADY_MB = 2048
"""What is in use before the search above this is told with its result: others were there when it was found."""


class Fitting:
    """`wanted` False, or a session that trains on the CPU: nothing is ever due."""

    def __init__(self, tree: Tree, training: Training, wanted: bool = True) -> None:
        self._tree, self._training, self._wanted = tree, training, wanted
        self._paths: SessionPaths = tree.paths
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()

    def due(self, state: State) -> bool:
        """Whether the search is to be made before the first segment opens."""
        if not self._wanted or not self._training.device or state.segments or state.fitted:
            return False
        return fitting.can_be_fitted(self._paths.root)

    def news(self) -> list[ev.AnyEvent]:
        """What the search has come to since the last call; for the engine's own thread."""
        found: list[ev.AnyEvent] = []
        while not self._news.empty():
            found.append(ev.Delayed(at=time.time(), text=self._news.get()))
        return found

    def work(self, settings: Settings) -> Callable[[], list[ev.AnyEvent]]:
        """Search, in the worker's thread. What it returns writes the result into the session's files and commits it,
        on the engine's thread; its events. Nothing is changed when the search was ended from outside."""
        before = self._device()
        try:
            largest, total = fitting.start_of(self._paths.root)
            found, looks = self._search(largest, total, settings)
        except fitting.FitError as error:
            if self._training.ended:
                return list
            why, self._wanted = str(error), False
            return lambda: [ev.Trouble(at=time.time(), text=_not_tried(why))]
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        if found is None:
            smallest = fitting.order(largest, total)[-1]
            why = f"nothing of this tier fits the GPU, not even {smallest}: {looks[-1].why}"
            return lambda: [ev.PauseSet(at=time.time(), paused=True, by="engine", reason=f"{why}. Then resume")]
        return lambda: [self._write(found, largest, looks, before)]

    def _search(
        self, largest: fitting.Configuration, total: int, settings: Settings
    ) -> tuple[fitting.Configuration | None, list[fitting.Look]]:
        looks: list[fitting.Look] = []
        searching = fitting.search(fitting.order(largest, total))
        wanted = next(searching)
        while True:
            self._news.put(f"finding what fits the GPU, try {len(looks) + 1}: {wanted}")
            looks.append(self._look(wanted, settings))
            try:
                wanted = searching.send(looks[-1].fits)
            except StopIteration as ended:
                return ended.value, looks

    def _look(self, wanted: fitting.Configuration, settings: Settings) -> fitting.Look:
        self._folder.mkdir(parents=True, exist_ok=True)
        confine = functools.partial(
            sandbox.wrap,
            kind="train",
            session=self._paths.root,
            setting=settings.guard.sandbox,
            device=self._training.device,
            writable=[self._folder],
            cwd=self._folder,
            strict=True,
        )
        return fitting.look(
            self._paths.root,
            self._folder,
            wanted,
            environment=self._training.job_environment("fit", 0, settings.run.seed, ""),
            confine=confine,
            hold=self._training.hold,
        )

    def _write(
        self,
        found: fitting.Configuration,
        largest: fitting.Configuration,
        looks: list[fitting.Look],
        before: GpuSample | None,
    ) -> ev.AnyEvent:
        root = self._paths.root
        changed = {key: pair for constants in fitting.changes(root, found).values() for key, pair in constants.items()}
        peak = max((look.peak_mb for look in looks if look.fits and look.peak_mb is not None), default=None)
        text, commit = _told(found, largest, changed, peak, before, len(looks)), ""
        new = fitting.texts(root, found)
        if new:
            for name, source in new.items():
                self._tree.repo.write({name: source})
            commit = self._tree.commit_rest(f"fit the GPU: {found}", [], tuple(new)) or ""
        return ev.Fitted(at=time.time(), text=text, changed=changed, peak_vram_mb=peak, commit=commit)

    @property
    def _folder(self) -> Path:
        return self._paths.private / "fit"

    def _device(self) -> GpuSample | None:
        sampler = Sampler()
        try:
            return device_of(sampler.sample().gpus, self._training.device)
        finally:
            sampler.close()


def _not_tried(why: str) -> str:
    return f"what fits the GPU could not be looked for: {why}. The session goes on with its tier's constants"


def _told(
    found: fitting.Configuration,
    largest: fitting.Configuration,
    changed: dict[str, tuple[str, str]],
    peak_mb: float | None,
    before: GpuSample | None,
    tries: int,
) -> str:
    total = f" of {before.total_mb / 1024:.1f}" if before is not None and before.total_mb else ""
    peak = "" if peak_mb is None else f", peak {peak_mb / 1024:.1f}{total} GiB"
    if changed:
        values = ", ".join(f"{name} {old} → {new}" for name, (old, new) in changed.items())
        text = f"{largest} does not fit the GPU; {found} does{peak} ({tries} tries). Written into the session: {values}"
    else:
        text = f"{found} fits the GPU{peak}"
    if before is not None and (before.used_mb or 0) > ALREADY_MB:
        text += f". Others held {(before.used_mb or 0) / 1024:.1f} GiB meanwhile"
    return text
