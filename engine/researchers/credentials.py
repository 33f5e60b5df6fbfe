"""Credentials in the environment: which variables hold them, and their values hidden wherever text leaves a process."""

import os
import re
from collections.abc import Mapping

HIDDEN = "[hidden]"
_NAMES = re.compile(
    r"(?:^|_)(?:API_?KEYS?|ACCESS_KEY(?:_ID)?|SECRET(?:_ACCESS)?_KEY|PRIVATE_KEY|KEY|TOKENS?|SECRET|PASSWORD|PASSWD|PAT|AUTH"
    r"|CREDENTIALS?)$",
    re.IGNORECASE,
)
_LEAST = len(HIDDEN)  # shorter values are words that occur anywhere; the sign must never be longer than what it hides


def is_credential(name: str) -> bool:
    """Whether a variable of that name holds a secret, by its last words: OPENAI_API_KEY, HF_TOKEN, DB_PASSWORD …"""
    return bool(_NAMES.search(name))


def redacted(text: str, environment: Mapping[str, str] | None = None, *more: str) -> str:
    """`text` without the values of credential variables (of os.environ by default) and of `more`; never longer."""
    environment = os.environ if environment is None else environment
    values = {value.strip() for name, value in environment.items() if is_credential(name)} | set(more)
    for value in sorted(values, key=lambda value: (-len(value), value)):
        if len(value) >= _LEAST and value in text:
            text = text.replace(value, HIDDEN)
    return text
