"""The console on a pty, as an SSH line would see it: first paint, memory, bytes on the line, processor, latencies.

Reference for the first paint, in the same run: a minimal Textual app. The session has 10,000 experiments and its
run.log 1 GB.
"""

import itertools
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from engine.session import events as ev
from engine.session.savedfold import path_of
from tests.bench.grid import Grid
from tests.bench.longsession import Bulk, Writer, long_log, long_session
from tests.bench.ptyrun import PtyRun

EXPERIMENTS = 10_000
LOG_BYTES = 1_000_000_000
REPEATS = 7
NEWEST = "the newest change"
MINIMAL = [sys.executable, "-m", "tests.bench.minimal_app"]
_TRIES = 3
_NUMBER = re.compile(r"#(\d{4,9})#")


def console(recording: Bulk) -> list[str]:
    """The console's command line for the recording."""
    return [sys.executable, "-P", "-m", "tui", "attach", str(recording.paths.root)]


def first_paint(command: list[str], columns: int, rows: int) -> float:
    """Seconds from the start of the process until the newest experiment is on the screen.

    A start that paints nothing of it (seen of the reference) is told and tried again. Errors: TimeoutError.
    """
    for left in reversed(range(_TRIES)):
        run = PtyRun(command, columns, rows)
        try:
            return run.wait_for(NEWEST, 60.0 if not left else 15.0) - run.began
        except TimeoutError:
            if not left:
                raise
            print(f"{' '.join(command[1:4])} at {columns}×{rows} painted {run.total} bytes without its text; again")
        finally:
            run.close()
    raise AssertionError("unreachable")


def paints(recording: Bulk) -> None:
    """First paint, against the reference, alternating."""
    path_of(recording.paths.journal).unlink(missing_ok=True)
    cold = first_paint(console(recording), 80, 24)
    run = PtyRun(console(recording))
    run.wait_for(NEWEST)
    run.press("q")
    run.wait_for("overnight start")
    run.close()
    for columns, rows in ((80, 24), (200, 50)):
        ours, theirs = [], []
        for _ in range(REPEATS):
            ours.append(first_paint(console(recording), columns, rows))
            theirs.append(first_paint(MINIMAL, columns, rows))
        one, other = statistics.median(ours), statistics.median(theirs)
        print(
            f"first paint {columns}×{rows}: {one * 1000:.0f} ms, a minimal Textual app {other * 1000:.0f} ms:"
            f" {one / other:.2f}× (aim: at most 1.5)"
        )
    print(f"first paint without a saved fold: {cold * 1000:.0f} ms")


def memory_without_fold(recording: Bulk) -> None:
    """Memory where the journal had to be folded from its start."""
    path_of(recording.paths.journal).unlink(missing_ok=True)
    run = PtyRun(console(recording), 200, 50)
    run.wait_for(NEWEST)
    time.sleep(8.0)
    print(f"memory without a saved fold, 200×50: {run.rss_mb():.0f} MB (aim: at most 90)")
    run.close()


def operating(recording: Bulk) -> None:
    """Bytes that keys cost, the run at rest."""
    for columns, rows in ((80, 24), (200, 50)):
        run = PtyRun(console(recording), columns, rows)
        run.wait_for(NEWEST)
        time.sleep(4.0)
        costs = []
        for what, key in (("start", ""), ("next pane", "\t"), ("row up", "k"), ("page up", "\x1b[5~"), ("zoom", "z")):
            before = run.total if key else 0
            run.press(key)
            time.sleep(1.5)
            costs.append(f"{what} {run.total - before:,}")
        print(f"bytes {columns}×{rows}: {', '.join(costs)}")
        run.close()


def idle(recording: Bulk) -> None:
    """Memory, and what an idle console costs."""
    for columns, rows in ((80, 24), (200, 50)):
        run = PtyRun(console(recording), columns, rows)
        run.wait_for(NEWEST)
        time.sleep(8.0)  # until the rate of the first paint has left the status line
        rate, cpu = run.over(20.0)
        print(
            f"idle {columns}×{rows}: {rate:.0f} B/s (aim: 0), {cpu:.2f}% of a core (aim: at most 0.5),"
            f" {run.rss_mb():.0f} MB (aim: at most 90)"
        )
        run.close()


