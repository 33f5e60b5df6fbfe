"""The talk with the researcher: what it is told, the checks of what it proposes, and what it makes of a result."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.loop.tree import Tree
from engine.researchers.base import Brief, Exhausted, Mend, Message, Proposal, Researcher, ResearcherFailed
from engine.researchers.search.lessons import result_text
from engine.session import events as ev
from engine.session import flags
from engine.session.carriage import collapse_text
from engine.session.fingerprint import fingerprint
from engine.session.inert import inert
from engine.session.settings import Settings
from engine.session.state import Experiment, State, better
from engine.swarm.api import SwarmError
from engine.swarm.collective import ALONE, WHO, Answer, Foreign
from engine.swarm.collective import TRIES as CLAIMS
from engine.work import change, cheats
from engine.work.constants import constants_only
from engine.work.contract import allowed_imports
from engine.work.hooks import run_hook

CRASH_BYTES = 8192
_USELESS = ("bad_answer", "empty", "refusal")
_REMEMBERED = 6  # of an experiment's earlier asks, the last: an ask that fails for hours fills no prompt
TRIES = 3
"""How often a refused change goes back to the researcher before the experiment is logged without one."""


Claimer = Callable[[Brief, Proposal, dict[str, str]], Answer]
"""Claims a checked proposal with its files' new texts in the session's swarm; in the worker's thread."""


class Outcome(msgspec.Struct):
    """What a proposal brought: events to record, files to store ahead of them, or that nothing is left to try."""

    events: list[ev.AnyEvent] = []
    files: dict[str, str] | None = None
    exhausted: str = ""
    failed: ResearcherFailed | None = None


def brief(state: State, run: int, tree: Tree, settings: Settings) -> Brief:
    """What the researcher gets to know. Read on the engine's own thread: the state moves on while it thinks."""
    segment, champion = state.segments[-1], state.champion
    assert champion is not None
    texts = tree.repo.files_at(champion.commit, list(segment.editable))
    growth = state.rounds[-1] if state.rounds and state.experiments[run - 1].candidate else None
    key = state.experiments[run - 1].candidate
    candidate = next((one for one in growth.candidates if one.key == key), None) if growth else None
    results = tuple(msgspec.structs.replace(e) for e in state.of_segment() if e.phase == "ended" and e.run != run)
    return Brief(
        run=run,
        session=tree.paths.root,
        settings=settings,
        metric=segment.metric,
        files=texts,
        champion=msgspec.structs.replace(champion),
        results=results,
        failures_in_row=state.failures_in_row(),
        messages=tuple(Message(c.id, c.args["text"], c.by) for c in state.undelivered()),
        tried={
            e.fingerprint: f"run {e.run}, {result_text(e, champion, segment.metric)}"
            for e in state.of_segment()
            if e.fingerprint
            and candidate is None  # a round's plan lists each change once
            and e.champion == champion.run
            and e.run != run
            and not flags.CUT_SHORT & set(e.flags)
        },
        folder=tree.paths.run(run),
        last_crash=_last_crash(results, tree),
        before=_before(state.experiments[run - 1]),
        growth=msgspec.structs.replace(growth) if growth else None,
        candidate=candidate,
        earlier=tuple(
            msgspec.structs.replace(e) for e in state.experiments if e.phase == "ended" and e.segment != segment.number
        ),
    )


def _before(experiment: Experiment) -> tuple[str, ...]:
    """What the researcher would ask for in vain once more: its refused proposals and its answers that were none."""
    attempts = [attempt.split(": ", 2) for attempt in experiment.attempts]  # who, kind, reason
    useless = [parts[2] for parts in attempts if len(parts) == 3 and parts[1] in _USELESS]
    return tuple(dict.fromkeys([*experiment.refusals, *useless]))[-_REMEMBERED:]


