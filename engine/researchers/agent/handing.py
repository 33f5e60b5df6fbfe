"""How an agent hands in: what the prompt tells it to write, how that is read, and what stands in for it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from engine.researchers.agent.workplace import HANDED_IN
from engine.researchers.base import Brief
from engine.session.inert import inert
from engine.work.constants import constants_only

_MOST_BYTES = 256 * 1024
_MOST_TEXT = 2000
_MOST_KEYS = 20
_DESCRIPTION = 200

_ANSWER = """\
You work in a git work tree of your own, your current folder, which holds {base}. Change only {editable}: every other \
file is compared afterwards, and a change to one is refused. Do not run the benchmark and do not train: the engine \
measures your change, once, after you have ended. Do not commit; add no package and no file. Make one change, one \
idea; you have {minutes:g} minutes.

When the change is made, write the file {name} in this folder, a JSON object, and end:

{{
  "description": "one line: what you changed, with the values before and after",
  "asi": {{
    "hypothesis": "why this should help",
    "arch_change": "what of the model or the training it touches",
    "next_action_hint": "what to try next, if it works and if it does not"
  }},
  "answers": {{{answers}}}
}}

"answers" holds a sentence for each message of the operator, by the message's id."""


class HandedIn(NamedTuple):
    """What an agent said of its change. `usage` counts only where its program does not tell (see Proposal)."""

    description: str = ""
    asi: dict[str, str] = {}
    answers: dict[str, str] = {}
    usage: dict[str, float] = {}
    remarks: list[str] = []


def instructions(brief: Brief, limit_s: float) -> str:
    """The end of an agent's prompt."""
    base = "your change as it crashed" if brief.mend else f"the champion, run {brief.champion.run}"
    answers = ", ".join(f'"{message.id}": "…"' for message in brief.messages)
    editable = ", ".join(brief.settings.scope.editable)
    minutes = max(0.1, round(limit_s / 60, 1))
    return _ANSWER.format(base=base, editable=editable, minutes=minutes, name=HANDED_IN, answers=answers)


def read(folder: Path) -> HandedIn:
    """PROPOSAL.json as far as it can be read; a remark says what could not. Never raises."""
    try:
        handle = os.open(folder / HANDED_IN, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return HandedIn()
    except OSError as error:
        return HandedIn(remarks=[f"{HANDED_IN} cannot be read: {error.strerror}"])
    sheet = os.fstat(handle)
    if not stat.S_ISREG(sheet.st_mode) or sheet.st_size > _MOST_BYTES:
        os.close(handle)
        return HandedIn(remarks=[f"{HANDED_IN} is no ordinary file of at most {_MOST_BYTES // 1024} KiB; not read"])
    with os.fdopen(handle, "rb") as file:
        data = file.read()
    try:
        found: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return HandedIn(remarks=[f"{HANDED_IN} is not JSON: {error}"])
    if not isinstance(found, dict):
        return HandedIn(remarks=[f"{HANDED_IN} holds no JSON object"])
    usage = found.get("usage")
    counted = {
        name: float(value)
        for name, value in (usage.items() if isinstance(usage, dict) else ())
        if name in ("cost_usd", "input_tokens", "output_tokens")
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value < 1e12
    }
    return HandedIn(
        description=_line(found.get("description"))[:_MOST_TEXT],
        asi=_texts(found.get("asi")),
        answers=_texts(found.get("answers")),
        usage=counted,
    )


def describe(words: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """A description for a change that came without one: its constants, else its maker's last words, else its size."""
    if changed := constants_only(old, {**old, **new}):
        return ", ".join(f"{name} {before} → {after}" for name, (before, after) in changed.items())[:_DESCRIPTION]
    first = re.split(r"(?<=[.!?])\s|\n", words.strip(), maxsplit=1)[0]
    if first := " ".join(inert(first).split()):
        return first[:_DESCRIPTION]
    sizes = ", ".join(
        f"{name} ({abs(_lines(text) - _lines(old.get(name, '')))} lines)"
        for name, text in new.items()
        if text != old.get(name, "")
    )
    return f"an edit of {sizes}, without a word"


def _lines(text: str) -> int:
    return len(text.splitlines())


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    pairs = [(_line(key)[:80], _plain(item)[:_MOST_TEXT]) for key, item in value.items()]
    return {key: text for key, text in pairs[:_MOST_KEYS] if key and text}


def _plain(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return inert(text.strip(), newlines=True)


def _line(value: Any) -> str:
    return " ".join(_plain(value).split())
