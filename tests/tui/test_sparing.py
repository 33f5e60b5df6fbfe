"""The console on a real pty: what the line carries when something changes, and when somebody comes back."""

import sys
import time
from pathlib import Path

from tests.bench.ptyrun import PtyRun
from tests.tui.recording import Recording

COLUMNS, ROWS = 200, 50


def at_rest(run: PtyRun, quiet_s: float = 1.5, limit_s: float = 60.0) -> int:
    """Bytes so far, once none have come for a while."""
    until, total, since = time.monotonic() + limit_s, run.total, time.monotonic()
    while time.monotonic() - since < quiet_s:
        assert time.monotonic() < until, "the screen never comes to rest"
        time.sleep(0.05)
        if run.total != total:
            total, since = run.total, time.monotonic()
    return total


def test_the_next_pane_costs_its_marks_and_coming_back_a_whole_screen(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(60)
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "TEXTUAL_ANIMATIONS": "none"}
    command = [sys.executable, "-m", "tui", "attach", "--read-only", str(recording.paths.root)]
    run = PtyRun(command, COLUMNS, ROWS, environ=environ)
    try:
        run.wait_for("READ-ONLY")
        run.wait_for("gain")
        painted = at_rest(run, 3.0)
        assert painted < 10 * COLUMNS * ROWS  # a cell and its colour, twice
        run.press("\t")
        assert 0 < at_rest(run) - painted < COLUMNS * ROWS // 2
        before = run.total
        run.press("\x1b[O\x1b[I")
        assert at_rest(run) - before > COLUMNS * ROWS
    finally:
        run.close()
