"""Where a session stands with its swarm: what it took from the others and gave to them. From journal and disk."""

from typing import Any

from engine.loop.trying import WHO as OPERATOR
from engine.session.paths import SessionPaths
from engine.session.state import State
from engine.swarm import link
from engine.swarm.api import SwarmError
from engine.swarm.collective import ALONE, WHO
from engine.swarm.membership import Membership
from engine.swarm.outbox import Outbox


def taken_and_given(paths: SessionPaths, membership: Membership, state: State) -> dict[str, Any]:
    """Counts, without asking the swarm. `avoided`: proposals that others had claimed or done; `alone`: claims that
    nobody was there to give, so neither what was adopted nor what the operator would have tried whoever has it."""
    outbox, report = Outbox(paths.outbox), link.read(paths.swarm)
    own = state.experiments[membership.since :]
    waiting, refused = len(outbox.waiting()), outbox.refused()
    adopted = [e for e in own if e.researcher == WHO]
    return {
        "avoided": sum(reason.startswith("the swarm:") for e in own for reason in e.refusals),
        "adopted": [{"run": e.run, "status": e.status, "result": e.asi.get("adopted", "")} for e in adopted],
        "verified": [_verdict(state, job.command) | {"metric": job.metric, "outcome": job.outcome}
                     for job in state.jobs if job.kind == "verify"],
        "claimed": sum(e.claim not in ("", ALONE) for e in own),
        "alone": sum(e.claim == ALONE and e.researcher not in (WHO, OPERATOR) for e in own),
        "delivered": len(outbox.known()) - waiting - refused,
        "refused": refused,
        "waiting": waiting,
        "alone_since": report.alone_since,
        "why": report.why,
    }  # fmt: skip


def is_revoked(error: SwarmError) -> bool:
    """Whether a hub refuses because the session was revoked, and not because it never joined."""
    return error.code == "revoked"


def _verdict(state: State, command: str) -> dict[str, Any]:
    args = state.commands[command].args
    return {"result": args.get("result", ""), "name": args.get("name", "")}
