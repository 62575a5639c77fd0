"""The declarative base and the column types that every model shares.

Modules of models do without ``from __future__ import annotations``: SQLAlchemy would read each
column's type from its text, an eighth of what importing the models takes.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

PREFIX = "taskadmin_"


class Base(DeclarativeBase):
    """Base of taskadmin's models: metadata of its own, run through the host's session."""

    metadata = MetaData(
        # Every name begins with the table's, and so with taskadmin_.
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, always UTC: ``timestamptz``, on SQLite fixed-width text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; times in taskadmin are aware.")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            return value.replace(tzinfo=UTC)  # type: ignore[no-any-return]
        return value.astimezone(UTC)  # type: ignore[no-any-return]


def utc_now() -> datetime:
    """Now by this process's clock. The ledger uses the database's: ``store.clock``."""
    return datetime.now(UTC)


#: Ids of rows written by the launcher. SQLite counts up by itself only on INTEGER keys.
BigId = BigInteger().with_variant(Integer(), "sqlite")
