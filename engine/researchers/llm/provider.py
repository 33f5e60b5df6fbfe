"""From settings to a model that can be asked: which protocol, which server, which key, and no retries of its own."""

import ipaddress
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from engine.researchers.base import ResearcherFailed
from engine.session.settings import Researcher

if TYPE_CHECKING:
    import httpx2
    from pydantic_ai.models import Model as AnyModel

KEYS: Mapping[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "openai-responses": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
}
"""Protocols spoken, and the variables in which each one's key is looked for where researcher.key_env names none."""

NO_KEY = "none-needed"
"""Sent where a server of one's own wants no key: the protocols always carry one."""


class Chosen(msgspec.Struct, frozen=True):
    """Protocol, model's name, base URL ("" = the provider's own) and key."""

    protocol: str
    name: str
    base_url: str
    key: str


def choose(settings: Researcher, environment: Mapping[str, str] | None = None) -> Chosen:
    """What researcher.model, base_url and key_env come to. Errors: ResearcherFailed (settings, credentials).

    A key meant for a provider is never sent to another server: with base_url only key_env's is.
    """
    environment = os.environ if environment is None else environment
    protocol, _, name = settings.model.partition(":")
    if protocol not in KEYS or not name:
        raise ResearcherFailed(
            f"researcher.model is {settings.model!r}; allowed is PROTOCOL:MODEL with one of {', '.join(KEYS)},"
            " such as 'anthropic:claude-sonnet-4-5'. Set it: overnight edit researcher.model PROTOCOL:MODEL",
            kind="settings",
            lasting=True,
        )
    url = settings.base_url
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise ResearcherFailed(
            f"researcher.base_url is {url!r}; allowed is a URL such as 'http://127.0.0.1:8000/v1'."
            " Set it: overnight edit researcher.base_url URL",
            kind="settings",
            lasting=True,
        )
    names = (settings.key_env,) if settings.key_env else () if url else KEYS[protocol]
    key = next((value for each in names if (value := environment.get(each, "").strip())), "")
    if not key and (names and not (url and local(url))):
        raise ResearcherFailed(
            f"no key for {settings.model}: the engine's environment has no {' or '.join(names)}."
            " Set it before `overnight start`, or name another variable: overnight edit researcher.key_env NAME",
            kind="credentials",
            lasting=True,
        )
    return Chosen(protocol, name, url, key or NO_KEY)


def local(url: str) -> bool:
    """Whether `url` leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make(chosen: Chosen, client: "httpx2.AsyncClient") -> "AnyModel":
    """The model, speaking through `client`, every request made once."""
    from pydantic_ai.settings import ModelSettings

    url, once = chosen.base_url or None, ModelSettings(max_retries=0)
    if chosen.protocol == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        claude = AnthropicProvider(api_key=chosen.key, base_url=url, http_client=client)
        vars(claude.client)["auth_token"] = None  # else taken from the environment, and sent wherever base_url leads
        return AnthropicModel(chosen.name, provider=claude, settings=once)
    if chosen.protocol == "google":
        from pydantic_ai.models.google import GoogleModel
        from pydantic_ai.providers.google import GoogleProvider

        gemini = GoogleProvider(api_key=chosen.key, base_url=url, http_client=client)
        return GoogleModel(chosen.name, provider=gemini, settings=once)
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(api_key=chosen.key, base_url=url, http_client=client)
    if chosen.protocol == "openai-responses":
        return OpenAIResponsesModel(chosen.name, provider=provider, settings=once)
    return OpenAIChatModel(chosen.name, provider=provider, settings=once)
