"""The HTTP service: slows floods, reads a call, lets the store answer, and says every refusal as JSON."""

import time
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route as Path

from engine.swarm.api import SwarmError
from engine.swarm.hub import openapi, readers
from engine.swarm.hub.desk import Desk
from engine.swarm.hub.flood import Bucket
from engine.swarm.hub.intake import arguments
from engine.swarm.hub.messages import Refusal
from engine.swarm.hub.refusals import status_of
from engine.swarm.hub.routes import ROUTES, Route
from engine.swarm.store.store import Store

RATE, BURST = 50.0, 500.0
"""Calls a second of one address, and how many at once; a member's own limits are the store's (see Limits)."""

Handler = Callable[[Request], Awaitable[Response]]


def app(
    store: Store,
    version: str,
    open_reads: bool = False,
    rate: float = RATE,
    burst: float = BURST,
    desk: Desk | None = None,
) -> Starlette:
    """The service over `store`; with `open_reads` reading takes no signature. `rate` and `burst` are an address's."""
    bucket, desk = Bucket(rate, burst), desk or Desk()
    document, page = msgspec.json.encode(openapi.document(version, open_reads)), openapi.page(version)

    async def spec(_request: Request) -> Response:
        return Response(document, media_type="application/json")

    async def front(_request: Request) -> Response:
        return HTMLResponse(page)

    paths = [Path(r.path, _handler(r, store, bucket, desk, open_reads), methods=[r.method]) for r in ROUTES]
    paths += [Path("/openapi.json", spec), Path("/", front)]
    return Starlette(routes=paths, exception_handlers={HTTPException: _http, Exception: _defect})


def _handler(route: Route, store: Store, bucket: Bucket, desk: Desk, open_reads: bool) -> Handler:
    signed = not (route.open or open_reads)

    async def handle(request: Request) -> Response:
        try:
            if not bucket.take(request.client.host if request.client else "", time.monotonic()):
                raise SwarmError("too many calls from this address; slow down", "rate")
            if signed:  # before the arguments are looked at: a stranger learns nothing from what is wrong with them
                header, query = request.headers.get("authorization", ""), request.scope["query_string"]
                await desk.do(partial(readers.admit, store, header, route.path, query.decode("latin-1")))
            found = await arguments(route, request)
            answer = await desk.do(partial(route.call, store, found))
        except SwarmError as error:
            return refuse(status_of(error), str(error), error.code)
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return handle


def refuse(status: int, text: str, code: str) -> Response:
    """A refusal as JSON."""
    body = msgspec.json.encode(Refusal(error=text[:4000].encode("utf-8", "replace").decode(), code=code))
    headers = {401: {"www-authenticate": "Overnight"}, 429: {"retry-after": "1"}, 503: {"retry-after": "5"}}
    # what is left of a body that was refused unread must not be taken for the next call
    closing = {"connection": "close"} if status in (408, 413) else {}
    return Response(body, status, headers={**headers.get(status, {}), **closing}, media_type="application/json")


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    missing = error.status_code == 404
    text = "this hub has no such call; GET / lists its calls" if missing else str(error.detail)
    found = refuse(error.status_code, text, "missing" if missing else "method")
    for name, value in (error.headers or {}).items():
        found.headers[name] = value
    return found


async def _defect(_request: Request, error: Exception) -> Response:
    return refuse(500, f"a defect of the hub's: {type(error).__name__}", "defect")
