"""A toy session with an agent of one's own: a Python script that does what a test tells it to."""

import os
import sys
import time
from pathlib import Path

import msgspec
import pytest

from engine.researchers.agent import Agent
from engine.researchers.base import Brief
from engine.session.settings import Gate, Guard, Metric, Settings
from engine.session.settings import Researcher as ResearcherSettings
from engine.session.state import Experiment
from tests.loop.lab import TRAIN, Lab

HEAD = """
import json, os, pathlib, sys, time
here = pathlib.Path.cwd()
prompt = sys.stdin.read() if "--file" not in sys.argv else open(sys.argv[sys.argv.index("--file") + 1]).read()
train = here / "train.py"
def put(old, new):
    train.write_text(train.read_text().replace(old, new))
def hand_in(**given):
    (here / "PROPOSAL.json").write_text(json.dumps(given))
"""


class Stage:
    """A session of `lab` whose agent runs `script` (see HEAD for what it finds ready), without a sandbox by default."""

    def __init__(self, root: Path, script: str, sandboxed: bool = False, **researcher: object) -> None:
        self.lab = Lab(root / "toy")
        self.program = root / "bin" / "agent.py"
        self.program.parent.mkdir()
        self.program.write_text(HEAD + script)
        given = {"command": [sys.executable, str(self.program)], "kind": "agent", "timeout_s": 60.0, **researcher}
        guard = Guard(sandbox="auto" if sandboxed else "off")
        self.settings = Settings(researcher=msgspec.convert(given, ResearcherSettings), guard=guard)
        self.agent = Agent(self.lab.root, self.settings)

    def brief(self, run: int = 2, **more: object) -> Brief:
        """What the engine would tell the agent."""
        commit = self.lab.git("rev-parse", "HEAD").strip()
        champion = Experiment(
            1, 0, None, time.time(), Gate(), commit=commit, metric=1.61, status="keep", phase="ended", verdict="keep"
        )
        folder = self.lab.paths.run(run)
        folder.mkdir(parents=True, exist_ok=True)
        made = Brief(
            run=run,
            session=self.lab.root,
            settings=self.settings,
            metric=Metric(),
            files={"train.py": TRAIN},
            champion=champion,
            results=(champion,),
            failures_in_row=0,
            folder=folder,
        )
        return msgspec.structs.replace(made, **more)

    def log(self, run: int = 2) -> str:
        """What the console shows of the agent."""
        return (self.lab.paths.run(run) / "researcher.log").read_text()

    def prompt(self, run: int = 2, name: str = "prompt.md") -> str:
        """A prompt as it was given."""
        return (self.lab.paths.run(run) / name).read_text()

    def untouched(self) -> bool:
        """Nothing of the session is changed, and no work tree is left."""
        folder = self.lab.paths.private / "agent"
        empty = not folder.exists() or not list(folder.iterdir())
        return empty and not self.lab.git("status", "--porcelain") and (self.lab.root / "train.py").read_text() == TRAIN


def without_keys(patch: pytest.MonkeyPatch) -> None:
    """Take credentials of the machine's own out of the environment."""
    for name in list(os.environ):
        if name.endswith(("_KEY", "_TOKEN", "_SECRET")):
            patch.delenv(name)
