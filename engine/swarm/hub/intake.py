"""Reading a call: its size, its time and its shape, before anything is done with it."""

import asyncio
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request

from engine.swarm.api import SwarmError
from engine.swarm.calls import MOST_BYTES
from engine.swarm.hub.routes import Route

DRAINED = 4 * MOST_BYTES
"""A body up to here is read to its end though it is refused, so that its sender hears why."""
BODY_S = 10.0
"""Seconds within which a body must have come."""


async def arguments(route: Route, request: Request) -> Any:
    """The call's arguments as its struct. Errors: SwarmError: "malformed", "size", "timeout"."""
    try:
        if route.method == "POST":
            return msgspec.convert(_whole(msgspec.json.decode(await _body(request))), route.takes)
        pairs = request.query_params.multi_items()
        found = dict(pairs)
        if len(found) != len(pairs):
            raise SwarmError("a parameter is given twice", "malformed")
        return msgspec.convert(found, route.takes, strict=False)
    except msgspec.ValidationError as error:
        raise SwarmError(f"not written so: {error}", "malformed") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SwarmError(f"not JSON: {error}", "malformed") from error
    except RecursionError as error:
        raise SwarmError("not JSON that can be read: nested too deeply", "malformed") from error


def _whole(call: Any) -> Any:
    """The call with 1.0 read as 1: to JSON Schema both are integers. What lies deeper is signed and stays as it is."""
    if not isinstance(call, dict):
        return call
    return {k: int(v) if isinstance(v, float) and v.is_integer() and abs(v) < 1 << 53 else v for k, v in call.items()}


async def _body(request: Request) -> bytes:
    """The body; of one that is too large no more than the limit is kept."""
    told = request.headers.get("content-length", "")
    too_large = SwarmError(f"the call has more than {MOST_BYTES} bytes", "size")
    if told.isdecimal() and int(told[:20]) > DRAINED:
        raise too_large
    found, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                size += len(part)
                if size > DRAINED:
                    raise too_large
                if size <= MOST_BYTES:
                    found += part
    except ClientDisconnect as error:
        raise SwarmError("the call broke off", "malformed") from error
    except TimeoutError as error:
        raise SwarmError(f"the call's body did not come within {BODY_S:g} s", "timeout") from error
    if size > MOST_BYTES:
        raise too_large
    return bytes(found)