def training(recording: Bulk) -> None:
    """Bytes a second while a run trains."""

    def step(count: int) -> str:
        done = f"step {count:05d} ({count / 4:.1f}%) | loss: {3.2 + 6 / (1 + count):.6f} | lrm: 1.00"
        speed = f"dt: 37{count % 10}ms | tok/sec: 1,394,0{count % 10}2 | mfu: 39.8%"
        return f"{done} | {speed} | epoch: 1 | remaining: {400 - count}s\r"

    aims = (((80, 24), "", 4000), ((80, 24), "2", 4000), ((200, 50), "", 12000), ((200, 50), "L", 500))
    for (columns, rows), keys, aim in aims:
        recording.paths.run_log.write_text("compiling the model\n")
        writer = Writer(recording.paths.run_log, 1.0, step)
        writer.start()
        run = PtyRun(console(recording), columns, rows)
        run.wait_for("training")
        run.press(keys)
        time.sleep(12.0 if keys == "L" else 8.0)
        rate, cpu = run.over(30.0 if keys == "L" else 15.0)
        mode = {"": "", "2": ", run.log in front", "L": ", slow link"}[keys]
        print(f"training {columns}×{rows}{mode}: {rate:.0f} B/s (aim: at most {aim}), {cpu:.1f}% of a core")
        run.close()
        writer.stop()


def firehose(recording: Bulk) -> None:
    """A log of 10,000 lines a second: processor, how old the newest line on the screen gets, keys."""
    shown: list[tuple[float, int]] = []

    grid = Grid(80, 24)

    def seen(now: float, data: bytes) -> None:
        grid.feed(data)
        if found := _NUMBER.findall("\n".join(grid.lines)):
            shown.append((now, max(map(int, found))))

    def hundred(count: int) -> str:
        return "".join(f"#{count * 100 + line:07d}# some output of the training script\n" for line in range(100))

    recording.paths.run_log.write_text("compiling the model\n")
    writer = Writer(recording.paths.run_log, 0.01, hundred)
    writer.start()
    run = PtyRun(console(recording), 80, 24, seen)
    run.wait_for("training")
    run.press("2")
    time.sleep(3.0)
    shown.clear()
    lines = len(writer.wrote)
    rate, cpu = run.over(15.0)
    pace = (len(writer.wrote) - lines) * 100 / 15
    # Just before a paint the screen is at its oldest: the line after the one shown has waited since it was written.
    ages = sorted(
        later - writer.wrote[min(number // 100 + 1, len(writer.wrote) - 1)]
        for (_, number), (later, newer) in itertools.pairwise(shown)
        if newer > number
    )
    print(
        f"run.log growing by {pace:,.0f} lines/s: {cpu:.1f}% of a core (aim: at most 20), {rate:,.0f} B/s; a line is"
        f" on the screen within {statistics.median(ages) * 1000:.0f} ms, at worst {ages[-1] * 1000:.0f} (aim: 500)"
    )
    waits = []
    for press in range(100):
        time.sleep(0.05 + press % 7 * 0.02)
        run.forget()
        pressed = time.perf_counter()
        run.press("1" if press % 2 == 0 else "2")
        waits.append(run.wait_for("VRAM" if press % 2 == 0 else "following") - pressed)
    waits.sort()
    print(f"key to repaint meanwhile: median {waits[50] * 1000:.0f} ms, p99 {waits[98] * 1000:.0f} (aim: at most 100)")
    run.close()
    writer.stop()


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        recording = long_session(Path(folder), EXPERIMENTS)
        long_log(recording.paths.run_log, LOG_BYTES)
        paints(recording)
        idle(recording)
        operating(recording)
        memory_without_fold(recording)
        recording.write(ev.EngineStarted(at=recording.tick(), pid=1, host="box", start_id="start-1"))
        run = recording.begin("the run under way")
        recording.at = time.time() - 3600
        recording.train(run)
        recording.flush()
        recording.hold()
        training(recording)
        firehose(recording)
        recording.let_go()


if __name__ == "__main__":
    main()
