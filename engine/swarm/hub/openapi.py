"""The OpenAPI 3.1 document, made from the table of calls: it cannot say anything else than what is done."""

from html import escape
from typing import Any

import msgspec

from engine.swarm.hub.messages import Refusal
from engine.swarm.hub.refusals import STATUSES
from engine.swarm.hub.routes import ROUTES, Route

REF = "#/components/schemas/{name}"


def document(version: str, open_reads: bool = False) -> dict[str, Any]:
    """The document as plain data, of a hub whose reads need a signature or not."""
    types = [t for route in ROUTES for t in (route.takes, route.gives)] + [Refusal]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    paths: dict[str, Any] = {}
    for at, route in enumerate(ROUTES):
        taken, given = schemas[2 * at], schemas[2 * at + 1]
        paths[route.path] = {
            route.method.lower(): _operation(
                route, taken, given, components, schemas[-1], not (route.open or open_reads)
            )
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "overnight swarm hub", "version": version, "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "member": {"type": "apiKey", "in": "header", "name": "Authorization", "description": SIGNED}
            },
        },
    }


ABOUT = (
    "A memory that many sessions share. Whatever is written is signed by its author's ed25519 key over canonical"
    " JSON; whoever reads checks the signatures again."
)
SIGNED = (
    "Overnight MEMBER:AT:SIGNATURE. MEMBER is the sha256 of the public key (hex), AT unix seconds, SIGNATURE (hex) the"
    " key's over the canonical JSON of {call: read, swarm, member, at, path, query}, at, path and query as texts."
)


def _operation(
    route: Route,
    taken: dict[str, Any],
    given: dict[str, Any],
    components: dict[str, Any],
    refusal: dict[str, Any],
    signed: bool,
) -> dict[str, Any]:
    answers = {str(status): _answer(why, refusal) for status, why in STATUSES.items()}
    found: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "responses": {"200": _answer("the answer", given), **answers},
    }
    if signed:
        found["security"] = [{"member": []}]
    if route.method == "POST":
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": taken}}}
        return found
    struct = components[taken["$ref"].rsplit("/", 1)[-1]]
    found["parameters"] = [
        {"name": name, "in": "query", "required": name in struct.get("required", ()), "schema": schema}
        for name, schema in struct.get("properties", {}).items()
    ]
    return found


def _answer(why: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": why, "content": {"application/json": {"schema": schema}}}


def page(version: str) -> str:
    """A page for people: the calls and where the document is. No script, nothing from elsewhere."""
    rows = "".join(
        f"<tr><td>{route.method}</td><td><code>{escape(route.path)}</code></td><td>{escape(route.summary)}</td></tr>"
        for route in ROUTES
    )
    return (
        "<!doctype html><meta charset=utf-8><title>overnight swarm hub</title>"
        "<style>body{font:16px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}"
        "td{padding:.2rem 1rem .2rem 0;vertical-align:top}</style>"
        f"<h1>overnight swarm hub {escape(version)}</h1><p>{escape(ABOUT)}</p>"
        f"<p>For programs: <a href=/openapi.json>/openapi.json</a></p><table>{rows}</table>"
    )
