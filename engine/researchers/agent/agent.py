"""A coding agent as a researcher: given a prompt and a work tree of its own, asked again where it went astray."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import threading
import time
from pathlib import Path

import msgspec

from engine.researchers import prompt
from engine.researchers.agent import credentials, handing, running
from engine.researchers.agent.confinement import confined, is_confined
from engine.researchers.agent.failure import failure, unchanged
from engine.researchers.agent.listening import Listener
from engine.researchers.agent.livelog import LiveLog
from engine.researchers.agent.preset import chosen, in_session
from engine.researchers.agent.workplace import Found, Replaced, Workplace, clear
from engine.researchers.base import Brief, Proposal, ResearcherFailed
from engine.researchers.prompt import archive
from engine.researchers.search.lessons import result_text
from engine.session.cookie import cookie, session_id
from engine.session.inert import inert
from engine.session.paths import SessionPaths
from engine.session.settings import Settings
from engine.session.state import Experiment
from engine.work import contract, leash
from engine.work.constants import constants_only
from engine.work.plumbing import GitTrouble

ASKS = 3
"""How often an agent is asked within one proposal: once, and again where it changed what it may not."""

_LEAST_S = 1.0  # with less time than this left it is not asked again


class Agent:
    """The agent that the settings name, for the session at `session`. Errors: ResearcherFailed where there is none."""

    def __init__(self, session: Path, settings: Settings) -> None:
        self.name, preset = chosen(settings.researcher)
        self._preset = in_session(preset, session)
        self._paths = SessionPaths(session)
        self._settings = settings
        self._lock = threading.Lock()
        self._child: leash.Leashed | None = None
        self._closed = False
        self._folder = self._paths.private / "agent"
        clear(self._folder)

    def propose(self, brief: Brief) -> Proposal:
        """One change, made in a work tree that is gone afterwards. Errors: ResearcherFailed."""
        given = brief.settings.researcher
        environment = credentials.environment(os.environ, self._preset, given)
        if is_confined(brief.settings):
            environment.update(self._preset.confined_environment)
        self._check_installed(environment.get("PATH"))
        log = LiveLog(brief.folder, credentials.values(self._preset, given))
        try:
            return self._propose(brief, environment, log)
        except ResearcherFailed as error:
            told = log.hidden(str(error))
            log.write(f"✗ {told}")
            raise ResearcherFailed(told, error.kind, error.retry_after_s, error.usage, error.lasting) from None
        except Replaced as error:
            raise ResearcherFailed(log.hidden(str(error)), "bad_answer") from error
        except (GitTrouble, OSError, leash.LeashError) as error:
            raise ResearcherFailed(log.hidden(f"{self.name} got no work tree of its own: {error}")) from error
        finally:
            log.close()

    def learn(self, brief: Brief, experiment: Experiment) -> dict[str, str]:
        """The result in words; the agent reads it in its next prompt."""
        against = next((one for one in brief.results if one.run == experiment.champion), None)
        return {"result": result_text(experiment, against, brief.metric)}

    def close(self) -> None:
        """End the agent if one runs, with all that it started."""
        with self._lock:
            self._closed = True
            if self._child is not None:
                self._child.terminate("it is not waited for any more")

    def _hold(self, child: leash.Leashed | None) -> None:
        with self._lock:
            self._child = child
            if child is not None and self._closed:
                child.terminate("it is not waited for any more")

    def _check_installed(self, path: str | None) -> None:
        program = self._preset.program
        if shutil.which(program, path=path) is None:
            mend = f"install it: {self._preset.install}" if self._preset.install else "correct researcher.command"
            told = f"{program} is not installed, or not on the engine's PATH; {mend}"
            raise ResearcherFailed(told, "missing", lasting=True)

    def _propose(self, brief: Brief, environment: dict[str, str], log: LiveLog) -> Proposal:
        limit_s = brief.settings.researcher.timeout_s
        deadline = time.monotonic() + limit_s
        start = {**brief.files, **(brief.mend.files if brief.mend else {})}
        editable = brief.settings.scope.editable
        # An agent that is not waited for any more may still be leaving the folder that it had.
        folder = self._folder / f"{brief.run:04d}-{secrets.token_hex(3)}"
        usage: dict[str, float] = {}
        refusals = list(brief.refusals)
        leaves = (*self._preset.leaves, archive.NAME)
        with Workplace(brief.session, brief.champion.commit, start, editable, folder, leaves) as place:
            known = log.hidden(archive.whole((*brief.earlier, *brief.results)))
            (place.folder / archive.NAME).write_text(known, encoding="utf-8")
            for ask in range(1, ASKS + 1):
                left = deadline - time.monotonic()
                asked = msgspec.structs.replace(brief, refusals=tuple(refusals))
                how = handing.instructions(brief, left)
                text = log.hidden(prompt.build(asked, how, f"{archive.NAME} (a JSON object a line) in your folder"))
                heard, reason = self._ask(text, brief, place, environment, log, left)
                handed = handing.read(place.folder)
                _add(usage, heard.usage or handed.usage)
                if isinstance(reason, ResearcherFailed):
                    reason.usage = usage
                    raise reason
                found = place.look()
                if not (reasons := _reasons(found, log)):
                    return self._proposal(brief.files, start, found, heard, handed, usage, log)
                log.write(f"! refused: {'; '.join(reasons)}")
                place.put_back(found)
                if ask == ASKS or deadline - time.monotonic() < _LEAST_S:
                    break
                still = ", ".join(found.files) or "nothing"
                refusals += [
                    f"{text}. That was undone; your work tree still has your change of {still}" for text in reasons
                ]
        raise ResearcherFailed(
            f"{self.name} did not keep to its scope when asked {ask} times: {'; '.join(reasons)}",
            "bad_answer",
            usage=usage,
        )

    def _ask(
        self, text: str, brief: Brief, place: Workplace, environment: dict[str, str], log: LiveLog, limit_s: float
    ) -> tuple[Listener, ResearcherFailed | None]:
        """Let it run once; what was heard of it, and why it brought nothing."""
        heard = Listener(self._preset)
        given = brief.settings
        path = prompt.save(brief.folder, text)
        fixed = [] if is_confined(given) else [*given.scope.pinned, *given.scope.editable]
        before = contract.hashes(brief.session, fixed)

        def listen(line: str) -> None:
            for shown in heard.hear(line):
                log.write(shown)

        argv = confined(
            self._preset.command(given.researcher, str(path), given.scope.editable), self._preset, place, given
        )
        log.write(f"— {self._preset.title}, run {brief.run}, {time.strftime('%H:%M:%S')}")
        ending, errors = running.run(
            argv,
            folder=place.folder,
            env={**environment, "PWD": str(place.folder)},  # some programs believe it more than their folder
            prompt=path,
            limit_s=limit_s,
            cookie=cookie(session_id(self._paths.root), brief.run, 0),
            hold=self._hold,
            out=listen,
            err=lambda line: log.write(f"! {line}"),
        )
        for line in heard.rest():
            log.write(line)
        if failed := failure(self.name, ending, heard, errors, limit_s):
            return heard, failed
        after = contract.hashes(brief.session, fixed)
        if touched := [name for name in fixed if before.get(name) != after.get(name)]:
            where = f"in {brief.session} itself, outside of its work tree"
            why = f"while {self.name} worked, {', '.join(touched)} changed {where}"
            return heard, ResearcherFailed(f"{why}; `git -C {brief.session} diff` shows it", "bad_answer")
        found = place.look()
        if not found.files and not found.outside and not found.unusable:
            return heard, unchanged(self.name, heard)
        return heard, None

    def _proposal(
        self,
        champion: dict[str, str],
        start: dict[str, str],
        found: Found,
        heard: Listener,
        handed: handing.HandedIn,
        usage: dict[str, float],
        log: LiveLog,
    ) -> Proposal:
        words = log.hidden(heard.words)
        asi = {key: log.hidden(text) for key, text in handed.asi.items()}
        if "hypothesis" not in asi and words.strip():
            asi["hypothesis"] = " ".join(words.split())[:500]
        remarks = [log.hidden(text) for text in handed.remarks]
        if found.added:
            remarks.append(inert(f"left behind and not taken: {', '.join(found.added)[:300]}"))
        return Proposal(
            description=log.hidden(handed.description) or handing.describe(words, champion, {**start, **found.files}),
            files={**start, **found.files},
            asi=asi,
            params=constants_only(champion, {**champion, **start, **found.files}),
            answers={key: log.hidden(text) for key, text in handed.answers.items()},
            remarks=remarks,
            usage=usage,
        )


def _reasons(found: Found, log: LiveLog) -> list[str]:
    """Why what was found cannot be taken, in words for the agent."""
    reasons = list(found.unusable)
    if found.outside:
        reasons.append(f"you changed {', '.join(found.outside)[:500]}, which is not yours to change")
    used = [name for name in found.added if any(_needs(text, name) for text in found.files.values())]
    if used:
        reasons.append(
            f"your change needs {', '.join(used)[:500]}, and no file can be added: put it into the files you may change"
        )
    if secret := [name for name, text in found.files.items() if log.hidden(text) != text]:
        reasons.append(f"{', '.join(secret)} holds the value of a credential; take it out")
    return reasons


def _needs(text: str, name: str) -> bool:
    """Whether `text` has the file's name in quotes, or imports it."""
    last = Path(name).name
    named = rf"""["'/]{re.escape(last)}["']"""
    imported = rf"^\s*(?:from|import)\b.*\b{re.escape(last.removesuffix('.py'))}\b" if last.endswith(".py") else named
    return re.search(f"{named}|{imported}", text, re.MULTILINE) is not None


def _add(total: dict[str, float], more: dict[str, float]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0.0) + value
