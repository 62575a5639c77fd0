"""Classify database errors: temporary outages, and errors in the statement or its values.

There is one table for PostgreSQL's SQLSTATEs and one for SQLite's result codes. Code that catches
a database error calls ``kind_of`` instead of checking the exception's class.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Set
from enum import Enum, auto

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    PendingRollbackError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout


class ErrorKind(Enum):
    """How to react to a database error."""

    #: No connection, a lock timeout, a full disk, a standby: retry later.
    WAIT = auto()
    #: The connection's state or a conflicting transaction: retry on another connection.
    RECONNECT = auto()
    #: The role lacks a privilege: an administrator has to grant it.
    NO_RIGHT = auto()
    #: The values can't be stored, now or later.
    REFUSED = auto()
    #: Anything else, such as a missing column: a retry may help or not.
    OTHER = auto()


_READ_ONLY, _CANCELED, _LOCK_TIMEOUT = "25006", "57014", "55P03"
_PROTOCOL = "08P01"
#: A prepared statement doesn't exist, or another client's has its name.
_UNPREPARED = frozenset({"26000", "42P05"})
#: Damaged data and indexes; a read-only transaction and a full disk.
_DAMAGED, _UNWRITABLE = {"XX001", "XX002"}, {_READ_ONLY, "53100"}
_DAMAGED_IN_SQLITE = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_UNWRITABLE_IN_SQLITE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL}
#: Undefined table, column, type, function, schema. SQLite has one code for all invalid statements.
_UNDEFINED_NAMES = ("42P01", "42703", "42704", "42883", "3F000")
_LACKING_IN_SQLITE = ("no such table", "no such column", "has no column named")

#: SQLSTATEs and prefixes of them; the longest match decides. PostgreSQL's manual, appendix A.
_BY_SQLSTATE = {
    "08": ErrorKind.WAIT,  # connection exceptions; PgBouncer's own errors are 08P01
    "53": ErrorKind.WAIT,  # no room on the disk, no memory, too many connections
    "57P": ErrorKind.WAIT,  # shutting down, crashed, starting up
    _LOCK_TIMEOUT: ErrorKind.WAIT,
    # A role's statement_timeout or an administrator. Code with its own timeout catches it earlier.
    _CANCELED: ErrorKind.WAIT,
    _READ_ONLY: ErrorKind.WAIT,  # a standby, or a server in trouble
    "25": ErrorKind.RECONNECT,  # a failed transaction or one in the wrong state
    **dict.fromkeys(_UNPREPARED, ErrorKind.RECONNECT),
    "40": ErrorKind.RECONNECT,  # deadlock, serialization failure
    "42501": ErrorKind.NO_RIGHT,
    "22": ErrorKind.REFUSED,  # data exceptions
    "23": ErrorKind.REFUSED,  # constraints
    "54": ErrorKind.REFUSED,  # program limits: nested too deep, too large
}

#: SQLite's primary and, where they differ, extended result codes. https://sqlite.org/rescode.html
_BY_SQLITE_CODE = {
    sqlite3.SQLITE_BUSY: ErrorKind.WAIT,
    sqlite3.SQLITE_LOCKED: ErrorKind.WAIT,
    sqlite3.SQLITE_PROTOCOL: ErrorKind.WAIT,  # lost a race for locks
    sqlite3.SQLITE_INTERRUPT: ErrorKind.WAIT,
    sqlite3.SQLITE_NOMEM: ErrorKind.WAIT,
    sqlite3.SQLITE_IOERR: ErrorKind.WAIT,
    sqlite3.SQLITE_FULL: ErrorKind.WAIT,
    sqlite3.SQLITE_READONLY: ErrorKind.WAIT,
    sqlite3.SQLITE_CANTOPEN: ErrorKind.WAIT,
    sqlite3.SQLITE_READONLY_DBMOVED: ErrorKind.RECONNECT,  # the file was replaced
    sqlite3.SQLITE_ABORT: ErrorKind.RECONNECT,  # its transaction was rolled back
    sqlite3.SQLITE_SCHEMA: ErrorKind.RECONNECT,
    sqlite3.SQLITE_PERM: ErrorKind.NO_RIGHT,
    sqlite3.SQLITE_AUTH: ErrorKind.NO_RIGHT,
    sqlite3.SQLITE_TOOBIG: ErrorKind.REFUSED,
    sqlite3.SQLITE_CONSTRAINT: ErrorKind.REFUSED,
    sqlite3.SQLITE_MISMATCH: ErrorKind.REFUSED,
    sqlite3.SQLITE_RANGE: ErrorKind.REFUSED,
}


def kind_of(error: BaseException) -> ErrorKind:
    """Classify *error*, which SQLAlchemy or a driver raised."""
    if isinstance(error, PoolTimeout):
        return ErrorKind.WAIT
    if isinstance(error, PendingRollbackError):  # caused by an earlier error
        return ErrorKind.RECONNECT
    if isinstance(error, DBAPIError):
        return ErrorKind.WAIT if error.connection_invalidated else _kind_of_driver_error(error)
    # Values that never reached the database: SQLAlchemy couldn't convert them, or the driver
    # couldn't send them (surrogates; integers of more than 64 bits on SQLite).
    if isinstance(error, StatementError | UnicodeError | OverflowError):
        return ErrorKind.REFUSED
    return ErrorKind.OTHER


def is_outage(error: BaseException) -> bool:
    """Whether the same statement may succeed later without anyone fixing anything."""
    return kind_of(error) in (ErrorKind.WAIT, ErrorKind.RECONNECT)


def wants_fresh_connection(error: BaseException) -> bool:
    """Whether the statement may succeed on another connection."""
    # After a failover, a connection may still lead to the old primary, now a standby; and a
    # prepared statement of the same name may expect a different number of values.
    return kind_of(error) is ErrorKind.RECONNECT or sqlstate(error) in (_READ_ONLY, _PROTOCOL)


def is_unprepared(error: BaseException) -> bool:
    """Whether a prepared statement is unknown because a pooler switched the server connection."""
    return sqlstate(error) in _UNPREPARED


def is_canceled(error: BaseException) -> bool:
    """Whether PostgreSQL canceled the statement: at its timeout or on request."""
    return sqlstate(error) == _CANCELED


def took_too_long(error: BaseException) -> bool:
    """Whether a statement or lock timeout canceled the statement."""
    return sqlstate(error) in (_CANCELED, _LOCK_TIMEOUT)


def is_damaged(error: BaseException) -> bool:
    """Whether the database is damaged, or SQLite's file isn't a database."""
    return _has_code(error, _DAMAGED, _DAMAGED_IN_SQLITE)


def is_unwritable(error: BaseException) -> bool:
    """Whether the database is read-only or its disk is full, so that only reading works."""
    has_code = _has_code(error, _UNWRITABLE, _UNWRITABLE_IN_SQLITE)
    return has_code and kind_of(error) is ErrorKind.WAIT  # a replaced file is read-only, too


def _has_code(error: BaseException, states: Set[str], sqlite_codes: Set[int]) -> bool:
    number: int | None = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    if number is None:
        return sqlstate(error) in states
    return number & 0xFF in sqlite_codes


def is_schema_missing(error: BaseException) -> bool:
    """Whether a table, column or type doesn't exist."""
    code = sqlstate(error)
    if code is not None:
        return code in _UNDEFINED_NAMES
    return any(part in str(getattr(error, "orig", "")) for part in _LACKING_IN_SQLITE)


