"""The database: SQLite in one file or PostgreSQL, opened so that a swarm can rely on it."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, func, select
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from engine.swarm.api import SwarmError, Unreachable

BUSY_S, AGAIN_MS = 15.0, 25
"""How long SQLite waits for other writers, and after how long it begins to ask anew."""
STATEMENT_S = 15
"""How long PostgreSQL works on one statement, and for how long a transaction may stand idle: a hub that hangs in the
middle of one must not hold up the others."""
LOCK = 0x6F76_6E73
"""The advisory lock of `alone`."""
UNDEFINED_TABLE = "42P01"
"""PostgreSQL's name for it."""


def connect(url: str) -> Engine:
    """An engine for `sqlite:///FILE` or `postgresql://…`. Nothing is opened yet. Errors: SwarmError("database")."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed)
        if parsed.get_backend_name() == "postgresql":
            return _postgresql(parsed.set(drivername="postgresql+psycopg"))
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:  # without the address: it may
        raise SwarmError(f"the database's address cannot be used: {error}", "database") from error  # hold a password
    shown = parsed.render_as_string(hide_password=True)
    raise SwarmError(f"{shown}: a swarm lives in SQLite (sqlite:///FILE) or PostgreSQL (postgresql://…)", "database")


def in_file(path: Path) -> Engine:
    """An engine for a SQLite file, whatever its name holds."""
    return _sqlite(URL.create("sqlite", database=str(path)))


def _postgresql(url: URL) -> Engine:
    patience = {"connect_timeout": 5, "keepalives_idle": 10, "tcp_user_timeout": 20_000}
    engine = create_engine(url, pool_pre_ping=True, pool_size=8, max_overflow=8, pool_timeout=5, hide_parameters=True,
                           connect_args=patience)  # fmt: skip

    @event.listens_for(engine, "connect")
    def opened(connection: Any, _record: Any) -> None:
        connection.execute(f"SET statement_timeout = '{STATEMENT_S}s'")
        connection.execute(f"SET idle_in_transaction_session_timeout = '{STATEMENT_S}s'")
        connection.commit()

    return engine


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_S, "check_same_thread": False}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def opened(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own idea of a transaction's beginning is too late for us
        _insisting(connection, "PRAGMA journal_mode=WAL")  # of two who open a new file at once, one is refused at once
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        options, raw = connection.get_execution_options(), connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        if options.get("writes", False):
            # a lease that a power cut takes back ends with its holder; what was published must be there after it
            raw.execute(f"PRAGMA synchronous={'FULL' if options.get('durable', True) else 'NORMAL'}")
            _write(raw)
        else:
            raw.execute(f"PRAGMA busy_timeout={BUSY_S * 1000:.0f}")
            raw.execute("BEGIN")

    return engine


def _write(raw: sqlite3.Connection) -> None:
    """Take the writer's lock at once: two that read first and write then would both fail.

    SQLite itself asks ever more rarely, and among many writers one of them may starve: so it is made to begin anew.
    """
    raw.execute(f"PRAGMA busy_timeout={AGAIN_MS}")
    _insisting(raw, "BEGIN IMMEDIATE")


def _insisting(raw: sqlite3.Connection, statement: str) -> None:
    """Do it, again and again for BUSY_S where others are in the way. Errors: sqlite3.OperationalError."""
    deadline = time.monotonic() + BUSY_S
    while True:
        began = time.monotonic()
        try:
            raw.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(max(0.0, began + AGAIN_MS / 1000 - time.monotonic()))  # some refusals come without any waiting


@contextmanager
def transaction(engine: Engine, writes: bool, durable: bool = True) -> Iterator[Connection]:
    """A transaction, committed at its end; where it is not `durable`, SQLite may lose it in a power cut.

    Errors: Unreachable where the database does not do its work; SwarmError: "schema" (it holds no swarm), "bounds" (a
    value that it cannot hold).
    """
    try:
        with engine.connect().execution_options(writes=writes, durable=durable) as connection, connection.begin():
            yield connection
    except (DataError, UnicodeEncodeError, OverflowError) as error:
        raise SwarmError(
            "a text or number in this call is none that the swarm's database can hold", "bounds"
        ) from error
    except sqlite3.Error as error:  # as a transaction began: SQLAlchemy does not look there
        raise Unreachable(f"the swarm's database: {error}") from error
    except DBAPIError as error:
        error = _first(error)
        if getattr(error.orig, "sqlstate", None) == UNDEFINED_TABLE or "no such table" in str(error.orig):
            raise SwarmError("there is no swarm in this database; make one: overnight swarm init", "schema") from error
        raise Unreachable(f"the swarm's database: {str(error.orig).strip() or error}") from error
    except SQLAlchemyError as error:
        raise Unreachable(f"the swarm's database: {error}") from error


def _first(error: DBAPIError) -> DBAPIError:
    """What began the trouble: a full disk ends SQLite's transaction, and then its savepoints are missing too."""
    found, at = error, error.__context__
    while at is not None:
        found, at = at if isinstance(at, DBAPIError) else found, at.__context__
    return found


def alone(connection: Connection) -> None:
    """Until this transaction ends nobody else gets past here: PostgreSQL's writers wait, SQLite has one anyway.

    Records come in one after the other: their numbers are seen in order (readers of the feed miss none), and of two
    results of one change the second knows of the first. Member, then this, then claims: that order knows no deadlock.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
