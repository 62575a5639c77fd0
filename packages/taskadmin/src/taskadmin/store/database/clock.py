"""The database's clock, shared by every process that uses the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Double, Select, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from ...models import UtcDateTime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class database_now(FunctionElement[datetime]):  # noqa: N801 - written like an SQL function
    """The current time in the database: of this statement, not of the transaction's start."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(database_now)
def _default(element: object, compiler: object, **kw: object) -> str:
    return "clock_timestamp()"


@compiles(database_now, "sqlite")
def _sqlite(element: object, compiler: object, **kw: object) -> str:
    # SQLite's clock has milliseconds; the zeros pad it to the width that SQLAlchemy writes,
    # so that times compare as text.
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


class start_of(FunctionElement[datetime]):  # noqa: N801 - written like an SQL function
    """The start of the minute or hour (the first argument) that contains a time."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, unit: str, moment: object) -> None:
        self.unit = unit
        super().__init__(moment)


class minute_of(start_of):  # noqa: N801
    """The start of the minute that contains a time."""

    inherit_cache = True

    def __init__(self, moment: object) -> None:
        super().__init__("minute", moment)


class hour_of(start_of):  # noqa: N801
    """The start of the hour that contains a time, in UTC."""

    inherit_cache = True

    def __init__(self, moment: object) -> None:
        super().__init__("hour", moment)


@compiles(start_of)
def _start(element: start_of, compiler: Any, **kw: Any) -> str:
    inner = compiler.process(element.clauses, **kw)
    return f"date_trunc('{element.unit}', {inner}, 'UTC')"


@compiles(start_of, "sqlite")
def _start_sqlite(element: start_of, compiler: Any, **kw: Any) -> str:
    # In SQLAlchemy's format, so that times compare as text.
    inner = compiler.process(element.clauses, **kw)
    length, rest = (16, ":00.000000") if element.unit == "minute" else (13, ":00:00.000000")
    return f"(substr({inner}, 1, {length}) || '{rest}')"


class seconds_between(FunctionElement[float]):  # noqa: N801 - written like an SQL function
    """Seconds from the first time to the second; 0 if the second is earlier."""

    type = Double()
    inherit_cache = True


@compiles(seconds_between)
def _seconds(element: seconds_between, compiler: Any, **kw: Any) -> str:
    begin, end = (compiler.process(clause, **kw) for clause in element.clauses)
    # Not extract(), which returns a decimal: over a million rows, it took ten times as long.
    return f"GREATEST(date_part('epoch', {end} - {begin}), 0.0)"


@compiles(seconds_between, "sqlite")
def _seconds_sqlite(element: seconds_between, compiler: Any, **kw: Any) -> str:
    begin, end = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"max((julianday({end}) - julianday({begin})) * 86400.0, 0.0)"


_NOW: Select[datetime] = select(database_now())


def now(database: Session | Connection) -> datetime:
    """Return the database's current time in UTC; read it after locks are taken."""
    return database.execute(_NOW).scalar_one()


def slot_of(moment: datetime, interval_seconds: float) -> datetime:
    """Return the start of the slot that contains *moment*; slots count from 1970-01-01 UTC."""
    interval = timedelta(seconds=interval_seconds)
    return _EPOCH + (moment - _EPOCH) // interval * interval
