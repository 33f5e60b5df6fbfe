"""One conversation with a model: asked once, told what is wrong with its answer, up to three times; usage counted."""

import asyncio
import json
from collections.abc import AsyncIterable, Mapping

from pydantic import ValidationError
from pydantic_ai import Agent, ModelRetry, RunContext, TextOutput, Tool, ToolOutput, capture_run_messages
from pydantic_ai.messages import (
    AgentStreamEvent,
    ModelMessage,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
)
from pydantic_ai.usage import RunUsage, UsageLimits

from engine.researchers.base import ResearcherFailed
from engine.researchers.llm import answer as forms
from engine.researchers.llm.bounded import MOST_TEXT, TooLong, client
from engine.researchers.llm.edits import EditRefused, applied
from engine.researchers.llm.failures import causes, failure
from engine.researchers.llm.provider import Chosen, make
from engine.researchers.llm.transcript import Transcript, Unescaped
from engine.researchers.prompt.archive import Pages

CORRECTIONS = 3
"""How often an answer that cannot be used goes back to the model with the reason."""
LOOKS = 8
"""How often it may look up earlier results."""
_REQUESTS = 2 * LOOKS + CORRECTIONS + 1  # it may go on asking in vain for a while after its last look


class Conversation:
    """Asks the `chosen` model to change `files`, with `pages` to look things up; `usage` counts failures too."""

    def __init__(
        self, chosen: Chosen, files: Mapping[str, str], editable: list[str], pages: Pages, log: Transcript
    ) -> None:
        self._chosen, self._files, self._editable, self._pages, self._log = chosen, files, editable, pages, log
        self._model = f"{chosen.protocol}:{chosen.name}"
        self._used = RunUsage()
        self._messages: list[ModelMessage] = []
        self._answers = self._looks = 0
        self._looking = False
        """Whether the answer that has begun goes on after it looked something up."""
        self._unusable: ResearcherFailed | None = None
        """What was wrong with the last answer."""

    async def ask(self, prompt: str, timeout_s: float) -> tuple[forms.Answer, dict[str, str]]:
        """The answer and the new texts of the files that it changes. Errors: ResearcherFailed."""
        try:
            async with client(timeout_s, self._chosen.base_url) as http:
                agent: Agent[object, forms.Answer] = Agent(
                    make(self._chosen, http),
                    output_type=[
                        ToolOutput(forms.Answer, name="propose", description="Propose one change."),
                        TextOutput(self._from_text),
                    ],
                    retries={"output": CORRECTIONS, "tools": CORRECTIONS},
                    tools=[Tool(self._look_up, name="history", sequential=True)],
                )
                async with asyncio.timeout(timeout_s):
                    return await self._ask(agent, prompt)
        except Exception as error:
            raise self._told(error) from error

    async def _ask(self, agent: Agent[object, forms.Answer], prompt: str) -> tuple[forms.Answer, dict[str, str]]:
        found: dict[str, str] = {}

        @agent.output_validator
        def check(given: forms.Answer) -> forms.Answer:
            found.clear()
            found.update(self._applied(given))
            return given

        with capture_run_messages() as self._messages:
            result = await agent.run(
                prompt,
                usage=self._used,
                usage_limits=UsageLimits(request_limit=_REQUESTS),
                event_stream_handler=self._listen,
            )
        return result.output, found

    def _look_up(self, query: str = "", page: int = 1) -> str:
        """Look up earlier experiments whole: description, reasoning, figures, verdict; newest first.

        Args:
            query: words that must all occur in a result, or a run's number, or runs such as 120-140; "" finds all
            page: which page of what was found, from 1
        """
        self._looks += 1
        self._looking = True
        self._log.note(f"looks up {query!r}, page {page}")
        if self._looks > LOOKS:
            return f"You have looked up results {LOOKS} times, which is all that is allowed. Propose a change now."
        return self._pages.page(query, page)

    def _told(self, error: Exception) -> ResearcherFailed:
        """`error` for the operator, with what was wrong with the last answer where that is the reason."""
        if isinstance(error, ResearcherFailed):
            return error
        told = failure(error, self._model)
        if told.kind != "bad_answer":
            return told
        for cause in causes(error):
            if isinstance(cause, ValidationError):
                self._again(forms.told(cause), "bad_answer")
        return self._unusable or told

    def _from_text(self, context: RunContext[object], text: str) -> forms.Answer:
        last = context.messages[-1] if context.messages else None
        if isinstance(last, ModelResponse) and last.finish_reason == "content_filter":
            said = " ".join(text.split())[:300]
            raise ResearcherFailed(f"{self._model} refused to answer: {said}", kind="refusal")
        try:
            return forms.from_text(text)
        except forms.NoAnswer as error:
            raise self._again(str(error), "bad_answer") from error

    def _applied(self, given: forms.Answer) -> dict[str, str]:
        try:
            return applied(self._files, given.edits, self._editable)
        except EditRefused as error:
            raise self._again(str(error), "empty" if error.empty else "bad_answer") from error

    def _again(self, reason: str, kind: str) -> ModelRetry:
        self._log.note(f"sent back: {reason}")
        told = " ".join(reason.split())[:600]
        self._unusable = ResearcherFailed(f"{self._model} gave no usable answer in {self._answers} tries: {told}", kind)
        return ModelRetry(reason)

    async def _listen(self, context: RunContext[object], events: AsyncIterable[AgentStreamEvent]) -> None:
        readable, heard, begun = Unescaped(), 0, False
        async for event in events:
            if isinstance(event, PartStartEvent) and not begun:
                begun, goes_on, self._looking = True, self._looking, False
                self._answers += not goes_on
                self._unusable = None
                if self._answers > 1 and not goes_on:
                    self._log.note(f"answer {self._answers}; the one before could not be used")
            if isinstance(event, PartStartEvent):
                self._log.end()
                readable = Unescaped()
            text, coded = _said(event)
            heard += len(text)
            if heard > MOST_TEXT:
                raise TooLong
            self._log.stream(readable.piece(text) if coded else text)
        self._log.end()

    def usage(self) -> dict[str, float]:
        """input_tokens, output_tokens, and cost_usd where the model's price is known."""
        found = {"input_tokens": float(self._used.input_tokens), "output_tokens": float(self._used.output_tokens)}
        if not any(found.values()):
            return {}
        responses = [message for message in self._messages if isinstance(message, ModelResponse)]
        try:
            found["cost_usd"] = sum(float(response.cost().total_price) for response in responses)
        except (LookupError, ValueError):
            pass  # a local model, or one without a price list
        return found


def _said(event: AgentStreamEvent) -> tuple[str, bool]:
    """The text that an event brings, and whether it is JSON (a tool's arguments)."""
    about: object = None
    if isinstance(event, PartStartEvent):
        about = event.part
    elif isinstance(event, PartDeltaEvent):
        about = event.delta
    if isinstance(about, TextPart | ThinkingPart):
        return about.content, False
    if isinstance(about, TextPartDelta | ThinkingPartDelta):
        return about.content_delta or "", False
    if isinstance(about, ToolCallPart | ToolCallPartDelta):
        arguments = about.args if isinstance(about, ToolCallPart) else about.args_delta
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        return arguments or "", True
    return "", False