def _last_crash(results: tuple[Experiment, ...], tree: Tree) -> str:
    if not results or results[-1].status != "crash" or not results[-1].trials:
        return ""
    return _log_tail(tree.paths.run(results[-1].run) / "run.log")


def _log_tail(log: Path) -> str:
    """The end of a run's log, progress lines collapsed; "" where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - CRASH_BYTES))
            return inert(collapse_text(file.read().decode("utf-8", "replace")), newlines=True)
    except OSError:
        return ""


def hook_payload(given: Brief, event: str, experiment: Experiment | None = None) -> dict[str, object]:
    """What a hook gets on its standard input."""
    about = experiment or given.champion
    return {
        "event": event,
        "run": given.run,
        "session": str(given.session),
        "metric": given.metric.name,
        "direction": given.metric.direction,
        "champion": {"run": given.champion.run, "metric": given.champion.metric, "commit": given.champion.commit},
        "failures_in_row": given.failures_in_row,
        **({} if experiment is None else {"status": about.status, "value": about.metric, "asi": about.asi}),
    }


def propose(
    researcher: Researcher,
    given: Brief,
    editable: tuple[str, ...],
    environment: dict[str, str],
    heard: str = "",
    fallback: bool = False,
    claim: Claimer | None = None,
) -> Outcome:
    """Ask, check, and ask again with the reasons; in the worker's thread. Never raises for the researcher's faults.

    `environment` is what hooks/before runs with; `heard` is what hooks/after said of the run before. `claim`: what
    another member of the swarm has claimed or done sends the researcher back as well, up to CLAIMS times.
    """
    outcome, refusals = Outcome(), list(given.refusals)
    hook = run_hook(given.session, "before", hook_payload(given, "before"), environment)
    if hook.trouble:
        outcome.events.append(ev.Trouble(at=time.time(), text=hook.trouble))
    given = msgspec.structs.replace(given, hook_output="\n".join(t for t in (heard, hook.text, hook.trouble) if t))
    allowed = allowed_imports(given.session)
    answered: set[str] = set()
    failed = taken = 0
    while failed < TRIES:
        try:
            proposal = researcher.propose(msgspec.structs.replace(given, refusals=tuple(refusals)))
        except Exhausted as error:
            outcome.events += _answers(given, error.answers, answered)
            outcome.exhausted = str(error)
            return outcome
        except ResearcherFailed as error:
            outcome.failed = error
            return outcome
        except Exception as error:  # whatever a researcher does, the night goes on
            outcome.failed = ResearcherFailed(f"a defect of the researcher's: {error!r}")
            return outcome
        outcome.events += _answers(given, proposal.answers, answered)
        outcome.events += [ev.ResearcherSaid(at=time.time(), run=given.run, text=text) for text in proposal.remarks]
        new = {**given.files, **proposal.files}
        reasons = change.check(given.files, new, list(editable), allowed, given.tried)
        answer = Answer() if reasons or claim is None else claim(given, proposal, new)
        failed, taken = failed + bool(reasons), taken + bool(answer.taken)
        if not reasons and (not answer.taken or taken >= CLAIMS):
            said = list(answer.said)
            if answer.taken:
                said.append(f"{answer.taken.partition(';')[0]}; run all the same, for {CLAIMS} proposals were others'")
                answer = Answer(claim=ALONE)
            outcome.events += [ev.ResearcherSaid(at=time.time(), run=given.run, text=text) for text in said]
            outcome.files = {name: text for name, text in new.items() if given.files.get(name) != text}
            accepted = _accepted(researcher.name, given, proposal, new, fallback)
            outcome.events.append(msgspec.structs.replace(accepted, claim=answer.claim, token=answer.token))
            return outcome
        reasons = reasons or [answer.taken]
        refusals += reasons
        outcome.events.append(
            ev.ProposalRefused(
                at=time.time(),
                run=given.run,
                attempt=failed + taken,
                reason="; ".join(reasons),
                description=proposal.description,
                usage=proposal.usage,
            )
        )
    outcome.events.append(_failed(given.run, f"no change passed the check in {TRIES} tries: {'; '.join(reasons)}"))
    return outcome


def adopt(
    given: Brief, command: str, fetch: Callable[[], Foreign], editable: tuple[str, ...], by_itself: bool = False
) -> Outcome:
    """Another member's files as this experiment's change, past the same checks; in the worker's thread.

    What is refused ends the command, and the researcher is asked as usual. `by_itself`: no person asked for it, so that
    it must still be verified, and better than the champion.
    """
    outcome = Outcome()
    try:
        foreign = fetch()
        new = {**given.files, **foreign.files}
        reasons = change.check(given.files, new, list(editable), allowed_imports(given.session), {})
        mine, theirs = given.champion.metric, foreign.metric
        if by_itself and mine is not None and (theirs is None or not better(theirs, mine, given.metric.direction)):
            reasons = ["the champion is as good by now"]
        if by_itself and foreign.state != "verified":
            reasons = [f"it is verified no more, but {foreign.state}"]
        reasons = reasons or [str(found) for found in cheats.look(given.files, new) if found.severity == "refuse"]
    except SwarmError as error:
        reasons = [str(error)]
    if reasons:
        outcome.events.append(ev.CommandRefused(at=time.time(), id=command, reason="; ".join(reasons)))
        return outcome
    said = "no metric" if foreign.metric is None else f"{foreign.klass.metric} {foreign.metric:.6f}"
    about = f"result {foreign.id} of {foreign.name}, {foreign.state}, {said}"
    proposal = Proposal(
        description=f"adopt {foreign.name}'s: {foreign.description}",
        files=foreign.files,
        asi={"hypothesis": f"{about}: it is as good here", "adopted": foreign.id},
        params=constants_only(given.files, new),
    )
    outcome.files = {name: text for name, text in new.items() if given.files.get(name) != text}
    outcome.events.append(accepted(WHO, given, proposal, new, ALONE))
    answer = f"tried as run {given.run}; the gate decides"
    outcome.events.append(ev.CommandDone(at=time.time(), id=command, answer=answer))
    return outcome


def with_mend(given: Brief, experiment: Experiment, attempt: int, tree: Tree) -> Brief:
    """`given` for a mend of the experiment's crashed change. Errors: GitTrouble."""
    last = experiment.trials[-1]
    files = tree.repo.files_at(experiment.commit, list(given.files))
    folder = tree.paths.run(experiment.run)
    log = (folder if last.number == 1 else folder / f"trial-{last.number}") / "run.log"
    about = Mend(attempt=attempt, files=files, cause=last.cause, trace=_log_tail(log) or last.detail)
    return msgspec.structs.replace(given, mend=about)


