"""Detect a connection pooler in front of PostgreSQL, and how it treats prepared statements."""

from __future__ import annotations

import logging
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event

from .outage import first_line, is_unprepared

if TYPE_CHECKING:
    from psycopg import Connection as PsycopgConnection

log = logging.getLogger("taskadmin.store")

_SELECT_PID = "SELECT pg_backend_pid()"
#: Another client may take the connection that the second one was meant to keep busy.
_MAX_TRIES = 5


#: How to configure around a pooler that forgets prepared statements.
POOLER_FIX = (
    'Set SQLALCHEMY_ENGINE_OPTIONS = {"connect_args": {"prepare_threshold": None}}, or use'
    " PgBouncer 1.22 or newer with max_prepared_statements above 0."
)


class Pooling(Enum):
    """How a connection maps to server processes."""

    #: One server process, as far as detectable; or the driver prepares no statements.
    HARMLESS = auto()
    #: A different process per transaction; the pooler tracks prepared statements.
    FOLLOWED = auto()
    #: A different process per transaction, which doesn't know the prepared statements.
    FORGOTTEN = auto()


def pooling(engine: Engine) -> Pooling:
    """Prepare a statement and execute it again, on another server process if there is one.

    Report only what was observed: an error that has no other cause, or two process ids.
    """
    if engine.dialect.name != "postgresql" or engine.dialect.driver != "psycopg":
        return Pooling.HARMLESS
    with engine.connect() as connection:
        raw = _driver_connection(connection)
        if raw.prepare_threshold is None or _pid(raw, prepare=False) == raw.info.backend_pid:
            return Pooling.HARMLESS  # a pooler reports its own backend_pid to clients
        with engine.connect() as other:
            try:
                seen = _processes(raw, _driver_connection(other))
            except raw.Error as error:
                if is_unprepared(error):
                    return Pooling.FORGOTTEN
                raise
            finally:
                connection.invalidate()  # drops its prepared statements
    return Pooling.FOLLOWED if seen > 1 else Pooling.HARMLESS


def note_unprepared(engine: Engine, error: BaseException) -> None:
    """Stop preparing statements in this process if *error* shows that a pooler forgets them.

    The error is not the worst: another client's statement of the same name that takes the same
    values would be executed instead.
    """
    if not is_unprepared(error) or event.contains(engine, "checkout", _prepare_nothing):
        return
    event.listen(engine, "checkout", _prepare_nothing)
    log.error(
        "A connection pooler loses the statements that psycopg prepares (%s). This process"
        " stops preparing statements; others may execute one another's: %s",
        first_line(error),
        POOLER_FIX,
    )


def _prepare_nothing(connection: Any, _record: Any, _proxy: Any) -> None:
    connection.prepare_threshold = None


def _processes(raw: PsycopgConnection[object], other: PsycopgConnection[object]) -> int:
    """Count the server processes that execute the prepared statement: 1 in session pooling."""
    seen = {_pid(raw, prepare=True)}
    for _ in range(_MAX_TRIES):
        # Poolers hand out the connection that was used last, so keep it busy.
        with other.transaction(force_rollback=True):
            other.execute(_SELECT_PID, prepare=False)
            seen.add(_pid(raw, prepare=True))
        if len(seen) > 1:
            break
    return len(seen)


def _driver_connection(connection: Connection) -> PsycopgConnection[Any]:
    driver: Any = connection.connection.driver_connection
    return driver  # type: ignore[no-any-return]


def _pid(raw: PsycopgConnection[Any], *, prepare: bool) -> int:
    with raw.transaction():
        row = raw.execute(_SELECT_PID, prepare=prepare).fetchone()
    assert row is not None  # a SELECT without FROM returns one row
    pid: int = row[0]
    return pid