def first_line(error: BaseException) -> str:
    """Return the first line of the driver's message: no statement, values or traceback."""
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _kind_of_driver_error(error: DBAPIError) -> ErrorKind:
    code = sqlstate(error)
    if code is not None:
        for length in (5, 3, 2):
            if code[:length] in _BY_SQLSTATE:
                return _BY_SQLSTATE[code[:length]]
        return ErrorKind.OTHER
    number: int | None = getattr(error.orig, "sqlite_errorcode", None)
    if number is not None:  # the lowest byte of an extended code is the primary code
        primary = _BY_SQLITE_CODE.get(number & 0xFF, ErrorKind.OTHER)
        return _BY_SQLITE_CODE.get(number, primary)
    if isinstance(error, DataError | IntegrityError):
        return ErrorKind.REFUSED
    # If connecting fails, there is no statement and the server sends no code. SQLite errors without
    # a code come from the driver, such as text that isn't UTF-8.
    connecting = error.statement is None and not isinstance(error.orig, sqlite3.Error)
    if connecting and isinstance(error, OperationalError | InterfaceError):
        return ErrorKind.WAIT
    return ErrorKind.OTHER


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE of a PostgreSQL error, or None."""
    driver_error = getattr(error, "orig", error)
    code: str | None = getattr(driver_error, "sqlstate", None)
    return code or getattr(driver_error, "pgcode", None)  # sqlstate in psycopg, pgcode in psycopg2