def mend(researcher: Researcher, given: Brief, editable: tuple[str, ...], claim: Claimer | None = None) -> Outcome:
    """Ask for a mend of the crashed change, once; in the worker's thread. It keeps its description and its ASI.

    The mended code is another change: it is claimed in place of the crashed one, and where another member has claimed
    or done it, there is nothing left to run.
    """
    assert given.mend is not None
    outcome, attempt, answer = Outcome(), given.mend.attempt, Answer()
    usage: dict[str, float] = {}
    try:
        proposal = researcher.propose(given)
        usage = proposal.usage
        new = {**given.mend.files, **proposal.files}
        reasons = change.check(given.files, new, list(editable), allowed_imports(given.session), given.tried)
        if new == given.mend.files:
            reasons = ["the mend changes nothing"]
        if not reasons and claim is not None:
            answer = claim(given, proposal, new)
            reasons = [answer.taken.partition(";")[0]] if answer.taken else []
    except ResearcherFailed as error:
        reasons, usage = [str(error)], error.usage
    except Exhausted as error:
        reasons = [str(error)]
    except Exception as error:
        reasons = [f"a defect of the researcher's: {error!r}"]
    if reasons:
        why = "; ".join(reasons)
        outcome.events.append(ev.MendFailed(at=time.time(), run=given.run, attempt=attempt, reason=why, usage=usage))
        return outcome
    outcome.files = new  # all of them: the crashed change may have touched what the mend does not
    outcome.events += [ev.ResearcherSaid(at=time.time(), run=given.run, text=text) for text in answer.said]
    mended = _accepted(researcher.name, given, proposal, new, False, attempt)
    outcome.events.append(msgspec.structs.replace(mended, claim=answer.claim, token=answer.token))
    return outcome


