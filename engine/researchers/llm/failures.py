"""What went wrong with a model's API, told apart: every exception as a ResearcherFailed that the engine can act on."""

from collections.abc import Iterator

from pydantic_ai import exceptions as said

from engine.researchers.base import ResearcherFailed
from engine.researchers.llm.bounded import TooLong
from engine.session.inert import inert

_LONGEST = 300
_KINDS: tuple[tuple[type[Exception], str, str], ...] = (
    (said.ModelRateLimitError, "rate_limit", "asks to go slower (rate limit)"),
    (said.ModelQuotaExceededError, "rate_limit", "says that the account's quota or credit is used up"),
    (said.ModelOverloadedError, "server", "is overloaded"),
    (said.ModelUnavailableError, "server", "is not available just now"),
    (said.ModelServerError, "server", "failed with an error of its own"),
    (said.ModelAuthenticationError, "credentials", "does not accept the key"),
    (said.ModelNotFoundError, "missing", "has no such model, or researcher.base_url is wrong"),
    (said.ModelContextWindowExceededError, "failed", "finds the prompt too long: lower researcher.prompt_tokens"),
    (said.ModelRequestTimeout, "timeout", "did not answer in time"),
    (said.ModelTimeoutError, "timeout", "did not answer in time"),
    (said.ModelConnectionError, "network", "could not be reached, or the connection broke"),
    (said.ModelRequestRejectedError, "failed", "rejects the request"),
    (said.ContentFilterError, "refusal", "refused to answer"),
    (said.UsageLimitExceeded, "bad_answer", "went on looking things up and proposed nothing"),
    (said.OutputTokenLimitExceeded, "bad_answer", "was cut off by its limit of output tokens"),
    (said.UnexpectedModelBehavior, "bad_answer", "gave no usable answer"),
    (said.ModelAPIError, "server", "failed"),
    (said.UserError, "failed", "cannot be asked"),
)


def failure(error: BaseException, model: str) -> ResearcherFailed:
    """`error`, of asking `model`, for the operator; the first kind that fits. Without the usage."""
    chain = list(causes(error))
    if any(isinstance(each, TooLong) for each in chain):
        return ResearcherFailed(f"{model} sent an answer of endless length; it was cut off", kind="bad_answer")
    if isinstance(error, ImportError):
        told = f"{model} needs more than is installed ({error.name}): pip install 'overnight[llm]'"
        return ResearcherFailed(told, kind="missing")
    if any(isinstance(each, TimeoutError) for each in chain):
        return ResearcherFailed(f"{model} did not answer in time (researcher.timeout_s)", kind="timeout")
    for kind, name, told in _KINDS:
        if isinstance(error, kind):
            wait = getattr(error, "retry_after", None) or 0.0
            return ResearcherFailed(f"{model} {told}{_detail(error)}", kind=name, retry_after_s=float(wait))
    if any(type(each).__module__.partition(".")[0] in ("httpx2", "httpcore2", "httpx", "anyio") for each in chain):
        return ResearcherFailed(f"{model}: the connection broke{_detail(error)}", kind="network")
    return ResearcherFailed(f"{model} could not be asked{_detail(error)}", kind="failed")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and what it came from, the newest first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _detail(error: BaseException) -> str:
    """What the other side said of it, in brief."""
    body = error.body if isinstance(error, said.ModelAPIError) else None
    inner = body.get("error", body) if isinstance(body, dict) else body
    text = inner.get("message", "") if isinstance(inner, dict) else inner if isinstance(inner, str) else ""
    status = getattr(error, "status_code", None)
    text = " ".join(inert(str(text or getattr(error, "message", "") or error), newlines=True).split())
    if text and len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    told = ", ".join(part for part in (f"HTTP {status}" if status else "", text) if part)
    return f": {told}" if told else ""
