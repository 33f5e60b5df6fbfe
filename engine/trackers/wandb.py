"""Weights & Biases: every record is written as an offline run first, then sent by `wandb sync`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from engine.trackers.record import LOSS, Record
from engine.trackers.tracker import TrackerTrouble, sent

_SENT = ".synced"
"""The suffix of the mark that `wandb sync` leaves beside what it sent."""


class Wandb:
    """`target` is "project" or "entity/project"; `offline`: nothing is sent, `wandb sync` by hand does it later."""

    name = "wandb"

    def __init__(self, target: str, folder: Path, offline: bool, push_s: float) -> None:
        self.target, self._folder, self._push_s = target, folder, push_s
        self._offline = offline or os.environ.get("WANDB_MODE") in ("offline", "disabled", "dryrun")
        entity, _, project = target.rpartition("/")
        self._entity, self._project = entity or None, project

    def put(self, record: Record) -> None:
        """As an offline run in the session's private folder. Errors: TrackerTrouble."""
        try:
            import wandb
        except ImportError as error:
            raise TrackerTrouble(f'wandb cannot be used ({error}); pip install "overnight[wandb]"') from error
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for old in self.runs(record.id):
                shutil.rmtree(old)
            run = wandb.init(
                entity=self._entity,
                project=self._project,
                id=record.id,
                name=record.name,
                group=record.group,
                config=dict(record.config),
                mode="offline",
                resume="allow",
                dir=str(self._folder),
                settings=wandb.Settings(
                    silent=True,
                    console="off",
                    save_code=False,
                    disable_git=True,
                    x_disable_stats=True,
                    x_disable_machine_info=True,
                ),
            )
            for step, loss in record.history:
                run.log({LOSS: loss}, step=step)
            run.summary.update(dict(record.summary))
            run.finish()
        except Exception as error:  # whatever a library of others raises: it is told, and tried again
            raise TrackerTrouble(f"wandb: {type(error).__name__}: {error}") from error

    def push(self) -> None:
        """By `wandb sync`, a run at a time. Errors: TrackerTrouble."""
        if self._offline:
            return
        for folder in self.runs():
            if not self._sent(folder):
                sent(
                    [sys.executable, "-m", "wandb", "sync", str(folder)], self._push_s, {"WANDB_DIR": str(self._folder)}
                )
                if not self._sent(folder):
                    raise TrackerTrouble(f"wandb sync left {folder.name} unsent and did not say why")

    def _sent(self, folder: Path) -> bool:
        """Whether `wandb sync` has marked it; a folder without a run in it has nothing to send."""
        files = list(folder.glob("run-*.wandb"))
        return not files or any(file.with_name(file.name + _SENT).exists() for file in files)

    def runs(self, id: str = "*") -> list[Path]:
        """The folders of what is written, the oldest first."""
        return sorted((self._folder / "wandb").glob(f"offline-run-*-{id}"))
