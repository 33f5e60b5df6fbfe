"""A look at what a change adds to the code: does it improve the training, or the number that is printed?

The tree of each changed Python file is searched for known ways to a better number that is not a better model: the
evaluation, the clock, the seed, the budget, the printed metrics, the data and the records, and the ways out of the
process. What the champion does already is not reported again. It is a first line, meant to give an honest reason early;
behind it stand the pinned hashes, the sandbox and the independent evaluation. Pure.
"""

from __future__ import annotations

import ast
import functools
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Literal

import msgspec

from engine.session.fingerprint import BOM
from engine.work import cheats_flow as flow
from engine.work.cheats_names import Names
from engine.work.cheats_signs import Sign, signs

MOST = 6
"""Findings told of one change: who is told six things has enough to mend."""


_TOO_DEEP = "an expression nests too deeply to be looked at; write it in several"


class Finding(msgspec.Struct, frozen=True):
    """One thing that a change adds. `line` counts from 1 in the new text of `file`; `text` is for the researcher."""

    kind: str
    line: int
    text: str
    severity: Literal["refuse", "flag"]
    file: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.text}"


class _Seen(msgspec.Struct, frozen=True):
    """One module, looked at."""

    names: Names
    signs: list[Sign]
    unseeded: str
    whole: str


def look(old: Mapping[str, str], new: Mapping[str, str]) -> list[Finding]:
    """What the change from `old` to `new` adds that a change must not; [] for an honest one. What cannot parse is not
    looked at; what parses and nests too deeply for the look is refused, for anything could hide in it.
    """
    changed = [n for n in sorted({*old, *new}) if old.get(n, "") != new.get(n, "")]
    found: list[Finding] = []
    only_seed = bool(changed)
    for name in changed:
        before = _seen(old.get(name, "")) if name.endswith(".py") else None
        after = _seen(new.get(name, "")) if name.endswith(".py") else None
        if before is None or after is None:
            only_seed = False
            if name.endswith(".py") and after is None and _parses(new.get(name, "")):
                found.append(Finding("code", 1, _TOO_DEEP, "refuse" if before is not None else "flag", name))
            continue
        known = Counter((sign.kind, sign.key) for sign in before.signs)
        for sign in after.signs:
            if known[sign.kind, sign.key] > 0:
                known[sign.kind, sign.key] -= 1
            elif sign.kind != "budget" or flow.reads(before.names, "OVERNIGHT_BUDGET"):
                found.append(Finding(sign.kind, sign.line, sign.text, sign.severity, name))
        found += [Finding(kind, 1, text, "refuse", name) for kind, text in _lost(before.names, after.names)]
        only_seed &= before.unseeded == after.unseeded and before.whole != after.whole
    if only_seed:
        text = "only the seed differs: another draw of luck is no improvement"
        found.append(Finding("seed", 1, text, "refuse", changed[0]))
    return list({(f.file, f.line, f.text): f for f in found}.values())[:MOST]


def _parses(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text.removeprefix(BOM))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


@functools.lru_cache(maxsize=8)
def _seen(text: str) -> _Seen | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a proposal is not the operator's to read
            tree = ast.parse(text.removeprefix(BOM))
        names = Names(tree)
        found = [*signs(names), *flow.budget_signs(names)]
        if flow.evaluates(names):
            found += flow.metric_signs(names)
        whole, fresh = ast.dump(tree), ast.parse(text.removeprefix(BOM))
        return _Seen(names, sorted(found, key=lambda sign: sign.line), flow.without_seed(fresh, names), whole)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _lost(was: Names, now: Names) -> list[tuple[str, str]]:
    """What the champion does for the sake of the measurement, and the change does no more."""
    lost = []
    for variable, kind in (
        ("OVERNIGHT_SEED", "seed"),
        ("OVERNIGHT_BUDGET", "budget"),
        ("OVERNIGHT_WEIGHTS", "weights"),
    ):
        if flow.reads(was, variable) and not flow.reads(now, variable):
            lost.append((kind, f"no longer reads {variable}, which the engine gives every run"))
    if flow.evaluates(was) and not flow.evaluates(now):
        lost.append(("evaluation", "no longer calls prepare.py's evaluate_bpb, which alone measures"))
    elif flow.prints_measured(was) and not flow.prints_measured(now):
        lost.append(("metric", "no longer prints val_bpb as evaluate_bpb gave it"))
    return lost
