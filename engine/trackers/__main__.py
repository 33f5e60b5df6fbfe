"""`python -m engine.trackers SESSION`: follows a session while it has an engine, then delivers the rest and goes."""

import sys
import time
from pathlib import Path

from engine.session import settings
from engine.session.journal import JournalError
from engine.session.locking import Held, Lock, engine_of
from engine.session.paths import SessionPaths
from engine.session.settings import SettingsError
from engine.trackers.mirroring import Mirror, folder
from engine.trackers.tracker import chosen

LOOK_S, FIRST_S, MOST_S = 5.0, 5.0, 300.0
"""How often the journal is looked at; the wait after a failure, and where its doubling ends."""
TRIES = 3
"""How often it tries again once the engine has gone; what is left then goes with the next engine, or by hand."""


def main(root: Path) -> int:
    """Follow the session in `root`. Another mirror at work there already: nothing to do."""
    paths = SessionPaths(root)
    try:
        with Lock(folder(paths) / "lock", "mirror", kind="hand"):
            return _follow(paths)
    except Held:
        return 0


def _follow(paths: SessionPaths) -> int:
    mirror: Mirror | None = None
    known, pause, tries = settings.Mirror(), 0.0, 0
    while True:
        alone = engine_of(paths.lock) is None  # looked at first: what its last moments wrote is still delivered
        wrong: list[str] = []
        try:
            wanted = settings.load(paths.settings).mirror
            if mirror is None or wanted != known:
                mirror, known = Mirror(paths, chosen(wanted, folder(paths))), wanted
            wrong = mirror.bring()
        except SettingsError:
            pass  # the engine has told of it; the settings before go on
        except (JournalError, OSError) as error:
            wrong = [str(error)]
        for text in wrong:
            print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)
        if alone and not tries:
            pause = 0.0  # a night's long waits are over: whoever asks by hand would wait for them
        pause = min(MOST_S, max(FIRST_S, pause * 2)) if wrong else 0.0
        tries = tries + 1 if alone and wrong else 0
        if alone and (not wrong or tries >= TRIES):
            return 1 if wrong else 0
        _rest(paths, pause or LOOK_S)


def _rest(paths: SessionPaths, seconds: float) -> None:
    """Wait, but not on when the engine goes."""
    until = time.monotonic() + seconds
    was = engine_of(paths.lock) is not None
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(LOOK_S, left))
        if was and engine_of(paths.lock) is None:
            return


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
