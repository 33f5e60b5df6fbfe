"""A toy session whose runs show half their training and then wait until the test lets them end."""

import json
import os
import signal
from pathlib import Path
from typing import Any

from engine.session.cookie import session_id
from engine.session.locking import engine_of
from engine.work import sweep
from tests.loop.lab import BENCHMARK, Lab
from tests.terminal.screen import alive, until

_GATED = r"""gate='{gate}'
step='loss: 3.210000 | lrm: 1.00 | dt: 125ms | tok/sec: 16,384 | mfu: 0.0%% | epoch: 1 | remaining: 12s'
printf "compiling the model\nstep 00010 (50.0%%) | $step\r" > run.log
while [ ! -e "$gate/all" ] && [ ! -e "$gate/$OVERNIGHT_RUN" ]; do sleep {pace}; done
printf "step 00020 (100.0%%) | $step\nthe end of run $OVERNIGHT_RUN\n" >> run.log
sleep {least}
"""


class Gated(Lab):
    """`let(run)` lets a run's benchmark end, `let()` all of them; each takes `least` seconds more.

    The session is `name` in `folder`; a gate of its own lies hidden beside it.
    """

    def __init__(self, folder: Path, least: float = 0.0, name: str = "toy") -> None:
        self.gate = folder / f".gate-{name}"
        self.gate.mkdir(parents=True)
        super().__init__(folder / name, benchmark=_GATED.format(gate=self.gate, pace=0.05, least=least) + BENCHMARK)

    def let(self, *runs: int) -> None:
        """Let these runs end, or all."""
        for name in [str(run) for run in runs] or ["all"]:
            (self.gate / name).touch()

    def training(self, run: int) -> None:
        """Wait until this run trains."""
        self.wait(lambda state: state.current and state.current.run == run and state.current.trials)

    def result(self, run: int) -> dict[str, Any]:
        """The public log's line of a run, once it is there."""

        def found() -> list[dict[str, Any]]:
            return [line for line in map(json.loads, self.public()) if line.get("run") == run and "metric" in line]

        until(found, f"run {run} in the public log")
        return found()[0]

    def overrides(self) -> list[dict[str, Any]]:
        """The public log's later decisions."""
        return [line for line in map(json.loads, self.public()) if line.get("type") == "override"]

    @property
    def engine_pid(self) -> int:
        """The engine's process id; 0 where none runs."""
        held = engine_of(self.paths.lock)
        return held.pid if held else 0

    def clear(self) -> None:
        """End what is left of the engine and its runs."""
        if pid := self.engine_pid:
            os.kill(pid, signal.SIGKILL)
            until(lambda: not alive(pid), "the end of the engine")
        sweep.sweep(session_id(self.root))
