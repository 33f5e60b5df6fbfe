"""The environment of a trial: the one place that says which variables a benchmark gets and why.

On the CPU these decide both speed and repeatability. glibc's malloc, left alone, gives every large block back to the
kernel and halves the speed; threads that spin while they wait cost a factor of ten beside a busy program; and the
order of sums, thus the last digit of the metric, follows the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from engine.session.cookie import COOKIE

CPU_THREADS = 2
"""Pinned, not the machine's count: the same commit and seed must give the same number on any machine."""

CPU: Mapping[str, str] = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "OMP_WAIT_POLICY": "PASSIVE",
    "OMP_NUM_THREADS": str(CPU_THREADS),
    "MKL_NUM_THREADS": str(CPU_THREADS),
    "OPENBLAS_NUM_THREADS": str(CPU_THREADS),
    "OMP_DYNAMIC": "FALSE",
    "MKL_DYNAMIC": "FALSE",
    "CUDA_VISIBLE_DEVICES": "",
}
ALWAYS: Mapping[str, str] = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONHASHSEED": "0"}
"""Progress reaches run.log as it happens, whatever the locale; sets of texts have one order."""

FORCED = ("OVERNIGHT_VRAM_MB", "OVERNIGHT_ATTENTION", "OVERNIGHT_DTYPE")
"""Of the shell's own variables those that are passed on, how a GPU is used: the most memory of it that train.py may
take, in MiB; its attention; the precision that it computes in."""
FOREIGN_GIT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_CEILING_DIRECTORIES")


def cache_folder(base: Mapping[str, str] | None = None) -> Path:
    """Where data and tokenizers lie: OVERNIGHT_CACHE, else $XDG_CACHE_HOME/overnight, else ~/.cache/overnight."""
    base = os.environ if base is None else base
    if named := base.get("OVERNIGHT_CACHE"):
        return Path(named).expanduser().absolute()
    root = base.get("XDG_CACHE_HOME") or ""
    return (Path(root) if root.startswith("/") else Path(base.get("HOME") or Path.home()) / ".cache") / "overnight"


def trial_environment(
    base: Mapping[str, str],
    *,
    python: str,
    seed: int,
    budget: str = "",
    cookie: str,
    run: int,
    cpu: bool,
    device: str = "",
) -> dict[str, str]:
    """The whole environment of one trial, made from the engine's own (`base`).

    `python`: the interpreter for train.py. `budget`: a number in the template's unit, "" = prepare.py's own. `cpu`:
    train on the CPU even where there is a GPU. `device`: the UUID of the GPU to use; "" leaves the choice as it was.
    Variables that would change what Python or git do (PYTHONPATH, PYTHONSTARTUP, GIT_DIR, …) and an outer trial's own
    variables are left out: a trial must not depend on the shell that the engine was started from.
    """
    environment = {
        name: value
        for name, value in base.items()
        if not name.startswith(("PYTHON", "OVERNIGHT_", "LC_")) and name not in FOREIGN_GIT and name != "LANGUAGE"
    }
    environment.update(ALWAYS)
    environment.update(
        {
            "OVERNIGHT_PYTHON": python,
            "OVERNIGHT_SEED": str(seed),
            "OVERNIGHT_RUN": str(run),
            "OVERNIGHT_CACHE": str(cache_folder(base)),
            COOKIE: cookie,
            "LC_ALL": "C.UTF-8",  # awk and printf in a benchmark script write 0.99, not 0,99
        }
    )
    if budget:
        environment["OVERNIGHT_BUDGET"] = budget
    if cpu:
        environment.update(CPU)
    elif device:
        environment["OVERNIGHT_DEVICE"] = "cuda"  # train.py fails rather than train on the CPU when it finds no GPU
        environment.update({name: base[name] for name in FORCED if base.get(name)})
        environment["CUDA_VISIBLE_DEVICES"] = device
        environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    return environment
