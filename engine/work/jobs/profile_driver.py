"""Profiles a train.py that knows nothing of it: `python -P profile_driver.py TRAIN_PY STEPS FOLDER`, in the session.

It runs train.py as it is, with `prepare.training_batches` wrapped (its data marked, each training step told to the
profiler) and backward passes marked. After a warm-up it records STEPS steps, ends the run, and leaves in FOLDER
`trace.json.gz` (chrome trace) and `profile.json` (the split and the costliest operations).

It stands alone, importing nothing of overnight.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import runpy
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.profiler import ProfilerActivity, profile, record_function, schedule

ON_GPU = torch.cuda.is_available()
WARM_UP = 15 if ON_GPU else 3
"""Steps before the recorded ones: compiling, growing caches."""
TOP = 10


class Finished(BaseException):
    """Enough steps are recorded. No `except Exception` of train.py's stops it."""


class Steps:
    """Tells the profiler where a training step begins: at the first batch or backward after the optimizer moved."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._moved = self._seen = False
        self._tokens = 0

    def moved(self, *_: Any) -> None:
        """An optimizer has stepped."""
        self._moved = self._seen = True

    def before(self, total: object) -> None:
        """Something of a step begins. `total`: tokens of a whole step, for optimizers that call no hooks."""
        whole = isinstance(total, int) and self._tokens >= total > 0
        if self._moved or (not self._seen and whole):
            self._moved, self._tokens = False, 0
            self._tick()

    def fed(self, batch: Any) -> None:
        """A batch was handed out."""
        first = batch[0] if isinstance(batch, tuple) and batch else None
        self._tokens += first.numel() if isinstance(first, torch.Tensor) else 0


class Marked:
    """An iterator of batches whose every wait is a range of the trace."""

    def __init__(self, batches: Iterator[Any], steps: Steps) -> None:
        self._batches, self._steps = batches, steps

    def __iter__(self) -> Marked:
        return self

    def __next__(self) -> Any:
        if threading.current_thread() is not threading.main_thread():
            return next(self._batches)
        self._steps.before(sys._getframe(1).f_globals.get("TOTAL_BATCH_SIZE"))
        with record_function("overnight::data"):
            batch = next(self._batches)
        self._steps.fed(batch)
        return batch


def main(train: Path, count: int, folder: Path) -> None:
    """Profile, and leave the two files. Exit 1 with a sentence where that cannot be."""
    sys.path.insert(0, str(train.parent))
    sys.argv = [str(train)]
    import prepare  # type: ignore[import-not-found]

    if not hasattr(prepare, "training_batches"):
        sys.exit("prepare.py has no training_batches, so it cannot be told where a step begins")
    trace = folder / "trace.json.gz"
    saved: list[Any] = []

    def save(found: Any) -> None:
        found.export_chrome_trace(str(trace))
        saved.append(found.key_averages())

    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if ON_GPU else [])]
    plan = schedule(wait=WARM_UP - 1, warmup=1, active=count, repeat=1)
    watched = profile(activities=activities, schedule=plan, on_trace_ready=save)

    def tick() -> None:
        watched.step()
        if saved:
            raise Finished

    steps = Steps(tick)
    given, backward = prepare.training_batches, torch.autograd.backward
    prepare.training_batches = lambda *args, **more: Marked(given(*args, **more), steps)

    def marked_backward(*args: Any, **more: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            steps.before(None)
        with record_function("overnight::backward"):
            return backward(*args, **more)

    torch.autograd.backward = marked_backward
    register_optimizer_step_post_hook(steps.moved)
    watched.start()
    try:
        runpy.run_path(str(train), run_name="__main__")
    except Finished:
        pass
    if not saved:
        sys.exit(f"train.py ended before {WARM_UP} steps of warm-up and {count} more")
    print(f"\nprofiled {count} steps", flush=True)
    write(folder, trace, saved[0])


def write(folder: Path, trace: Path, averages: Any) -> None:
    """profile.json from the trace."""
    with gzip.open(trace, "rt", encoding="utf-8", errors="replace") as file:
        events = json.load(file)["traceEvents"]
    found = sibling("profile_split").split(events)
    if found is None:
        sys.exit("the profiler recorded no step")
    attribute = "self_device_time_total" if found.on_gpu else "self_cpu_time_total"
    costly = sorted(averages, key=lambda row: getattr(row, attribute), reverse=True)
    ours = ("overnight::", "ProfilerStep", "Optimizer.")
    top = [
        {"name": row.key[:120], "ms": getattr(row, attribute) / 1000 / found.steps, "count": row.count / found.steps}
        for row in costly
        if not row.key.startswith(ours) and getattr(row, attribute) > 0
    ][:TOP]
    document = {
        "device": torch.cuda.get_device_name() if found.on_gpu else "cpu",
        "on_gpu": found.on_gpu,
        "steps": found.steps,
        "step_ms": found.step_ms,
        "phases": found.phases,
        "data_wait_ms": found.wait_ms,
        "top": top,
    }
    temporary = folder / "profile.json.tmp"
    temporary.write_text(json.dumps(document), encoding="utf-8")
    temporary.rename(folder / "profile.json")


def sibling(name: str) -> ModuleType:
    """A module beside this file, whose folder is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
