"""The database's clock, which every process that shares the ledger shares too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from ..models import UtcDateTime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class database_now(FunctionElement[datetime]):  # noqa: N801 - written like an SQL function
    """The database's time at this very statement, not at the start of the transaction."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(database_now)
def _default(element: Any, compiler: Any, **kw: Any) -> str:
    return "clock_timestamp()"


@compiles(database_now, "sqlite")
def _sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    # SQLite's clock has milliseconds; the zeros give the width that SQLAlchemy writes,
    # so that times compare as text.
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


class statement_now(FunctionElement[datetime]):  # noqa: N801
    """The database's time when it got this statement: the same wherever the statement says it.

    PostgreSQL only: SQLite's clock stands still during a statement anyway.
    """

    type = UtcDateTime()
    inherit_cache = True


@compiles(statement_now)
def _statement(element: Any, compiler: Any, **kw: Any) -> str:
    return "statement_timestamp()"


_NOW: Select[datetime] = select(database_now())


def now(database: Session | Connection) -> datetime:
    """The database's time, UTC; read it after locks are taken."""
    return database.execute(_NOW).scalar_one()


def slot_of(moment: datetime, interval_seconds: float) -> datetime:
    """Begin of the slot that *moment* lies in: slots count from 1970-01-01 UTC."""
    interval = timedelta(seconds=interval_seconds)
    return _EPOCH + (moment - _EPOCH) // interval * interval
