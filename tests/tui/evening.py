"""A recorded night for the snapshots: the same to the letter on every machine, with real commits and fixed clocks."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from engine.gpu.samples import GpuProcess, GpuSample, HostSample, Snapshot
from engine.session import events as ev
from engine.session import lineage
from engine.session.journal import read
from engine.session.settings import Gate
from tests.loop.lab import ENV
from tests.tui.recording import Recording

_TRAIN = '''"""Trains the model: depth 8, 50.3 M parameters."""

import torch

# What a researcher tries first: the learning rates.
EMBED_LR = 0.6
MATRIX_LR = 0.03  # Muon, for the matrices of the blocks
HEAD_LR = 0.004

# The schedule, in shares of the budget.
WARMUP = 0.0
WARMDOWN = 0.4
WEIGHT_DECAY = 0.2

DEPTH = 8
WINDOW = "SSSL"  # attention: three short windows, then a long one


def rate(share):
    """The learning rate's factor after this share of the budget."""
    if share < WARMUP:
        return share / WARMUP
    return min(1.0, (1.0 - share) / WARMDOWN)


model = torch.nn.Identity()
'''
_WHY = "The gradient norm is small from the middle on: there is room for more."
_NEXT = "If it helps, go on in the same direction; else leave it for this depth."
_DOCUMENT = """# mar5

Write wherever you like outside the marked parts.

<!-- overnight:goal -->
## Goal
Bring `val_bpb` (bpb) as low as possible, in 300 s of training. Only `train.py` may change.
<!-- /overnight:goal -->

## Learnt
- A higher **matrix** learning rate helps until 0.05; beyond that the loss jumps after the warm-up and does not come
  back within the budget.
- Deeper than 8 does not fit: `DEPTH 8→12` ran out of memory.

## Tried
| run | val_bpb | change | status |
|---|---|---|---|
| 2 | 0.994200 | MATRIX_LR 0.03→0.04 | keep |
| 3 | 0.996100 | WARMUP 0.0→0.05 | discard |

> Dead ends stay here, so that nobody walks into them again.
"""


class _Try(NamedTuple):
    """One experiment of the night: what is set to what, and how it ended."""

    name: str
    value: str
    status: str
    metric: float | None = None
    reason: str = "not better than the champion"
    flags: tuple[str, ...] = ()


_BETTER = "better by more than what counts as equal"
_NIGHT = (
    _Try("MATRIX_LR", "0.04", "keep", 0.9942, _BETTER),
    _Try("WARMUP", "0.05", "discard", 0.9961),
    _Try("DEPTH", "12", "crash", None, "CUDA out of memory"),
    _Try("WARMDOWN", "0.5", "keep", 0.9917, _BETTER),
    _Try("EMBED_LR", "0.8", "discard", 0.9924),
    _Try("WEIGHT_DECAY", "0.1", "discard", 0.9917, "equal to the champion, and no shorter"),
    _Try("HEAD_LR", "0.008", "discard", 0.8431, "a gain that is not believed", ("jump",)),
    _Try("WINDOW", '"SL"', "checks_failed", 0.9899, "the checks failed"),
    _Try("MATRIX_LR", "0.05", "keep", 0.9893, _BETTER),
    _Try("EMBED_LR", "0.3", "discard", 0.9987),
    _Try("WARMDOWN", "0.7", "keep", 0.9881, _BETTER),
    _Try("HEAD_LR", "0.002", "discard", 0.9886),
    _Try("MATRIX_LR", "0.08", "discard", 1.0312, "not better: the loss jumped at step 212"),
)
UNDER_WAY = _Try("WEIGHT_DECAY", "0.05", "", None)


class Evening(Recording):
    """The night's session in `folder`, its engine at work on run 15."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.folder = root
        git = self.paths.root / ".git"
        (git / "HEAD").unlink()
        git.rmdir()
        self._env = {**ENV, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_DEFAULT_HASH": "sha1"}
        self._git("init", "-q", "-b", "autoresearch/mar5-2026-03-05")
        self._kept = self._text = _TRAIN
        self._texts: dict[int, str] = {}

    def _git(self, *words: str) -> str:
        env = {**self._env, "GIT_AUTHOR_DATE": f"{self.at:.0f} +0000", "GIT_COMMITTER_DATE": f"{self.at:.0f} +0000"}
        done = subprocess.run(["git", *words], cwd=self.paths.root, env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def _commit(self, description: str) -> str:
        (self.paths.root / "train.py").write_text(self._text, encoding="utf-8")
        self._git("add", "train.py")
        self._git("commit", "-q", "--allow-empty", "-m", description)
        return self._git("rev-parse", "HEAD")

    def one(self, what: _Try) -> int:
        """Begin this experiment, on the champion's text."""
        found = re.search(rf'^{what.name} = ("\w+"|[\d.]+)', self._kept, re.MULTILINE)
        assert found is not None
        self._text = self._kept.replace(found[0], f"{what.name} = {what.value}")
        self.run += 1
        run = self.run
        self._texts[run] = self._text
        description = f"{what.name} {found[1]}→{what.value}"
        began = ev.ExperimentBegan(
            at=self.tick(), run=run, segment=0, champion=self.line[-1], gate=Gate(), researcher="search"
        )
        accepted = ev.ChangeAccepted(
            at=self.tick(2),
            run=run,
            description=description,
            asi={"hypothesis": _WHY, "arch_change": description, "next_action_hint": _NEXT},
            params={what.name: (found[1], what.value)},
            researcher="search",
        )
        self.write(began, accepted, ev.ChangeCommitted(at=self.tick(), run=run, commit=self._commit(description)))
        self.train(run)
        return run

    def play(self) -> Evening:
        """A baseline, the night's experiments, an operator who steers, and run 15 at 62%."""
        self.open()
        run, commit = 1, self._commit("baseline")
        self.run = run
        self.write(
            ev.ExperimentBegan(at=self.tick(), run=run, segment=0, champion=None, gate=Gate(), researcher=""),
            ev.ChangeCommitted(at=self.tick(), run=run, commit=commit),
        )
        self.train(run)
        self.end(run, "keep", 0.9979, "the baseline")
        for what in _NIGHT:
            run = self.one(what)
            self.end(run, what.status, what.metric, what.reason, what.flags)
            if what.status == "keep":
                self._kept = self._text
            self._steer(run)
        self._log_of(self.line[-1], 953)
        self._log_of(self.run, 953)
        self._say("c2", "and no more than two changes of EMBED_LR, please")
        self.one(UNDER_WAY)
        self.paths.document.write_text(_DOCUMENT, encoding="utf-8")
        self.log(593)
        self.tick(187)
        os.utime(self.paths.run_log, (self.at, self.at))
        os.utime(self.paths.journal, (self.at, self.at))
        return self

    def _say(self, id: str, text: str) -> None:
        self.write(ev.CommandQueued(at=self.tick(), id=id, kind="say", by="ann", args={"text": text}))

    def _steer(self, run: int) -> None:
        """What the operator did after this run."""
        if run == 6:
            self._say("c1", "try a longer warmdown before anything deeper")
        elif run == 7:
            answer = "WARMDOWN is next in the queue, once the head's rate is known."
            self.write(
                ev.CommandDelivered(at=self.tick(), id="c1", run=run),
                ev.ResearcherSaid(at=self.tick(), text=answer, run=run, command="c1"),
                ev.CommandDone(at=self.at, id="c1"),
            )
        elif run == 8:
            self.write(ev.Noted(at=self.tick(), text="looks like a leak of the validation shard", by="bob", run=run))
        elif run == 11:
            kept = lineage.keep(read(self.paths.journal), 9)
            self.line = list(kept.line)
            self._kept = self._texts[9]
            self.write(
                ev.CommandQueued(at=self.tick(), id="c3", kind="keep", by="bob", args={"run": "9"}),
                ev.Overridden(
                    at=self.tick(), command="c3", kind="keep", run=9, line=kept.line, statuses=kept.statuses,
                    withdrawn=kept.withdrawn, by="bob", reason="the checks were wrong",
                ),
                ev.CommandDone(at=self.tick(), id="c3", answer="run 9 is the champion"),
            )  # fmt: skip

    def _log_of(self, run: int, steps: int) -> None:
        """The log that a finished run left."""
        self.log(steps)
        folder = self.paths.run(run)
        folder.mkdir(parents=True, exist_ok=True)
        self.paths.run_log.rename(folder / "run.log")


def neighbours(folder: Path, now: float) -> list[Recording]:
    """Three sessions more for the list: one running, one that ended, one never started. The first holds its lock."""
    running, ended, fresh = (Recording(folder, name) for name in ("apr2-wide", "feb-rates", "mar6"))
    running.at, ended.at, fresh.at = now - 10_000, now - 200_000, now - 500_000
    running.open().night(31, seed=3)
    running.train(running.begin("under way"))
    ended.open().night(70, seed=11)
    ended.write(ev.EngineStopped(at=ended.tick(), reason="71 experiments are done"))
    for recording in (running, ended, fresh):
        for path in (recording.paths.journal, recording.paths.settings):
            if path.exists():
                os.utime(path, (recording.at, recording.at))
    running.hold()
    return [running, ended, fresh]


def sample(at: float, util: int) -> Snapshot:
    """What one GPU and the machine showed while it trained."""
    mine = GpuProcess(pid=4711, name="python", used_mb=44_210, cookie="mar5:15:1")
    gpu = GpuSample(
        index=0, uuid="GPU-0", name="NVIDIA H100 80GB HBM3", used_mb=44_870, total_mb=81_559, util_percent=util,
        power_w=612.0, power_limit_w=700.0, temp_c=61, sm_mhz=1755, mem_mhz=2619,
        processes=[mine, GpuProcess(pid=815, name=None, used_mb=412)],
    )  # fmt: skip
    host = HostSample(cpu_percent=float(util) / 3, load1=1.4, cores=16, mem_used_mb=9_100, mem_total_mb=128_000)
    return Snapshot(at=at, gpus=[gpu], host=host)
