"""overnight.toml while an engine runs: an edit of it is taken in between experiments, a broken one is told once."""

import time

from engine.loop.record import Record
from engine.session import events as ev
from engine.session import settings
from engine.session.settings import Settings, SettingsError


class Rereading:
    """Remembers what the file looked like when it was read last."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._seen = self._stamp()

    def _stamp(self) -> tuple[int, int]:
        try:
            stat = self._record.paths.settings.stat()
        except OSError:
            return (0, -1)
        return (stat.st_mtime_ns, stat.st_size)

    def now(self, current: Settings, by_hand: bool = True) -> Settings:
        """The settings in force: those of the file where it changed and can be read, else `current`."""
        state, stamp = self._record.state, self._stamp()
        if stamp == self._seen or (state.current is not None and not state.paused):
            return current
        self._seen = stamp
        try:
            found = settings.load(self._record.paths.settings)
        except SettingsError as error:
            self._record.write(ev.Trouble(at=time.time(), text=f"{error}; the settings before it stay in force"))
            return current
        changed = settings.differences(current, found)
        if changed and by_hand:  # or by a run: nobody else says so
            text = f"overnight.toml was changed by hand: {', '.join(changed)}"
            self._record.write(ev.Trouble(at=time.time(), text=text))
        return found
