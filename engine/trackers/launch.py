"""Starting the mirror beside an engine: a process of its own, which no slow network can make the loop wait for."""

import os
import subprocess
import sys

from engine.session.paths import SessionPaths
from engine.session.settings import Mirror
from engine.trackers.mirroring import folder
from engine.trackers.tracker import missing

LOG = "mirror.log"
LOG_BYTES = 1 << 20


def start(paths: SessionPaths, settings: Mirror) -> list[str]:
    """Start it where the settings name a tracker; what the operator should know, a sentence each."""
    if not settings.trackio and not settings.wandb:
        return []
    told = missing(settings)
    try:
        place = folder(paths)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = place / LOG
        large = log.exists() and log.stat().st_size > LOG_BYTES
        with log.open("wb" if large else "ab") as out:
            subprocess.Popen(
                [sys.executable, "-m", "engine.trackers", str(paths.root)],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, "PYTHONSAFEPATH": "1", "CUDA_VISIBLE_DEVICES": ""},
            )
    except OSError as error:
        told.append(f"the mirror could not be started: {error}; overnight mirror brings it up to date later")
    return told
