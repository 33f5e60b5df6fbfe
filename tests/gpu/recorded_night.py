"""A real session under the console, recorded: `python -m tests.gpu.recorded_night OUT [NAME] [--rehearse]`.

Makes a session, starts its engine as a daemon, attaches the console (headless), holds what its GPU pane says against
nvidia-smi, takes pictures, and packs what a console needs to open the session elsewhere (`tests.gpu.recording`).
Not collected by pytest. Needs torch, git and nvidia-smi; `--rehearse` does it on the CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from engine.session.paths import SessionPaths
from engine.session.state import State
from tests.gpu import recording
from tests.tui.piloting import screen_text, until
from tui.app import OvernightApp
from tui.loading import Loading
from tui.screens.sessions import SessionsScreen

SMI = "name,memory.used,memory.total,utilization.gpu,power.draw,power.limit,temperature.gpu,clocks.sm,clocks.mem"
LARGE, SMALL = (200, 50), (80, 24)
LOOK_S = 3.0
GPU = ["--tier", "4", "--set", "BUDGET=30", "--set", "EVAL_TOKENS=1048576"]
CPU = ["--tier", "cpu", "--set", "BUDGET=20", "--set", "EVAL_TOKENS=16384"]


def overnight(*words: str) -> str:
    """Run a verb as a user does; what it printed."""
    command = [sys.executable, "-m", "engine.cli.front", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    print(f"$ overnight {' '.join(words)}   [{done.returncode}]\n{done.stdout}{done.stderr}", flush=True)
    return done.stdout


def pane(app: OvernightApp) -> list[str]:
    """The GPU pane as it stands on the screen."""
    region, rows = app.main.gpu.region, screen_text(app).splitlines()
    return [row[region.x : region.right].rstrip() for row in rows[region.y : region.bottom]]


async def smi(gpu: int) -> list[str]:
    """The fields of `SMI` now; [] without the program."""
    try:
        asked = ["nvidia-smi", f"--id={gpu}", f"--query-gpu={SMI}", "--format=csv,noheader,nounits"]
        made = await asyncio.create_subprocess_exec(*asked, stdout=asyncio.subprocess.PIPE)
    except OSError:
        return []
    return [part.strip() for part in (await made.communicate())[0].decode().splitlines()[0].split(",")]


class Comparison:
    """What the pane said and what nvidia-smi said at the same moment."""

    def __init__(self, gpu: int) -> None:
        self.gpu = gpu
        self.rows: list[dict[str, float]] = []
        self.names: set[bool] = set()

    async def look(self, app: OvernightApp) -> None:
        """Compare once, right after a sample was painted."""
        before = app.view.snapshot
        for _ in range(100):
            await asyncio.sleep(0.02)
            if app.view.snapshot is not before:
                break
        app.repaint()
        await asyncio.sleep(0.05)
        text, said = "\n".join(pane(app)), await smi(self.gpu)
        memory = re.search(r"([\d.]+)/([\d.]+) GiB", text)
        load, power = re.search(r"load +(\d+)%", text), re.search(r"(\d+)/(\d+) W · (\d+) °C · (\d+)/(\d+) MHz", text)
        if not (said and memory and load and power):
            return
        self.names.add(said[0] in text)
        theirs = [float(part) for part in said[1:]]
        theirs[:2] = [theirs[0] / 1024, theirs[1] / 1024]
        ours = [float(part) for part in (*memory.groups(), load[1], *power.groups())]
        names = ("used_gib", "total_gib", "load", "watts", "limit", "celsius", "sm_mhz", "mem_mhz")
        self.rows.append(
            {
                f"{name} {who}": v
                for who, side in (("pane", ours), ("smi", theirs))
                for name, v in zip(names, side, strict=True)
            }
        )

    def told(self) -> str:
        """How far they were apart, and every row."""
        if not self.rows:
            return "nvidia-smi: nothing compared"
        names = [key.removesuffix(" pane") for key in self.rows[0] if key.endswith(" pane")]
        lines = [f"{len(self.rows)} moments; the name is in the pane: {self.names}"]
        for name in names:
            apart = sorted(abs(row[f"{name} pane"] - row[f"{name} smi"]) for row in self.rows)
            lines.append(f"{name}: apart by {apart[len(apart) // 2]:.2f} (median), {apart[-1]:.2f} (most)")
        for row in self.rows:
            lines.append("  ".join(f"{name} {row[f'{name} pane']:g}|{row[f'{name} smi']:g}" for name in names))
        return "\n".join(lines)


async def picture(app: OvernightApp, pilot: object, out: Path, name: str) -> None:
    """The screen in both sizes, as SVG and text."""
    for size in (LARGE, SMALL):
        await pilot.resize_terminal(*size)  # type: ignore[attr-defined]
        await asyncio.sleep(0.6)
        app.repaint()
        await pilot.pause()  # type: ignore[attr-defined]
        target = out / f"{name}-{size[0]}x{size[1]}"
        target.with_suffix(".svg").write_text(app.export_screenshot(title=f"overnight · {app.view.name}"))
        target.with_suffix(".txt").write_text(screen_text(app))
    await pilot.resize_terminal(*LARGE)  # type: ignore[attr-defined]


def over(state: State) -> bool:
    """The engine has ended."""
    return state.engine is not None and bool(state.engine.stopped_at)


async def attend(paths: SessionPaths, out: Path, wait_s: float, gpu: int) -> None:
    """Watch until the engine ends, or ask it to."""
    comparison, began, taken, asked = Comparison(gpu), time.monotonic(), set(), False
    app = OvernightApp(Loading(paths).start())
    async with app.run_test(size=LARGE) as pilot:
        await until(pilot, lambda: app.view.loaded)
        while not over(app.view.state):
            await asyncio.sleep(LOOK_S)
            if app.view.running:
                await comparison.look(app)
            current, percent = app.view.state.current, app.view.progress
            if (
                current
                and percent
                and (percent.percent or 0) > 40
                and current.run not in taken
                and current.run in (2, 4)
            ):
                taken.add(current.run)
                print("\n".join(pane(app)), flush=True)
                await picture(app, pilot, out, f"run{current.run}")
                await pilot.press("S")
                await until(pilot, lambda: isinstance(app.screen, SessionsScreen))
                await picture(app, pilot, out, f"sessions{current.run}")
                await pilot.press("escape")
            if time.monotonic() - began > wait_s and not asked:
                asked = True
                await asyncio.to_thread(overnight, "stop", str(paths.root))
            if time.monotonic() - began > wait_s + 60:
                await asyncio.to_thread(overnight, "abort", str(paths.root))
                break
        await asyncio.sleep(1.5)
        await picture(app, pilot, out, "end")
    print(comparison.told(), flush=True)
    (out / "compared.json").write_text(json.dumps(comparison.rows))


def times(state: State) -> None:
    """Where the time of each experiment went."""
    for one in state.experiments:
        for trial in one.trials:
            trained, total = trial.metrics.get("training_seconds", 0.0), trial.metrics.get("total_seconds", 0.0)
            print(
                f"run {one.run} {one.status}: {one.ended_at - one.began_at:.1f} s all, trial {trial.duration_s:.1f}, "
                f"train.py {total:.1f}, training {trained:.1f}; outside of training {trial.duration_s - trained:.1f}; "
                f"{trial.metrics} {trial.outcome} {trial.cause} {trial.detail[-600:]} flags {one.flags}"
            )


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("name", nargs="?", default="h100-example")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, to try this script")
    parser.add_argument("--wait", type=float, default=260.0, help="seconds after which the engine is asked to stop")
    parser.add_argument("--experiments", type=int, default=5, help="beside the baseline")
    parser.add_argument("--gpu", type=int, default=0)
    parser.add_argument("--data", default="demo")
    given = parser.parse_args()
    sessions = Path(os.environ.get("OVERNIGHT_SESSIONS", "sessions")).absolute()
    paths = SessionPaths(sessions / given.name)
    overnight("new", given.name, "--data", given.data, *(CPU if given.rehearse else GPU))
    device = [] if given.rehearse else ["--gpu", str(given.gpu)]
    overnight("start", given.name, "--experiments", str(given.experiments), "--no-fit", *device)
    asyncio.run(attend(paths, given.out, given.wait, given.gpu))
    from engine.session.journal import read

    overnight("status", given.name)
    overnight("log", given.name)
    print(paths.public_log.read_text(), flush=True)
    state = read(paths.journal)
    times(state)
    recording.pack(paths, state, given.out / "recording.tgz")
    if any(one.trials and one.trials[-1].outcome == "crash" for one in state.experiments[:1]):
        print(paths.run(1).joinpath("run.log").read_text()[-3000:])


if __name__ == "__main__":
    main()
