"""The column type of times: aware, always UTC, readable whatever a row contains."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Dialect, ScalarSelect, SelectBase
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from .typeless import TextAsBytes, text_of

#: Bounds of the times that are read unchanged. Closer to the limits of ``datetime``, another time
#: zone or one more minute would overflow.
EARLIEST_STORED, LATEST_STORED = datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 12, 1, tzinfo=UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC: ``timestamptz``; on SQLite fixed-width text that sorts by time.

    Reading a row never fails: infinite times, and times before ``EARLIEST_STORED`` or after
    ``LATEST_STORED``, are read as the nearer bound; on SQLite, text that isn't a time is read as ``EARLIEST_STORED``.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Let PostgreSQL clamp to Python's range: errors of the driver can't be caught."""
        is_clock = isinstance(column, FunctionElement) and not column.clauses.clauses
        return column if is_clock else _Readable(column, self)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; times in taskadmin are aware.")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    # Not process_result_value, which gets the value after the dialect's processor has read it.
    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        read = super().result_processor(dialect, coltype)

        def process(value: Any) -> datetime | None:
            if value is None:
                return None
            try:
                value = text_of(value)
                moment: datetime = read(value) if read else value  # type: ignore[assignment]
            except (TypeError, ValueError):
                return EARLIEST_STORED
            if moment.tzinfo is None:
                return min(max(moment.replace(tzinfo=UTC), EARLIEST_STORED), LATEST_STORED)
            return moment.astimezone(UTC)

        return process


class _Readable(TextAsBytes):
    """A time in the SELECT list, where it affects no index or order."""

    inherit_cache = True


@compiles(_Readable, "postgresql")
def _within_range(element: _Readable, compiler: SQLCompiler, **kw: object) -> str:
    (column,) = element.clauses
    read = compiler.process(column, **kw)
    if not isinstance(getattr(column, "element", None), ScalarSelect | SelectBase):
        return _clamped(read)
    # Evaluated once: OFFSET keeps PostgreSQL from inlining the subquery at each reference.
    return f"(SELECT {_clamped('at_.at_')} FROM (SELECT {read} AS at_ OFFSET 0) AS at_)"  # noqa: S608


def _clamped(sql: str) -> str:
    return f"CASE WHEN {sql} < {_LOW} THEN {_LOW} WHEN {sql} > {_HIGH} THEN {_HIGH} ELSE {sql} END"


_LOW, _HIGH = (f"TIMESTAMPTZ '{end.isoformat()}'" for end in (EARLIEST_STORED, LATEST_STORED))


def utc_now() -> datetime:
    """Return this process's current time in UTC. The store uses the database's clock."""
    return datetime.now(UTC)
