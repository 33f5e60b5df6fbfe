"""Stores to try: one in a SQLite file, one in PostgreSQL (started once, its one database emptied for each test)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.swarm.store.database import connect
from engine.swarm.store.store import Limits, Store
from tests.swarm.postgres import Server, server

FAST = Limits(rate=1e6, burst=1e6)
"""For tests that are about something else than floods."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; the test is skipped without one."""
    with server() as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'swarm.db'}"
    found: Server = request.getfixturevalue("postgres")
    return found.emptied()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A swarm in it."""
    found = Store(connect(url), FAST)
    found.create("lab")
    yield found
    found.engine.dispose()
