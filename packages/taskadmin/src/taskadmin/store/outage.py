"""Which errors mean that the database is away for a while, rather than that a statement is wrong."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

#: Read-only, as a standby is and a server in trouble may be (PostgreSQL's SQLSTATE).
_READ_ONLY = "25006"
#: SQLite has one class for everything; these parts of its messages pass by themselves.
_SQLITE_PASSING = ("locked", "busy", "disk i/o error", "readonly", "unable to open")


def is_outage(error: BaseException) -> bool:
    """Whether the same statement may succeed later: no connection, no lock, no room, read-only."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or getattr(error.orig, "sqlstate", None) == _READ_ONLY:
        return True
    if type(error.orig).__module__.startswith("sqlite3"):
        text = str(error.orig).lower()
        return any(part in text for part in _SQLITE_PASSING)
    return isinstance(error, OperationalError | InterfaceError)
