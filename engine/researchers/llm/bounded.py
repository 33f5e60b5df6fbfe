"""An HTTP client for one conversation: with the operator's time limit, and answers of bounded size."""

from collections.abc import AsyncIterator

import httpx2

from engine.researchers.llm.provider import local

MOST_BYTES = 64 * 1024 * 1024
"""Of one response on the wire, where each token of a long answer comes in an envelope of some hundred bytes."""
MOST_TEXT = 2 * 1024 * 1024
"""Characters of one answer, its reasoning included."""
_CONNECT_S = 20.0


class TooLong(Exception):
    """A response went on beyond MOST_BYTES or MOST_TEXT."""


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream, self._left = stream, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._stream:
            self._left -= len(data)
            if self._left < 0:
                raise TooLong
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()


def client(timeout_s: float, url: str, most: int = MOST_BYTES) -> httpx2.AsyncClient:
    """A client for `url` ("" = a provider's own) that waits at most `timeout_s` for anything.

    A server on this machine is reached past the environment's proxies. Redirects are not followed: a key goes nowhere
    but where the settings say.
    """

    async def bound(response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream, most)

    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s)),
        trust_env=not local(url),
        verify=not url.startswith("http://"),  # loading the certificates takes 30 ms, and there plain HTTP needs none
        event_hooks={"response": [bound]},
    )
