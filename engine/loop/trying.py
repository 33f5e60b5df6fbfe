"""What a command names is the next experiment's change: another member's files (`adopt`), or constants (`try`).

`try` carries `values`, lines of NAME = literal, and `why`. It passes the same checks and the same gate as any change.
"""

import time
from collections.abc import Callable, Mapping

from engine.loop import proposing
from engine.loop.proposing import Outcome
from engine.researchers.base import Brief, Proposal
from engine.session import events as ev
from engine.session.state import Command, State
from engine.swarm.collective import ALONE, Foreign
from engine.swarm.collective import WHO as SWARM
from engine.work import change
from engine.work.constants import ConstantError, changed_constants, read_constants, set_constants
from engine.work.contract import allowed_imports

WHO = "operator"
"""The researcher of such an experiment."""
MOST = 20


class BadValues(ValueError):
    """The message says what is wrong with them."""


def values(args: Mapping[str, str]) -> dict[str, str]:
    """The constants and their source texts. Errors: BadValues."""
    try:
        found = read_constants(args.get("values", ""))
    except (SyntaxError, ValueError):
        found = {}
    lines = [line for line in args.get("values", "").splitlines() if line.strip()]
    if not 0 < len(found) == len(lines) <= MOST:
        raise BadValues(f"expected 1 to {MOST} lines such as MATRIX_LR = 0.02, each another constant and a literal")
    return found


def waiting(state: State) -> Command | None:
    """The next proposal's, a person's before the swarm's newest; a growth round's candidates are not replaced."""
    if state.current is not None and state.current.candidate:
        return None
    found = [c for c in state.commands.values() if c.kind in ("adopt", "try") and c.status == "queued"]
    of_swarm = [command for command in found if command.by == SWARM]
    return next((command for command in found if command.by != SWARM), of_swarm[-1] if of_swarm else None)


def proposed(
    given: Brief, asked: Command, fetch: Callable[[str], Foreign] | None, editable: tuple[str, ...]
) -> Outcome:
    """It as this experiment's change; in the worker's thread. What is refused ends the command."""
    if fetch is not None:
        return proposing.adopt(given, asked.id, lambda: fetch(asked.args["result"]), editable, asked.by == SWARM)
    try:
        new, params = _changed(given.files, values(asked.args))
        reasons = change.check(given.files, new, list(editable), allowed_imports(given.session), given.tried)
    except (BadValues, ConstantError) as error:
        new, params, reasons = dict(given.files), {}, [str(error)]
    if reasons:
        return Outcome(events=[ev.CommandRefused(at=time.time(), id=asked.id, reason="; ".join(reasons))])
    shown = ", ".join(f"{name} {old}→{now}" for name, (old, now) in params.items())
    why = asked.args.get("why", "") or f"asked by {asked.by}"
    files = {name: text for name, text in new.items() if given.files.get(name) != text}
    proposal = Proposal(f"try {shown}", files, {"hypothesis": why, "arch_change": shown}, params)
    done = ev.CommandDone(at=time.time(), id=asked.id, answer=f"tried as run {given.run}; the gate decides")
    return Outcome(events=[proposing.accepted(WHO, given, proposal, new, ALONE), done], files=files)


def _changed(files: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """The files with the constants set, and what each was and is. Errors: ConstantError."""
    left, new = dict(wanted), dict(files)
    params: dict[str, tuple[str, str]] = {}
    for name, text in files.items():
        try:
            here = {key: left.pop(key) for key in read_constants(text) if key in left}
        except (SyntaxError, ValueError):
            continue
        if here:
            new[name] = set_constants(text, here)
            params |= changed_constants(text, new[name])
    if left:
        raise ConstantError(f"{', '.join(files)} has no constant {', '.join(left)}")
    return new, params
