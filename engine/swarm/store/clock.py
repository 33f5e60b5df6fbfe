"""The store's own clock, as SQL: what members say of the time decides nothing."""

from sqlalchemy import Float, literal_column
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

UNIX_EPOCH = 2440587.5
"""1970-01-01 as a Julian day."""


def now(connection: Connection) -> ColumnElement[float]:
    """Unix seconds at this statement."""
    if connection.dialect.name == "sqlite":
        return literal_column(f"((julianday('now') - {UNIX_EPOCH}) * 86400.0)", Float)
    return literal_column("CAST(extract(epoch FROM clock_timestamp()) AS double precision)", Float)
