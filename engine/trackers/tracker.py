"""What a tracker is to the mirror: `put` writes a record down on this machine, `push` sends what is written.

Only `push` uses the network, in a process that is ended when it takes too long; so nothing that is not sent is lost.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from engine.session.settings import Mirror
from engine.trackers.record import Record

PUSH_S = 300.0
_SAID = 300


class TrackerTrouble(Exception):
    """It did not work this time and is tried again. The message is for the operator."""


class Tracker(Protocol):
    """`name` as in the settings, `target` where it writes to: another target begins from the first experiment."""

    name: str
    target: str

    def put(self, record: Record) -> None:
        """Write it down, in place of an earlier one of the same id. Errors: TrackerTrouble."""

    def push(self) -> None:
        """Send what is written and not sent; nothing where the settings keep it here. Errors: TrackerTrouble."""


def chosen(settings: Mirror, folder: Path, push_s: float = PUSH_S) -> list[Tracker]:
    """The trackers that the settings name; `folder` is where those write that need one."""
    found: list[Tracker] = []
    if settings.trackio:
        from engine.trackers.trackio import Trackio

        found.append(Trackio(settings.trackio, "" if settings.offline else settings.trackio_space, push_s))
    if settings.wandb:
        from engine.trackers.wandb import Wandb

        found.append(Wandb(settings.wandb, folder / "wandb", settings.offline, push_s))
    return found


def missing(settings: Mirror) -> list[str]:
    """What to tell of trackers that are named and not installed, a sentence each."""
    wanted = [("trackio", settings.trackio), ("wandb", settings.wandb)]
    return [
        f'mirror.{name} = "{project}": {name} is not installed, nothing is mirrored there;'
        f' pip install "overnight[{name}]" and then overnight mirror'
        for name, project in wanted
        if project and find_spec(name) is None
    ]


def sent(argv: Sequence[str], limit_s: float, environment: Mapping[str, str] | None = None) -> None:
    """Run a program that sends, ended with all that it began when it takes longer. Errors: TrackerTrouble."""
    import signal

    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    ) as child:
        try:
            said, _ = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise TrackerTrouble(f"no answer within {limit_s:g} s; it is tried again") from None
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)  # it may have begun a service that outlives it
            except ProcessLookupError:
                pass
    if child.returncode:
        lines = said.decode("utf-8", "replace").strip().splitlines()
        raise TrackerTrouble((lines[-1] if lines else f"exit code {child.returncode}")[:_SAID])
