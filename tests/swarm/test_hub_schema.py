"""The hub against its own OpenAPI document: what it says it takes it takes, and it answers as it says."""

from itertools import product
from typing import Any

import hypothesis
import msgspec
import pytest
import schemathesis

from engine.swarm import calls
from engine.swarm.canonical import NotCanonical
from engine.swarm.hub import openapi
from engine.swarm.hub.app import app
from engine.swarm.hub.desk import Desk
from engine.swarm.hub.routes import ROUTES
from engine.swarm.keys import KeyPair
from engine.swarm.records import Change, Klass, Record
from engine.swarm.store.store import Store
from tests.swarm.actor import Actor

HEALTHY = [
    hypothesis.HealthCheck.filter_too_much,
    hypothesis.HealthCheck.data_too_large,
    hypothesis.HealthCheck.too_slow,
]

EMPTY = {route.path for route in ROUTES if not msgspec.structs.fields(route.takes)}
SIGNED = ["/v1/publish", "/v1/claim", "/v1/renew", "/v1/release"]
NAMES = [route.name for route in ROUTES]
BOTH = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


def schema(store: Store, open_reads: bool) -> Any:
    """What schemathesis makes of the document."""
    service = app(store, "0", open_reads, 1e6, 1e6, Desk())
    return schemathesis.openapi.from_asgi("/openapi.json", service)


def run(wanted: Any, examples: int, prepare: Any = None, many: int = len(ROUTES)) -> set[int]:
    """Every call, each with so many sets of arguments, all of schemathesis's checks; the statuses seen."""
    seen: set[int] = set()
    count = 0
    for found, mode in product(wanted.get_all_operations(), BOTH):
        operation = found.ok()
        count += 1
        if mode is BOTH[1] and operation.path in EMPTY:
            continue  # without arguments there are no wrong ones

        @hypothesis.settings(max_examples=examples, deadline=None, database=None, suppress_health_check=HEALTHY)
        @hypothesis.seed(1)
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            if prepare is not None:
                prepare(case)
            seen.add(case.call_and_validate().status_code)

        ask()
    assert count == len(BOTH) * many
    return seen


def test_whatever_the_document_allows_is_answered_as_it_says(store: Store) -> None:
    seen = run(schema(store, open_reads=True), 4)
    assert 200 in seen and 500 not in seen and 503 not in seen


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_hub_whose_reads_need_a_signature_says_so(store: Store) -> None:
    seen = run(schema(store, open_reads=False), 2)
    assert 401 in seen and 500 not in seen


def test_what_a_member_signs_is_answered_in_order_whatever_it_is(store: Store) -> None:
    """The same, but signed by a member: the arguments get past the door."""
    key = KeyPair.make()
    amy = Actor(store, "amy", key)
    amy.join(store.invite())

    def sign(case: Any) -> None:
        body = case.body
        if not isinstance(body, dict):
            return
        try:
            if case.operation.path == "/v1/publish":
                record = msgspec.convert(body["record"], Record)
                record = msgspec.structs.replace(record, swarm=amy.id)
                body["record"] = msgspec.to_builtins(key.signed(record))
            elif case.operation.path == "/v1/claim":
                wanted, klass = msgspec.convert(body["change"], Change), msgspec.convert(body["klass"], Klass)
                said = calls.claiming(amy.id, key.member, body["id"], body["at"], wanted, klass)
                body.update(member=key.member, signature=key.sign(said))
            elif case.operation.path in ("/v1/renew", "/v1/release"):
                held = body["claim"], body["token"], body["at"]
                said = calls.holding(case.operation.path[4:], amy.id, key.member, *held)
                body.update(member=key.member, signature=key.sign(said))
        except (msgspec.ValidationError, NotCanonical, KeyError, TypeError, ValueError, OverflowError):
            return  # it says something that no member could sign; as it is then

    wanted = schema(store, open_reads=True).include(path=SIGNED)
    seen = run(wanted, 10, sign, len(SIGNED))
    assert {200, 409} <= seen and 500 not in seen and 503 not in seen


def test_the_document_names_every_call_and_its_page_needs_nothing_else() -> None:
    document = openapi.document("1.2.3")
    assert document["openapi"] == "3.1.0" and document["info"]["version"] == "1.2.3"
    assert set(document["paths"]) == {route.path for route in ROUTES}
    assert {"connect", "join", "verify", "claim", "renew", "publish", "best_result", "results"} < set(NAMES)
    assert {"hypotheses", "insights", "leaderboard", "feed"} < set(NAMES)
    for route in ROUTES:
        operation = document["paths"][route.path][route.method.lower()]
        assert bool(operation.get("security")) != route.open
        assert "security" not in openapi.document("1", open_reads=True)["paths"][route.path][route.method.lower()]
    page = openapi.page("<1>")
    assert "&lt;1&gt;" in page and "http://" not in page and "https://" not in page and "<script" not in page
    assert all(route.path in page for route in ROUTES)
