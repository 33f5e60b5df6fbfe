"""The talk with the researcher: what it is told, the checks of what it proposes, and what it makes of a result."""

import os
import time
from pathlib import Path

import msgspec

from engine.loop.tree import Tree
from engine.researchers.base import Brief, Exhausted, Mend, Message, Proposal, Researcher, ResearcherFailed
from engine.session import events as ev
from engine.session.carriage import collapse_text
from engine.session.inert import inert
from engine.session.settings import Settings
from engine.session.state import Experiment, State
from engine.work import change, cheats
from engine.work.contract import allowed_imports
from engine.work.hooks import run_hook

CRASH_BYTES = 8192
TRIES = 3
"""How often a refused change goes back to the researcher before the experiment is logged without one."""


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
        tried=frozenset(
            e.fingerprint
            for e in state.of_segment()
            if e.fingerprint and e.champion == champion.run and e.run != run and "interrupted" not in e.flags
        ),
        folder=tree.paths.run(run),
        last_crash=_last_crash(results, tree),
    )


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
) -> Outcome:
    """Ask, check, and ask again with the reasons; in the worker's thread. Never raises for the researcher's faults.

    `environment` is what hooks/before runs with; `heard` is what hooks/after said of the run before.
    """
    outcome, refusals = Outcome(), list(given.refusals)
    hook = run_hook(given.session, "before", hook_payload(given, "before"), environment)
    if hook.trouble:
        outcome.events.append(ev.Trouble(at=time.time(), text=hook.trouble))
    given = msgspec.structs.replace(given, hook_output="\n".join(t for t in (heard, hook.text, hook.trouble) if t))
    allowed = allowed_imports(given.session)
    answered: set[str] = set()
    for attempt in range(1, TRIES + 1):
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
        if not reasons:
            outcome.files = {name: text for name, text in new.items() if given.files.get(name) != text}
            outcome.events.append(_accepted(researcher, given, proposal, new, fallback))
            return outcome
        refusals += reasons
        outcome.events.append(
            ev.ProposalRefused(
                at=time.time(),
                run=given.run,
                attempt=attempt,
                reason="; ".join(reasons),
                description=proposal.description,
            )
        )
    outcome.events.append(_failed(given.run, f"no change passed the check in {TRIES} tries: {'; '.join(reasons)}"))
    return outcome


def with_mend(given: Brief, experiment: Experiment, attempt: int, tree: Tree) -> Brief:
    """`given` for a mend of the experiment's crashed change. Errors: GitTrouble."""
    last = experiment.trials[-1]
    files = tree.repo.files_at(experiment.commit, list(given.files))
    folder = tree.paths.run(experiment.run)
    log = (folder if last.number == 1 else folder / f"trial-{last.number}") / "run.log"
    about = Mend(attempt=attempt, files=files, cause=last.cause, trace=_log_tail(log) or last.detail)
    return msgspec.structs.replace(given, mend=about)


def mend(researcher: Researcher, given: Brief, editable: tuple[str, ...]) -> Outcome:
    """Ask for a mend of the crashed change, once; in the worker's thread. It keeps its description and its ASI."""
    assert given.mend is not None
    outcome, attempt = Outcome(), given.mend.attempt
    usage: dict[str, float] = {}
    try:
        proposal = researcher.propose(given)
        usage = proposal.usage
        new = {**given.mend.files, **proposal.files}
        reasons = change.check(given.files, new, list(editable), allowed_imports(given.session), given.tried)
        if new == given.mend.files:
            reasons = ["the mend changes nothing"]
    except (Exhausted, ResearcherFailed) as error:
        reasons = [str(error)]
    except Exception as error:
        reasons = [f"a defect of the researcher's: {error!r}"]
    if reasons:
        why = "; ".join(reasons)
        outcome.events.append(ev.MendFailed(at=time.time(), run=given.run, attempt=attempt, reason=why, usage=usage))
        return outcome
    outcome.files = new  # all of them: the crashed change may have touched what the mend does not
    outcome.events.append(_accepted(researcher, given, proposal, new, False, attempt))
    return outcome


def _accepted(
    researcher: Researcher, given: Brief, proposal: Proposal, new: dict[str, str], fallback: bool, attempt: int = 0
) -> ev.ChangeAccepted:
    description = " ".join(proposal.description.split()) or "a change without a description"
    flagged = "; ".join(str(found) for found in cheats.look(given.files, new) if found.severity == "flag")
    return ev.ChangeAccepted(
        at=time.time(),
        run=given.run,
        description=description[:500],
        asi={**proposal.asi, **({"flagged": flagged} if flagged else {})},
        fingerprint=change.fingerprint(new),
        params=proposal.params,
        net_lines=change.net_lines(given.files, new),
        usage=proposal.usage,
        researcher=researcher.name,
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
    hook = run_hook(given.session, "after", hook_payload(given, "after", experiment), environment)
    events: list[ev.AnyEvent] = [ev.Learnt(at=time.time(), run=experiment.run, asi=asi)]
    if hook.trouble:
        events.insert(0, ev.Trouble(at=time.time(), text=hook.trouble))
    return events, "\n".join(text for text in (hook.text, hook.trouble) if text)
