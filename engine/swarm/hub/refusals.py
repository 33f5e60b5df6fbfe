"""How a refusal goes over HTTP: its status by its code."""

from engine.swarm.api import SwarmError

STATUSES: dict[int, str] = {
    400: "not JSON, or not written so",
    401: "no signature, or one that does not fit",
    403: "not a member, revoked, or no invitation",
    404: "no such thing here",
    408: "the body did not come in time",
    409: "refused: out of bounds, another's claim, a name or id that is taken, a verdict that proves nothing",
    413: "too large",
    429: "too much at once",
    503: "the database does not answer; try again",
}

_BY_CODE = {
    "signature": 401,
    "member": 403,
    "revoked": 403,
    "invitation": 403,
    "missing": 404,
    "size": 413,
    "malformed": 400,
    "timeout": 408,
    "rate": 429,
    "unreachable": 503,
    "schema": 503,
    "database": 503,
    "mail": 503,
}


def status_of(error: SwarmError) -> int:
    """The status; whatever is not listed is a conflict."""
    return _BY_CODE.get(error.code, 409)
