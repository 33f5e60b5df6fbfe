"""The README's pictures: `python -m tests.terminal.pictures` paints a made-up night and the recorded one (assets/)."""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
import tempfile
import time
from pathlib import Path

from engine.session import events as ev
from engine.session.assets import assets_dir
from engine.session.paths import SessionPaths
from engine.session.settings import Gate
from tests.loop.lab import ENV
from tests.tui.piloting import console, until
from tests.tui.recording import Recording
from tui.app import OvernightApp
from tui.loading import Loading

SIZES = ((80, 24), (200, 50))
_RUNS = 23
_RUN_S = 305
_WHY = "The gradient norm is small from the middle on: there is room for more."
_NEXT = "If it helps, go on in the same direction; else leave it for this depth."


class Night(Recording):
    """A night with real commits of the template's train.py, so that each run has its diff."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        (self.paths.root / ".git" / "HEAD").unlink()
        (self.paths.root / ".git").rmdir()
        self.at = time.time() - (_RUNS + 1) * _RUN_S - 190
        self._git("init", "-q", "-b", "autoresearch/mar5-2026-03-05")
        self._train = self.paths.root / "train.py"
        self._kept = (assets_dir() / "train.py").read_text()
        self._text = self._kept
        self._commit("baseline")
        self._numbers = re.findall(
            r"^([A-Z_]+(?:LR|DECAY|RATIO|CAP)) = (\d+\.\d*[1-9]|1\d\.0)", self._text, re.MULTILINE
        )

    def _git(self, *words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=self.paths.root, env=ENV, capture_output=True, text=True, check=True
        ).stdout.strip()

    def _commit(self, description: str) -> str:
        self._train.write_text(self._text)
        self._git("add", "train.py")
        self._git("commit", "-q", "--allow-empty", "-m", description)
        return self._git("rev-parse", "HEAD")

    def change(self, chance: random.Random) -> tuple[str, dict[str, tuple[str, str]]]:
        """Change one number of the champion's text; how it is described."""
        name, before = chance.choice(self._numbers)
        before = re.search(rf"^{name} = (\d+\.\d+)", self._kept, re.MULTILINE)[1]  # type: ignore[index]
        after = f"{float(before) * chance.choice((0.5, 0.75, 1.25, 1.5, 2.0)):.4g}"
        self._text = re.sub(rf"^{name} = \d+\.\d+", f"{name} = {after}", self._kept, flags=re.MULTILINE)
        return f"{name} {before}→{after}", {name: (before, after)}

    def one(self, chance: random.Random) -> int:
        """Begin an experiment with a change of its own."""
        description, params = self.change(chance)
        self.run += 1
        run = self.run
        asi = {"hypothesis": _WHY, "arch_change": description, "next_action_hint": _NEXT}
        began = ev.ExperimentBegan(
            at=self.tick(), run=run, segment=0, champion=self.line[-1], gate=Gate(), researcher="search"
        )
        accepted = ev.ChangeAccepted(
            at=self.tick(), run=run, description=description, asi=asi, params=params, researcher="search"
        )
        commit = self._commit(description)
        self.write(began, accepted, ev.ChangeCommitted(at=self.tick(), run=run, commit=commit))
        self.train(run)
        return run

    def play(self) -> None:
        """A baseline and the night's experiments, the last of them under way."""
        chance, best = random.Random(5), 0.9979
        self.open().experiment("keep", best)
        for _ in range(_RUNS):
            run, draw = self.one(chance), chance.random()
            if draw < 0.08:
                self.end(run, "crash", None, "CUDA out of memory")
            elif draw < 0.35:
                best -= chance.uniform(0.0003, 0.0024)
                self.end(run, "keep", round(best, 6), "better by more than what counts as equal")
                self._kept = self._text
            else:
                self.end(run, "discard", round(best + chance.uniform(0.0002, 0.008), 6), "not better")
        say = {"text": "try a shorter warmdown before anything deeper"}
        self.write(ev.CommandQueued(at=self.at, id="c1", kind="say", by="ann", args=say))
        run = self.one(chance)
        answer = "WARMDOWN_RATIO is next in the queue"
        self.write(
            ev.CommandDelivered(at=self.at, id="c1", run=run),
            ev.ResearcherSaid(at=self.at, text=answer, run=run, command="c1"),
        )
        self.log(593)
        self.hold()


async def paint(columns: int, rows: int, target: Path) -> None:
    """Paint the console of this size."""
    with tempfile.TemporaryDirectory() as folder:
        night = Night(Path(folder))
        night.play()
        async with console(night, (columns, rows)) as (app, pilot):
            await until(pilot, lambda: app.view.progress is not None)
            await asyncio.sleep(3.0)  # a sample of the machine, and the diff
            await pilot.pause()
            target.write_text(app.export_screenshot(title="overnight · mar5"))
        night.let_go()


async def paint_recorded(target: Path) -> None:
    """Paint the recorded session that ships, as `overnight watch` shows it."""
    paths = SessionPaths(Path(__file__).parents[2] / "sessions" / "h100-example")
    app = OvernightApp(Loading(paths).start(), read_only=True)
    async with app.run_test(size=SIZES[1]) as pilot:
        await until(pilot, lambda: app.view.snapshot is not None)
        await asyncio.sleep(3.0)  # the diff
        await pilot.pause()
        target.write_text(app.export_screenshot(title=f"overnight · {paths.name}"))


def main() -> None:
    """Paint them all."""
    folder = assets_dir() / "pictures"
    folder.mkdir(exist_ok=True)
    for columns, rows in SIZES:
        asyncio.run(paint(columns, rows, folder / f"console-{columns}x{rows}.svg"))
    asyncio.run(paint_recorded(folder / "h100-200x50.svg"))


if __name__ == "__main__":
    main()
