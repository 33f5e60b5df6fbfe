"""The researcher `llm`: asks a language model for one change, through whatever API the settings name."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from engine.researchers.base import Brief, Proposal, ResearcherFailed
from engine.researchers.credentials import redacted
from engine.researchers.llm.instructions import HOW
from engine.researchers.llm.provider import NO_KEY, choose
from engine.researchers.llm.transcript import Transcript
from engine.researchers.prompt import build, save
from engine.researchers.prompt.archive import Pages
from engine.researchers.prompt.size import tokens
from engine.researchers.search.lessons import result_text
from engine.session.settings import Settings
from engine.session.state import Experiment
from engine.work.constants import constants_only

if TYPE_CHECKING:
    from engine.researchers.llm.answer import Answer
    from engine.researchers.llm.conversation import Conversation

T = TypeVar("T")
_PAGE_LEAST = 500  # tokens; else all that is looked up may take as many as the prompt
_CLOSED = "the conversation was ended: the engine lets go of its researcher"


class Model:
    """One conversation per proposal; nothing is remembered but what the brief carries."""

    name = "llm"

    def __init__(self, session: Path, settings: Settings) -> None:
        # Both come anew with every brief: a setting edited while the loop runs holds from the next proposal on.
        self._lock = threading.Lock()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def propose(self, brief: Brief) -> Proposal:
        """One change. Errors: ResearcherFailed, its usage counting what was asked in vain."""
        settings = brief.settings.researcher
        chosen = choose(settings)
        prompt = build(brief, HOW, "what the tool `history` finds")
        try:
            from engine.researchers.llm.conversation import LOOKS, Conversation
        except ImportError as error:
            raise ResearcherFailed(
                f"the researcher llm needs more than is installed ({error.name}): pip install 'overnight[llm]'",
                kind="missing",
                lasting=True,
            ) from error
        secrets = (chosen.key,) if chosen.key != NO_KEY else ()

        def redact(text: str) -> str:
            return redacted(text, None, *secrets)

        pages = Pages((*brief.earlier, *brief.results), 3 * max(_PAGE_LEAST, settings.prompt_tokens // LOOKS))
        files = {**brief.files, **(brief.mend.files if brief.mend is not None else {})}
        try:
            save(brief.folder, prompt)
            with Transcript(brief.folder, redact) as log:
                talk = Conversation(chosen, files, list(brief.settings.scope.editable), pages, log)
                log.note(f"asked {settings.model}: a prompt of at most {tokens(prompt)} tokens (prompt.md)")
                try:
                    given, changed = self._run(talk.ask(prompt, settings.timeout_s))
                except ResearcherFailed as error:
                    told = redact(str(error))
                    log.note(f"failed ({error.kind}): {told}")
                    raise ResearcherFailed(told, error.kind, error.retry_after_s, talk.usage()) from None
                log.note(f"proposed: {given.description}")
        except OSError as error:
            raise ResearcherFailed(f"{brief.folder}: the prompt or its answer cannot be written: {error}") from error
        return _proposal(brief, given, {**files, **changed}, talk)

    def learn(self, brief: Brief, experiment: Experiment) -> dict[str, str]:
        """The result in words, from the figures; the model reads it in its next prompt."""
        champion = next((item for item in brief.results if item.run == experiment.champion), None)
        return {"result": result_text(experiment, champion, brief.metric)}

    def close(self) -> None:
        """End a conversation that is under way; propose then fails."""
        with self._lock:
            self._closed = True
            loop, task = self._loop, self._task
            if loop is not None and task is not None:
                loop.call_soon_threadsafe(task.cancel)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """`work` on a loop of its own, in this thread. Not asyncio.run, which at its end waits for name look-ups."""
        loop = asyncio.new_event_loop()
        try:
            with self._lock:
                if self._closed:
                    work.close()
                    raise ResearcherFailed(_CLOSED)
                self._loop, self._task = loop, loop.create_task(work)
            return cast(T, loop.run_until_complete(self._task))
        except asyncio.CancelledError:
            raise ResearcherFailed(_CLOSED) from None
        finally:
            with self._lock:
                self._loop = self._task = None
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


def _proposal(brief: Brief, given: "Answer", texts: dict[str, str], talk: "Conversation") -> Proposal:
    from engine.researchers.llm.answer import MOST_TEXT

    changed = {name: text for name, text in texts.items() if text != brief.files.get(name, "")}
    asi = {key: " ".join(text.split())[:MOST_TEXT] for key, text in given.asi.model_dump().items() if text.strip()}
    return Proposal(
        description=" ".join(given.description.split()),
        files=changed,
        asi=asi,
        params=constants_only(brief.files, {**brief.files, **changed}),
        answers={reply.id: " ".join(reply.text.split())[:MOST_TEXT] for reply in given.answers},
        usage=talk.usage(),
    )