def accepted(who: str, given: Brief, proposal: Proposal, new: dict[str, str], claim: str) -> ev.ChangeAccepted:
    """A change that somebody else than the session's researcher named."""
    return msgspec.structs.replace(_accepted(who, given, proposal, new, True), claim=claim)


def _accepted(
    researcher: str, given: Brief, proposal: Proposal, new: dict[str, str], fallback: bool, attempt: int = 0
) -> ev.ChangeAccepted:
    description = " ".join(proposal.description.split()) or "a change without a description"
    flagged = "; ".join(str(found) for found in cheats.look(given.files, new) if found.severity == "flag")
    return ev.ChangeAccepted(
        at=time.time(),
        run=given.run,
        description=description[:500],
        asi={**proposal.asi, **({"flagged": flagged} if flagged else {})},
        fingerprint=fingerprint(new),
        params=proposal.params,
        net_lines=change.net_lines(given.files, new),
        usage=proposal.usage,
        researcher=researcher,
        fallback=fallback,
        mend=attempt,
    )


def _failed(run: int, reason: str) -> ev.ProposalFailed:
    return ev.ProposalFailed(at=time.time(), run=run, reason=reason)


def _answers(given: Brief, answers: dict[str, str], answered: set[str]) -> list[ev.AnyEvent]:
    """Messages become delivered and answered, each once, whatever the researcher calls them."""
    found: list[ev.AnyEvent] = []
    for message in given.messages:
        if message.id not in answered:
            answered.add(message.id)
            answer = answers.get(message.id, "read; no answer")
            found.append(ev.CommandDelivered(at=time.time(), id=message.id, run=given.run))
            found.append(ev.CommandDone(at=time.time(), id=message.id, answer=answer))
    return found


def not_taken_back(state: State, events: list[ev.AnyEvent]) -> list[ev.AnyEvent]:
    """`events` without answers to messages that the operator took back while the researcher was thinking."""

    def stands(event: ev.AnyEvent) -> bool:
        about = event.id if isinstance(event, (ev.CommandDelivered, ev.CommandDone)) else ""
        return not about or state.commands[about].status == "queued"

    return [event for event in events if stands(event)]


def learn(
    researcher: Researcher, given: Brief, experiment: Experiment, environment: dict[str, str]
) -> tuple[list[ev.AnyEvent], str]:
    """What the researcher makes of the decided experiment, and what hooks/after says to its next prompt.

    A failure of the researcher's own costs the note, not the loop.
    """
    try:
        asi = researcher.learn(given, experiment)
    except ResearcherFailed as error:
        asi = {"result": f"{experiment.status}: {experiment.reason}", "learning_failed": str(error)}
    except Exception as error:  # whatever a researcher does, the night goes on
        asi = {"result": f"{experiment.status}: {experiment.reason}", "learning_failed": f"a defect: {error!r}"}
    hook = run_hook(given.session, "after", hook_payload(given, "after", experiment), environment)
    events: list[ev.AnyEvent] = [ev.Learnt(at=time.time(), run=experiment.run, asi=asi)]
    if hook.trouble:
        events.insert(0, ev.Trouble(at=time.time(), text=hook.trouble))
    return events, "\n".join(text for text in (hook.text, hook.trouble) if text)
