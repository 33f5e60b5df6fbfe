"""Why an agent brought no change: its ending and its own telling, sorted into the kinds the engine backs off by."""

import re
import time

from engine.researchers.agent.listening import Listener
from engine.researchers.base import ResearcherFailed
from engine.work.leash import Ending

_TELLS: tuple[tuple[str, str], ...] = (
    (
        "rate_limit",
        r"(?<!line )(?<![-/\w.])429(?![-/\w])|rate.?limit|too many requests|usage limit|quota"
        r"|resource.?exhausted|RESOURCE_EXHAUSTED"
        r"|hit your (?:\w+ )?limit|overloaded|(?<![-/\w.])529(?![-/\w])",
    ),
    (
        "credentials",
        r"(?<!line )(?<![-/\w.])40[13](?![-/\w])|unauthori[sz]ed|authenticat|api.?key|not logged in|log ?in\b|/login"
        r"|invalid.{0,10}token|credential|credit balance|missing environment variable"
        r"|permission.?denied.{0,20}key|auth method|set an auth",
    ),
    (
        "network",
        r"\b(?:ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT)\b|fetch failed"
        r"|connection (?:error|refused|reset|closed)|getaddrinfo|could not resolve|unable to connect"
        r"|socket hang up|network (?:error|is unreachable)"
        r"|error sending request|stream (?:disconnected|closed)|APIConnectionError|\bdns\b",
    ),
    (
        "server",
        r"(?<!line )(?<![-/\w.])5\d\d(?![-/\w])|server.?error|internal error|bad gateway"
        r"|service unavailable|UNAVAILABLE",
    ),
    ("refusal", r"\brefusal\b|content.?(?:policy|filter)|usage policy|safety"),
)
_REFUSES = re.compile(
    r"\bI(?:'m| am)? (?:can(?:no|')t|cannot|won't|will not|unable to|not able to|must decline)\b"
    r".{0,40}\b(?:help|assist|do|comply|continue|fulfil|make|with)|\bI decline\b|\bI(?:'m| am) sorry, but\b",
    re.IGNORECASE | re.DOTALL,
)
_WAIT = re.compile(
    r"(?:retry.?after|try again in|retry in|reset(?:s)? in|wait)\W{0,4}(\d+(?:\.\d+)?)\s*(ms|s|m|h)?", re.IGNORECASE
)
_EPOCH = re.compile(r"\|(1[6-9]\d{8}|2\d{9})\b")
_FACTORS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SHOWN = 300


def failure(title: str, ending: Ending, heard: Listener, errors: list[str], limit_s: float) -> ResearcherFailed | None:
    """What went wrong with a run of the agent called `title`, None when it ended well.

    `errors`: the last lines of its standard error. A message is one line for the operator.
    """
    # The reason stands at the end of what a program complains about, such as a traceback.
    told = " ".join(" ".join(heard.failures).split()) or _end(" ".join(" ".join(errors).split()))
    told = told or " ".join(heard.words.split()[-60:])
    said = f": {_cut(told)}" if told else ", without a word"
    if ending.cause == "not_started":
        return _failed(f"{title} could not be started: {ending.why}", "missing", heard)
    if ending.cause == "timeout":
        last = f"; the last that was heard of it: {_cut(told)}" if told else "; nothing was heard of it"
        # Some retry on and on: then what they retried is what there is to back off from.
        retried = " ".join([*heard.failures, *heard.notes, *errors])
        kind = told_kind(retried) if heard.failures or not heard.words else "exit"
        message = f"{title} was ended after its limit of {limit_s:.0f} s (researcher.timeout_s){last}"
        return _failed(message, "timeout" if kind == "exit" else kind, heard)
    if ending.cause != "exited":
        return _failed(f"{title} was ended from outside: {ending.why}", "failed", heard)
    if ending.exit_code == 127 and not heard.failures:
        return _failed(f"{title} is not there{said}", "missing", heard)
    if ending.clean and not heard.failures:
        return None
    kind = told_kind(" ".join([*heard.failures, *errors]) or heard.words)
    code = f"exit code {ending.exit_code}" if ending.exit_code is not None else f"signal {ending.signal}"
    return _failed(f"{title} failed ({code}){said}", kind, heard, told)


def unchanged(title: str, heard: Listener) -> ResearcherFailed:
    """The agent ended well and changed nothing: it refused, its service failed it quietly, or it had no idea."""
    words = _cut(" ".join(heard.words.split()))
    kind = told_kind(heard.words)
    if len(heard.words) < _SHOWN and kind in ("rate_limit", "credentials"):
        return _failed(f"{title} changed nothing; its last words: {words}", kind, heard, heard.words)
    said = f"; its last words: {words}" if words else ""
    if _REFUSES.search(heard.words):
        return _failed(f"{title} refused{said}", "refusal", heard)
    return _failed(f"{title} changed nothing{said}", "empty", heard)


def told_kind(text: str) -> str:
    """rate_limit, credentials, network, server or refusal where `text` tells so, else exit."""
    return next((kind for kind, tell in _TELLS if re.search(tell, text, re.IGNORECASE)), "exit")


def wait_of(text: str, now: float) -> float:
    """How long an error's text asks to wait, in seconds; 0 where it does not say."""
    if found := _EPOCH.search(text):
        return max(0.0, float(found[1]) - now)
    if found := _WAIT.search(text):
        return float(found[1]) * _FACTORS[(found[2] or "s").lower()]
    return 0.0


def _failed(message: str, kind: str, heard: Listener, told: str = "") -> ResearcherFailed:
    wait = (wait_of(told, time.time()) or heard.wait_s) if kind in ("rate_limit", "server") else 0.0
    return ResearcherFailed(message, kind=kind, retry_after_s=wait, usage=dict(heard.usage))


def _end(text: str) -> str:
    return text if len(text) <= _SHOWN else "…" + text[1 - _SHOWN :]


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
