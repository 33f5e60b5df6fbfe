"""Carrying out an order: into the engine's inbox, or without an engine through the verb that does the same."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.session import inbox
from engine.session.operator import operator
from engine.session.paths import SessionPaths
from tui.steering import Order

_VERB_S = 120.0
_ONLY_LOOKS = ("show", "swarm overview")


class Sent(NamedTuple):
    """What became of an order so far. `id` is the command's where it went to an engine; the journal tells the rest.

    `status` is "queued", "done" or "refused"; `text` a sentence.
    """

    status: str
    text: str
    id: str = ""


class Ran(NamedTuple):
    """What a verb printed: its exit code, its document, and its narration."""

    code: int
    document: dict[str, object]
    narration: str

    @property
    def sentence(self) -> str:
        """What to tell the operator."""
        for name in ("error", "answer"):
            text = self.document.get(name)
            if isinstance(text, str) and text:
                return text
        return self.narration.strip().removeprefix("overnight: ") or f"it ended with {self.code}"


async def send(
    paths: SessionPaths, order: Order, *, engine: bool, sending: Callable[[str], object] = lambda id: None
) -> Sent:
    """Carry out `order`. Errors come back as a refusal with the reason.

    `sending` is told the command's id before the engine can see it: its answer may be there before this returns.
    """
    if engine:
        command = inbox.request(order.kind, order.args, operator(), order.seen)
        sending(command.id)
        try:
            await asyncio.to_thread(inbox.send, paths.inbox, command)
        except OSError as error:
            return Sent("refused", f"{order.kind} was not sent: {paths.inbox}: {error.strerror or error}", command.id)
        return Sent("queued", order.said, command.id)
    if order.kind in inbox.NEED_ENGINE:
        return Sent("refused", f"no engine is running: there is nothing to {order.kind}")
    words = _words(order)
    ran = await run_verb(paths, *words, text=order.args["text"] if words[-1] == "-" else None)
    if ran.code == 0:
        return Sent("done", ran.sentence)
    return Sent("refused", f"{order.kind} refused: {ran.sentence}")


async def start(paths: SessionPaths) -> Ran:
    """Start an engine for the session; it detaches itself and outlives the console."""
    return await run_verb(paths, "start")


async def show(paths: SessionPaths, run: int) -> Ran:
    """Everything known about a run, with its diff."""
    return await run_verb(paths, "show", str(run))


async def overview(paths: SessionPaths) -> Ran:
    """What the session's swarm holds, and where the session stands with it."""
    return await run_verb(paths, "swarm", "overview")


async def adoption(paths: SessionPaths, result: str) -> Ran:
    """What adopting this result would bring; nothing is done."""
    return await run_verb(paths, "swarm", "adopt", result, "--dry-run")


def _words(order: Order) -> list[str]:
    if order.kind == "adopt":
        return ["swarm", "adopt", order.args["result"], "--yes"]
    if order.kind == "unsay":
        return ["say", "--take-back", order.args["id"]]
    words = [order.kind]
    if order.kind in ("revert", "keep"):
        words.append(order.args["run"])
    if order.kind == "note":
        words += ["--run", order.args["run"]]
    if "text" in order.args:
        words.append("-")  # the text goes by standard input, so that nothing in it is taken for an option
    return words


async def new(folder: Path, name: str, tier: str, data: str) -> Ran:
    """Make a session in the folder; its data may have to be fetched first, so it takes as long as it takes."""
    words = ["new", name, "--sessions", str(folder)]
    words += [word for option, value in (("--tier", tier), ("--data", data)) if value for word in (option, value)]
    return await run_words(*words, limit_s=None)


async def run_verb(paths: SessionPaths, *words: str, text: str | None = None) -> Ran:
    """Run `overnight WORDS` for the session in a process of its own and read what it printed."""
    return await run_words(*words, "-s", str(paths.root), text=text)


async def run_words(*words: str, text: str | None = None, limit_s: float | None = _VERB_S) -> Ran:
    """Run `overnight WORDS --json`; `text` is its standard input."""
    # -P: the working folder, which may be a session's, must not shadow our packages.
    command = [sys.executable, "-P", "-m", "engine.cli.front", *words, "--json"]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE if text is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return Ran(1, {}, f"overnight {words[0]} could not be run: {error}")
    try:
        given = text.encode() if text is not None else None
        out, told = await asyncio.wait_for(process.communicate(given), limit_s)
    except TimeoutError:
        process.kill()
        await process.wait()
        return Ran(1, {}, f"overnight {words[0]} did not end within {limit_s:.0f} s and was killed")
    except asyncio.CancelledError:
        if " ".join(words).startswith(_ONLY_LOOKS) or "--dry-run" in words:  # what acts goes on without us
            process._transport.close()  # type: ignore[attr-defined]  # kills it, and closes its pipes before the loop ends
        raise
    try:
        document = msgspec.json.decode(out, type=dict[str, object])
    except msgspec.DecodeError:
        document = {}
    return Ran(process.returncode or 0, document, told.decode("utf-8", "replace"))
