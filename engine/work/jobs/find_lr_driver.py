"""Raises the learning rate of a train.py that knows nothing of it: `python -P find_lr_driver.py TRAIN_PY REQUEST OUT`.

It runs train.py as it is. Before each optimizer step the rates of the asked groups (parameter groups by their `name`)
are set to a rising multiple of their full rate, those of the others to their full rate, whatever the schedule says;
the loss is what backward was called on. A rate's loss is that of the next step, for only then has it acted. Before
one group alone is raised, the others settle for WARM_UP steps. It ends the run after the last rate or at divergence.
REQUEST is JSON: group, low, high, steps, and control (the rates are told but not raised: they stay at the lowest).
OUT becomes JSON: groups, losses (null: no number), ended.

It stands alone, importing nothing of overnight; one module of it, which needs the standard library only, by its path.
"""

from __future__ import annotations

import importlib.util
import json
import math
import runpy
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

CURVE = Path(__file__).parents[2] / "session" / "lrcurve.py"
WARM_UP = 20
"""Steps before the first rate of one group alone: the other groups begin with their full rates, and the loss leaps."""
OWN = "find-lr: "
"""What its own words begin with, among train.py's."""


class Finished(BaseException):
    """The test is over. No `except Exception` of train.py's stops it."""


class Test:
    """The state of one test: `losses` has one for each multiple so far, `ended` says how it ended."""

    def __init__(self, group: str, multiples: list[float], diverging: Any, control: bool) -> None:
        self.group, self.multiples, self._diverging, self._control = group, multiples, diverging, control
        self.losses: list[float] = []
        self.groups: set[str] = set()
        self.ended = "stopped"
        self._full: dict[int, float] = {}
        self._parts: list[torch.Tensor] = []
        self._moved = False
        self._first = self._step = -1 if group == "all" else -1 - WARM_UP

    def added(self, group: dict[str, Any]) -> None:
        """A parameter group came to an optimizer: its rate is the full one."""
        self._full[id(group)] = float(group["lr"])

    def fed(self, loss: Any) -> None:
        """backward is called on a loss; the first after an optimizer moved begins a step."""
        if self._moved:
            self._moved = False
            self._parts.clear()
        if isinstance(loss, torch.Tensor):
            self._parts.append(loss.detach().float().mean())

    def stepping(self) -> None:
        """An optimizer is about to move: the step's loss is complete. Raises Finished at the end."""
        if self._moved:
            return
        self._moved = True
        if not self._parts:
            return
        if self._step > self._first and self.groups and self.group not in ("all", *self.groups):
            raise Finished  # every optimizer has moved by now: nothing is called so
        loss = float(torch.stack(self._parts).sum())
        if self._step >= 0:
            self.losses.append(loss)
            if self._diverging.now(loss):
                self.ended = "diverged"
                raise Finished
        self._step += 1
        if self._step == len(self.multiples):
            self.ended = "range"
            raise Finished

    def set_rates(self, optimizer: torch.optim.Optimizer) -> None:
        """The rates of the coming move."""
        for group in optimizer.param_groups:
            name = str(group.get("name", ""))
            self.groups.add(name)
            asked = self.group in ("all", name)
            full = float(group.get("base_lr", self._full.get(id(group), group["lr"])))
            rate = full * self.multiples[0 if self._control else max(0, self._step)] if asked else full
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


def watch(test: Test) -> None:
    """Have torch tell `test` of groups, losses and steps."""
    add, backward = torch.optim.Optimizer.add_param_group, torch.autograd.backward
    scale, step = torch.amp.GradScaler.scale, torch.amp.GradScaler.step
    unscaled: dict[int, Any] = {}

    def adding(self: torch.optim.Optimizer, group: dict[str, Any]) -> None:
        add(self, group)
        test.added(self.param_groups[-1])

    def told_backward(tensors: Any, *args: Any, **more: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            test.fed(unscaled.pop(id(tensors), tensors))
        return backward(tensors, *args, **more)

    def told_scale(self: Any, outputs: Any) -> Any:
        scaled = scale(self, outputs)
        unscaled[id(scaled)] = outputs
        return scaled

    def told_step(self: Any, optimizer: Any, *args: Any, **more: Any) -> Any:
        test.stepping()  # it may skip the optimizer's
        return step(self, optimizer, *args, **more)

    def before(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        test.stepping()
        test.set_rates(optimizer)

    torch.optim.Optimizer.add_param_group = adding  # type: ignore[method-assign, assignment]
    torch.autograd.backward = told_backward
    torch.amp.GradScaler.scale = told_scale  # type: ignore[method-assign]
    torch.amp.GradScaler.step = told_step  # type: ignore[method-assign]
    register_optimizer_step_pre_hook(before)


def main(train: Path, request: dict[str, Any], out: Path) -> None:
    """Exit 1 with a sentence where that cannot be."""
    sys.path.insert(0, str(train.parent))
    sys.argv = [str(train)]
    curve = by_path(CURVE)
    multiples = curve.rates(request["low"], request["high"], request["steps"])
    test = Test(request["group"], multiples, curve.Diverging(), bool(request.get("control")))
    watch(test)
    left: SystemExit | None = None
    try:
        runpy.run_path(str(train), run_name="__main__")
    except Finished:
        pass
    except SystemExit as error:
        left = error
    names = sorted(name for name in test.groups if name)
    if test.groups and test.group != "all" and test.group not in names:
        sys.exit(f"{OWN}no parameter group is named {test.group!r}; there are: {', '.join(names) or 'no names'}, all")
    if not test.losses:
        if left is not None and left.code:
            raise left
        sys.exit(f"{OWN}train.py ended before two steps of an optimizer after a backward() were seen")
    losses = [loss if math.isfinite(loss) else None for loss in test.losses]
    document = {"groups": names, "losses": losses, "ended": test.ended}
    temporary = out.with_suffix(".tmp")
    temporary.write_text(json.dumps(document), encoding="utf-8")
    temporary.rename(out)
    print(f"\ntested {len(losses)} rates, ended: {test.ended}", flush=True)


def by_path(path: Path) -> ModuleType:
    """A module whose folder is on no path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3]))
