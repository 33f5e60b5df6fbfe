"""`verify`: another member's code under seeds of this one's choice, in the sandbox only. What it brings is a verdict.

The command comes from the session's swarm: `result` and `code` (hashes), `seeds`, the author's `name` and `metric`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from engine.session.fingerprint import fingerprint
from engine.session.state import Experiment, State
from engine.swarm.api import SwarmError
from engine.swarm.codes import Codes
from engine.work import benchmark, change, cheats, sandbox
from engine.work.contract import allowed_imports
from engine.work.jobs.job import Done, Kind, Order, Place, Refused, run_of
from engine.work.worktree import read_file, write_file

LEAST, MOST = 2, 8
"""Trials of a verification."""


def check(state: State, args: Mapping[str, str]) -> Experiment:
    """The champion: its commit gives everything but the code that is verified. Errors: Refused."""
    if not args.get("result") or not args.get("code"):
        raise Refused("a verification names a result of the swarm and its code")
    seeds(args)
    return run_of(state, {})


def seeds(args: Mapping[str, str]) -> list[int]:
    """The seeds to run with. Errors: Refused."""
    words = args.get("seeds", "").split()
    if not LEAST <= len(set(words)) <= MOST or not all(word.isdecimal() and len(word) < 11 for word in words):
        raise Refused(f"seeds is {args.get('seeds', '')!r}; expected {LEAST} to {MOST} whole numbers")
    return [int(word) for word in words]


def unsafe(setting: str) -> str:
    """Why foreign code is not run on this machine; "" where there is a sandbox for it."""
    if setting == "off":
        return 'others\' code runs in the sandbox only, and guard.sandbox is "off": overnight edit guard.sandbox auto'
    found = sandbox.rung()
    if found.name == "none":
        return f"others' code runs in the sandbox only, and {found.why}; mend: {found.how_to_get_higher}"
    return ""


def ready(order: Order, place: Place) -> None:
    """Lay the foreign files over the champion's. Errors: Refused."""
    if why := unsafe(order.settings.guard.sandbox):
        raise Refused(why)
    try:
        files = Codes(place.folder.parent.parent / "swarm" / "code").get(order.args["code"])
    except SwarmError as error:
        raise Refused(str(error)) from error
    own = {name: _text(place.tree, name) for name in order.segment.editable}
    if reasons := objections(own, {**own, **files}, order.segment.editable, allowed_imports(place.tree)):
        raise Refused(f"{order.args.get('name', 'somebody')}'s code is not run here: {'; '.join(reasons)}")
    for name, text in files.items():
        write_file(place.tree, name, text.encode("utf-8", "surrogateescape"))


def objections(
    own: Mapping[str, str], files: Mapping[str, str], editable: tuple[str, ...], allowed: frozenset[str] | None
) -> list[str]:
    """Why foreign code is not even run: files that are not editable, imports, and what looks like cheating."""
    if fingerprint(own) == fingerprint(files):
        return []
    found = change.check(own, files, list(editable), allowed, {})
    return found or [str(finding) for finding in cheats.look(own, files) if finding.severity == "refuse"]


def _text(tree: Path, name: str) -> str:
    found = read_file(tree, name)
    return "" if found is None else found[1].decode("utf-8", "surrogateescape")


def run(order: Order, place: Place) -> Done:
    """One trial a seed; the first that fails ends it. Errors: LeashError, OSError."""
    metrics: dict[str, float] = {}
    took = 0.0
    for seed in seeds(order.args):
        trial = benchmark.start_trial(
            place.tree,
            place.folder,
            order.segment.run.command,
            environment=place.environment(seed, order.segment.budget),
            limit_s=order.segment.run.timeout_s,
            confine=place.confine((), ()),
        )
        place.hold(trial.leashed)
        try:
            measured = trial.finish(order.segment.metric.name)
        finally:
            place.hold(None)
        took += measured.duration_s
        if measured.outcome != "ok" or measured.metric is None:
            detail = f"{_whose(order)} gave no result with seed {seed}: {measured.detail or measured.outcome}"
            return Done(outcome=measured.outcome, detail=detail, duration_s=took)
        metrics[f"seed_{seed}"] = measured.metric
    mean, name = fmean(metrics.values()), order.segment.metric.name
    claimed = order.args.get("metric", "")
    answer = f"{_whose(order)}: {name} {mean:.6f} over {len(metrics)} seeds" + (f", said was {claimed}" * bool(claimed))
    return Done(answer=answer, metric=mean, metrics=metrics, duration_s=took, files=("run.log",))


def _whose(order: Order) -> str:
    return f"result {order.args['result'][:8]} of {order.args.get('name', 'another member')}"


KIND = Kind(check, run, ready=ready)
